import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * New metadata lies in a list of the index until the batch that fills it up sorts all of it in, and every execution waits for that batch: with the
 * standard 4 MiB for most of a second. Smaller lists are sorted in more often, and hold nobody up for long (docs/performance.md).
 */
export class BoundMetadataFlush1796000000000 implements MigrationInterface {
  name = 'BoundMetadataFlush1796000000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER INDEX execution_by_metadata SET (gin_pending_list_limit = 256)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`ALTER INDEX execution_by_metadata RESET (gin_pending_list_limit)`);
  }
}
