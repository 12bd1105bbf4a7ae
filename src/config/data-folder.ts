import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { type Environment } from './environment.js';

/** DATA_DIR, else where the system keeps the data of services (as root) or of this user (XDG Base Directory). */
export function dataFolder(environment: Environment): string {
  const given = environment.text('DATA_DIR');
  if (given !== null) return resolve(given);
  if (process.getuid?.() === 0) return '/var/lib/showrunner';
  const dataHome = environment.text('XDG_DATA_HOME');
  if (dataHome !== null && isAbsolute(dataHome)) return join(dataHome, 'showrunner'); // the standard says: ignore a relative one
  return join(environment.text('HOME') ?? homedir(), '.local', 'share', 'showrunner');
}
