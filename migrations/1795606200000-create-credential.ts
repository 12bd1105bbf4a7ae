import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Credentials, encrypted field by field under a data key of their own, which is wrapped by the master key that `kid` names. Ids, names and versions
 * are part of what is authenticated: a row that is swapped or changed cannot be opened.
 */
export class CreateCredential1795606200000 implements MigrationInterface {
  name = 'CreateCredential1795606200000';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE credential (
        id bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        name text NOT NULL,
        type text NOT NULL,
        version integer NOT NULL,
        kid text NOT NULL,
        wrapped_key bytea NOT NULL,
        fields json NOT NULL,
        meta json NOT NULL DEFAULT '{}',
        tags text[] NOT NULL DEFAULT '{}',
        description text,
        created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        created_by text NOT NULL
      )`);
    // Steps look credentials up by name, and lists go by it.
    await db.query(`CREATE UNIQUE INDEX credential_name ON credential (tenant_id, name)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE credential');
  }
}
