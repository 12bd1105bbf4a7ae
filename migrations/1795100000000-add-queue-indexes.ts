import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What looks at the queue reads only the queue: executions that nobody has begun. None of these indexes costs a live update its being HOT:
 * `status` and `wake_at` are indexed anyway, the other columns never change.
 */
export class AddQueueIndexes1795100000000 implements MigrationInterface {
  name = 'AddQueueIndexes1795100000000';

  async up(db: QueryRunner): Promise<void> {
    // Those that are too late to begin.
    await db.query(`CREATE INDEX execution_expiring ON execution (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL`);
    // Those that only a node with nothing better to do takes before their time.
    await db.query(`CREATE INDEX execution_low_priority ON execution (wake_at) WHERE status = 'pending' AND priority < 0`);
    // How many wait, in all and for each tenant.
    await db.query(`CREATE INDEX execution_queued ON execution (tenant_id) WHERE status = 'pending'`);
  }

  async down(db: QueryRunner): Promise<void> {
    for (const name of ['execution_queued', 'execution_low_priority', 'execution_expiring']) await db.query(`DROP INDEX ${name}`);
  }
}
