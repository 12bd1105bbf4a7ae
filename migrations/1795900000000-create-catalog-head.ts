import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * What `latest` means of each path, as searches and MCP clients need it: one small row instead of all versions with their texts. Names of tools are
 * made here once and stay. Existing entries get their rows from the first node that starts.
 * And the keys that all nodes sign with what they hand to clients and take back.
 */
export class CreateCatalogHead1795900000000 implements MigrationInterface {
  name = 'CreateCatalogHead1795900000000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE catalog_head (
        tenant_id text NOT NULL,
        path text NOT NULL,
        entry_id bigint NOT NULL,
        kind text NOT NULL,
        version text NOT NULL,
        tool_name text COLLATE "C" NOT NULL,
        named_by_author boolean NOT NULL,
        exposed text[] NOT NULL,
        uri text COLLATE "C",
        card json NOT NULL,
        search_text text NOT NULL,
        search_words tsvector NOT NULL,
        form integer NOT NULL,
        PRIMARY KEY (tenant_id, path)
      )`);
    // Tools are called by name, and listed in the order of their names.
    await db.query(`CREATE UNIQUE INDEX catalog_head_tool_name ON catalog_head (tenant_id, tool_name)`);
    // The lists that models see are short however long the catalog is.
    await db.query(`CREATE INDEX catalog_head_exposed ON catalog_head (tenant_id, tool_name) WHERE exposed <> '{}'`);
    // Prompts and resources are few among many tools.
    await db.query(`CREATE INDEX catalog_head_of_kind ON catalog_head (tenant_id, kind, tool_name)`);
    await db.query(`CREATE INDEX catalog_head_uri ON catalog_head (tenant_id, uri) WHERE uri IS NOT NULL`);
    // Without a list of pending entries: registrations are rare, and every search would read all of it.
    await db.query(`CREATE INDEX catalog_head_search_words ON catalog_head USING gin (search_words) WITH (fastupdate = off)`);
    // Parts of words need pg_trgm. It is trusted, so that its owner may add it to a database; where even that is refused, parts are found by reading.
    await db.query(`
      DO $$ BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
      EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE 'pg_trgm is not available: %', SQLERRM;
      END $$`);
    const [trigrams] = (await db.query(`
      SELECT n.nspname AS schema FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.opcname = 'gin_trgm_ops'`)) as {
      schema: string;
    }[];
    if (trigrams) {
      const schema = `"${trigrams.schema.replaceAll('"', '""')}"`;
      await db.query(
        `CREATE INDEX catalog_head_search_text ON catalog_head USING gin (search_text ${schema}.gin_trgm_ops) WITH (fastupdate = off)`,
      );
    }
    await db.query(`
      CREATE TABLE signing_key (
        name text PRIMARY KEY,
        secret bytea NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE signing_key');
    await db.query('DROP TABLE catalog_head');
  }
}
