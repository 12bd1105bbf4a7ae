import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type RegisterDocument, type RegisteredEntry, type RegistrationService } from '../catalog/registration.service.js';
import { ANONYMOUS, type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { type Log } from '../storage/log.js';

/** Whoever registers what comes with the service. */
const SHIPPED: Principal = { ...ANONYMOUS, subject: 'showrunner' };

/**
 * Registers the documents below `examples/`, as a client would. What is registered already stays as it is; one that is refused, since somebody has
 * registered another text of that version, is left out with a warning.
 */
export async function registerExamples(registration: Pick<RegistrationService, 'register'>, log: Log): Promise<readonly RegisteredEntry[]> {
  const registered: RegisteredEntry[] = [];
  for (const file of await exampleFiles()) {
    const document: RegisterDocument = { content: await readFile(file, 'utf8'), version: null, tags: [], strict: true };
    try {
      registered.push(await registration.register(SHIPPED, document));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      log.warn({ file, code: error.code }, `an example was not registered: ${error.message}`);
    }
  }
  return registered;
}

async function exampleFiles(): Promise<string[]> {
  const folder = exampleFolder(import.meta.dirname);
  if (folder === null) return [];
  const names = await readdir(folder, { recursive: true });
  return names
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => join(folder, name));
}

/** In the folder of the package, from wherever this file was built to; null where the program was put elsewhere without it. */
function exampleFolder(from: string): string | null {
  const folder = join(from, 'examples');
  if (existsSync(join(from, 'package.json'))) return existsSync(folder) ? folder : null;
  return dirname(from) === from ? null : exampleFolder(dirname(from));
}
