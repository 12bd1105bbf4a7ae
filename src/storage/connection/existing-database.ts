import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Settings } from '../../config/settings.js';
import { createDataSource } from './data-source.js';
import { startEmbeddedPostgres } from '../embedded/embedded-postgres.js';

/** There is nothing to work on; told in one line. */
export class NoDatabaseError extends Error {}

/** The database of the settings, for commands: the embedded one is used where it runs, and started for the command where it does not. */
export async function existingDatabase(settings: Settings): Promise<{ url: string; stop(): Promise<void> }> {
  if (settings.databaseUrl !== null) return { url: settings.databaseUrl, stop: () => Promise.resolve() };
  const address = join(settings.dataDir, 'database.url');
  if (!existsSync(address)) throw new NoDatabaseError(`there is no database below ${settings.dataDir}; set DATA_DIR or DATABASE_URL`);
  const url = readFileSync(address, 'utf8').trim();
  const probe = createDataSource(url, { poolSize: 1 });
  const runs = await probe.initialize().then(
    () => true,
    () => false,
  );
  if (runs) await probe.destroy();
  return runs ? { url, stop: () => Promise.resolve() } : startEmbeddedPostgres({ dataDir: settings.dataDir, log: () => undefined });
}
