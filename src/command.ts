import { type Settings } from './config/settings.js';
import { SettingsError } from './config/settings-error.js';
import { databaseFailure, StartFailure } from './start-failure.js';
import { createDataSource } from './storage/connection/data-source.js';
import { existingDatabase, NoDatabaseError } from './storage/connection/existing-database.js';

type Connection = ReturnType<typeof createDataSource>;

/**
 * Lets a command of the operator work on the database of the settings, through one connection, and leaves everything as it was.
 * @throws NoDatabaseError; StartFailure where its server cannot be used; what `work` throws
 */
export async function withDatabase<T>(settings: Settings, work: (db: Connection) => Promise<T>): Promise<T> {
  const database = await existingDatabase(settings);
  try {
    const db = await createDataSource(database.url, { poolSize: 1 })
      .initialize()
      .catch((error: unknown) => {
        throw databaseFailure(error, database.url);
      });
    try {
      return await work(db);
    } finally {
      await db.destroy();
    }
  } finally {
    await database.stop();
  }
}

/** Why a command did not work, for the operator: in one line where something can be done about it, with the stack where the fault is ours. */
export function commandFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isPlain = [SettingsError, NoDatabaseError, StartFailure].some((kind) => error instanceof kind);
  return isPlain ? error.message : (error.stack ?? error.message);
}
