import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** MCP servers that operators register, and every definition of their tools that was ever seen, with what was decided about it. */
export class CreateMcpServer1795906000000 implements MigrationInterface {
  name = 'CreateMcpServer1795906000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE mcp_server (
        id bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        name text NOT NULL,
        version integer NOT NULL,
        url text NOT NULL,
        auth text,
        headers json NOT NULL DEFAULT '{}',
        description text,
        created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        created_by text NOT NULL
      )`);
    // Steps look servers up by name, and lists go by it.
    await db.query(`CREATE UNIQUE INDEX mcp_server_name ON mcp_server (tenant_id, name)`);
    // Servers of the configuration have definitions and no row, so there is no foreign key. A definition is kept as long as its server.
    await db.query(`
      CREATE TABLE mcp_tool (
        id bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        server text NOT NULL,
        tool text NOT NULL,
        digest text NOT NULL,
        definition json NOT NULL,
        status text NOT NULL CHECK (status IN ('approved', 'held')),
        catalog_id bigint,
        path text NOT NULL,
        version text,
        seen_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        approved_at timestamptz(3),
        approved_by text
      )`);
    // Every call reads the definitions of one tool.
    await db.query(`CREATE UNIQUE INDEX mcp_tool_definition ON mcp_tool (tenant_id, server, tool, digest)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE mcp_tool');
    await db.query('DROP TABLE mcp_server');
  }
}
