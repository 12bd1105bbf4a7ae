import { execFile } from 'node:child_process';
import { PROBE_ENVIRONMENT } from './isolation.js';
import { type Launch } from './launch.js';

const PROBE_TIMEOUT_MS = 15_000;

/** What the program prints when it is started so, or null where it does not end well. `environment` null: the service's own. */
export function tryLaunch(launch: Launch, environment: Record<string, string> | null = PROBE_ENVIRONMENT): Promise<string | null> {
  const options = { timeout: PROBE_TIMEOUT_MS, cwd: '/', ...(environment ? { env: environment } : {}), ...launch.user };
  return new Promise((resolve) => {
    try {
      execFile(launch.command, [...launch.args], options, (error, stdout) => resolve(error ? null : stdout));
    } catch {
      resolve(null);
    }
  });
}

/** The first launch that works, or null. */
export async function firstWorking(launches: readonly Launch[]): Promise<Launch | null> {
  for (const launch of launches) if ((await tryLaunch(launch)) !== null) return launch;
  return null;
}
