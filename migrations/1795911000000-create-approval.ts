import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** What waits for people: a row for each firing of an `approval` step, opened with its wait, and closed by a decision, its time, or the end of its step. */
export class CreateApproval1795911000000 implements MigrationInterface {
  name = 'CreateApproval1795911000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE approval (
        id bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        execution_id bigint NOT NULL,
        step text NOT NULL,
        wave integer NOT NULL,
        path text NOT NULL,
        version text NOT NULL,
        title text NOT NULL,
        message text,
        data json NOT NULL,
        form json NOT NULL,
        scopes text[] NOT NULL,
        subjects text[] NOT NULL,
        quorum smallint NOT NULL,
        requested_by text[] NOT NULL,
        state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected', 'expired', 'cancelled')),
        decisions json[] NOT NULL DEFAULT '{}',
        created_at timestamptz(3) NOT NULL,
        expires_at timestamptz(3),
        closed_at timestamptz(3)
      )`);
    // One for each firing; the units that end a firing or a run look their approvals up by it.
    await db.query(`CREATE UNIQUE INDEX approval_place ON approval (execution_id, step, wave)`);
    // The list, newest first.
    await db.query(`CREATE INDEX approval_by_tenant ON approval (tenant_id, id DESC)`);
    // What still waits stays a short list, however many were decided.
    await db.query(`CREATE INDEX approval_open ON approval (tenant_id, id DESC) WHERE state = 'open'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE approval');
  }
}
