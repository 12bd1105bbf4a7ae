import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Wishes about many executions at once, with how far each has come; worked on by whoever holds the lease of its row. */
export class CreateBulkOperation1795605700000 implements MigrationInterface {
  name = 'CreateBulkOperation1795605700000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE bulk_operation (
        id bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        action text NOT NULL,
        filter json NOT NULL,
        reason text,
        status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'aborted', 'failed')),
        total bigint NOT NULL,
        done bigint NOT NULL DEFAULT 0,
        succeeded bigint NOT NULL DEFAULT 0,
        skipped bigint NOT NULL DEFAULT 0,
        failed bigint NOT NULL DEFAULT 0,
        errors json NOT NULL DEFAULT '[]',
        up_to_id bigint NOT NULL,
        last_id bigint NOT NULL DEFAULT 0,
        created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        ended_at timestamptz(3),
        created_by text NOT NULL,
        scopes text[] NOT NULL,
        idempotency_key text,
        fingerprint text,
        lease_token uuid,
        lease_until timestamptz(3),
        attempts smallint NOT NULL DEFAULT 0
      )`);
    // The list, newest first.
    await db.query(`CREATE INDEX bulk_operation_by_tenant ON bulk_operation (tenant_id, id DESC)`);
    // Nodes look for work among the open ones only, every second.
    await db.query(`CREATE INDEX bulk_operation_open ON bulk_operation (id) WHERE status IN ('pending', 'running')`);
    // The same key is the same operation.
    await db.query(
      `CREATE UNIQUE INDEX bulk_operation_key ON bulk_operation (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL`,
    );
    // Retention removes the old ones.
    await db.query(`CREATE INDEX bulk_operation_ended ON bulk_operation (ended_at) WHERE ended_at IS NOT NULL`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE bulk_operation');
  }
}
