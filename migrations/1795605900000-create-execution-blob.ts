import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Large values of events, apart from them: pages of events, steps and lists never read them. Partitioned like the history, so that both go
 * together.
 */
export class CreateExecutionBlob1795605900000 implements MigrationInterface {
  name = 'CreateExecutionBlob1795605900000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE execution_blob (
        execution_id bigint NOT NULL,
        seq integer NOT NULL,
        part text NOT NULL,
        tenant_id text NOT NULL,
        body json NOT NULL,
        PRIMARY KEY (execution_id, seq, part)
      ) PARTITION BY RANGE (execution_id)`);
    await db.query(`CREATE TABLE execution_blob_default PARTITION OF execution_blob DEFAULT`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE execution_blob`);
  }
}
