import { setTimeout as sleep } from 'node:timers/promises';
import { type DataSource } from 'typeorm';
import { MigrationExecutor } from 'typeorm/migration/MigrationExecutor.js';
import { createDataSource } from './data-source.js';
import { type Log } from '../log.js';
import { sqlStateOf } from './sql-state.js';

/** Any fixed number that nothing else locks: "showrun" in ASCII. */
const MIGRATION_LOCK = '32493287316518254';
const LOCK_TIMEOUT_MS = 5_000;
const RETRY_DELAY_MS = 250;

/**
 * Brings the schema up to date, or finds that it is. One transaction holds one advisory lock and all migrations, so nodes that start
 * together wait for the first and then find nothing to do; a node that dies lets go of the lock and leaves nothing half done (R11).
 * @returns the names of the migrations that ran here
 */
export async function runMigrations(url: string, log: Log, signal?: AbortSignal): Promise<readonly string[]> {
  const db = createDataSource(url, { poolSize: 1, log });
  await db.initialize();
  try {
    for (let waited = 0; ; waited += LOCK_TIMEOUT_MS) {
      signal?.throwIfAborted();
      try {
        return await migrateOnce(db, log);
      } catch (error) {
        // 55P03: another node migrates, or a long query holds a table; both end.
        if (sqlStateOf(error) !== '55P03') throw error;
        log.info({ waitedMs: waited + LOCK_TIMEOUT_MS }, 'waiting for a lock to migrate the database');
        await sleep(RETRY_DELAY_MS, undefined, { signal });
      }
    }
  } finally {
    await db.destroy();
  }
}

async function migrateOnce(db: DataSource, log: Log): Promise<readonly string[]> {
  const runner = db.createQueryRunner();
  try {
    await runner.startTransaction();
    await runner.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await runner.query(`SET LOCAL statement_timeout = 0`);
    await runner.query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    const done = await new MigrationExecutor(db, runner).executePendingMigrations();
    await runner.commitTransaction();
    const names = done.map((migration) => migration.name);
    if (names.length > 0) log.info({ migrations: names }, 'database migrated');
    return names;
  } catch (error) {
    if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  } finally {
    await runner.release();
  }
}
