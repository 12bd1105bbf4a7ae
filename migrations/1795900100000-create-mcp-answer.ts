import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Answers to some of the requests of a step that asks for several at once, until the rest has come: MCP clients may send them one by one. */
export class CreateMcpAnswer1795900100000 implements MigrationInterface {
  name = 'CreateMcpAnswer1795900100000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE mcp_answer (
        execution_id bigint NOT NULL,
        step text NOT NULL,
        wave integer NOT NULL,
        key text NOT NULL,
        tenant_id text NOT NULL,
        answer json NOT NULL,
        received_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (execution_id, step, wave, key)
      )`);
    // Those that wait in vain are removed by their age.
    await db.query(`CREATE INDEX mcp_answer_by_age ON mcp_answer (received_at)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE mcp_answer');
  }
}
