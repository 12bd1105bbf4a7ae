import { commandFailure, withDatabase } from './command.js';
import { loadKeyRing } from './credentials/key-ring.js';
import { rewrapKey } from './credentials/envelope.js';
import { loadSettings } from './config/settings.js';
import { SettingsError } from './config/settings-error.js';
import { SecretsError } from './engine/secrets-port.js';
import { CredentialRepository } from './storage/repositories/credential.repository.js';

const BATCH = 100;

/** Wraps the data keys of all credentials with the first key of the key file, while the service goes on. */
async function main(): Promise<boolean> {
  const settings = loadSettings(process.env);
  const ring = loadKeyRing(settings);
  if (!ring) throw new SettingsError(['ENCRYPTION_KEY_FILE: must name the key file']);
  let done = 0;
  let unreadable = 0;
  await withDatabase(settings, async (db) => {
    const credentials = new CredentialRepository(db);
    for (let after = '0'; ;) {
      const batch = await credentials.notWrappedBy(ring.current.kid, after, BATCH);
      if (batch.length === 0) break;
      for (const record of batch) {
        after = record.id;
        try {
          // One that was changed meanwhile is wrapped by the key of whoever changed it; a second call finds it.
          if (await credentials.rewrap(record, rewrapKey(ring, record, record))) done += 1;
        } catch (error) {
          if (!(error instanceof SecretsError)) throw error;
          unreadable += 1;
          say(`credential ${record.id} cannot be opened: ${error.message}`);
        }
      }
    }
  });
  say(`${done} credentials are wrapped with the key ${ring.current.kid} now${unreadable > 0 ? `, ${unreadable} could not be opened` : ''}`);
  return unreadable === 0;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().then(
  (allDone) => process.exit(allDone ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`rewrap-keys: ${commandFailure(error)}\n`);
    process.exit(1);
  },
);
