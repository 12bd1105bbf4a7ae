import { SILENT_LOG } from '../../src/storage/log.js';
import { runMigrations } from '../../src/storage/connection/run-migrations.js';
import { copyOf, onServer, type TestDatabase, urlOf } from './database.js';

/** The database that others are copied from, and what it is called until it is whole. */
const MIGRATED = 'migrated';
const MIGRATING = 'migrating';
/** Any number that nothing else locks on the server: whoever holds it makes the one above. */
const MIGRATED_LOCK = '7236';

/** Makes a database with all migrations: a copy of one that the first test of the run to ask for one has migrated. */
export async function createMigratedDatabase(): Promise<TestDatabase> {
  await onServer(async (client) => {
    await client.query(`SELECT pg_advisory_lock(${MIGRATED_LOCK})`);
    const { rowCount } = await client.query(`SELECT FROM pg_database WHERE datname = '${MIGRATED}'`);
    if (rowCount !== 0) return;
    await client.query(`DROP DATABASE IF EXISTS ${MIGRATING} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${MIGRATING} TEMPLATE template0`);
    await runMigrations(urlOf(MIGRATING), SILENT_LOG);
    await client.query(`ALTER DATABASE ${MIGRATING} RENAME TO ${MIGRATED}`);
  });
  return await copyOf(MIGRATED);
}
