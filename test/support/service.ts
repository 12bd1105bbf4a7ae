import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from '../../src/app.module.js';
import { loadSettings } from '../../src/config/settings.js';
import { createHttpApp } from '../../src/http-app.js';
import { createLogger } from '../../src/observability/logger.js';
import { runMigrations } from '../../src/storage/connection/run-migrations.js';
import { HttpClient } from './http-client.js';
import { createMigratedDatabase } from './migrated-database.js';

/** The whole service in this process, with a database of its own. */
export class TestService extends HttpClient {
  constructor(
    url: string,
    readonly databaseUrl: string,
    readonly app: NestFastifyApplication,
    /** Stops it as SIGTERM would, and removes its database. */
    readonly stop: () => Promise<void>,
  ) {
    super(url);
  }
}

/** A service process as an operator runs it. */
export class ServiceProcess extends HttpClient {
  constructor(
    url: string,
    /** Of the operating system. */
    readonly pid: number,
    readonly output: readonly string[],
    /** Sends the signal and waits until the process is gone. @returns its exit code, null where the signal ended it */
    readonly end: (signal: 'SIGKILL' | 'SIGTERM') => Promise<number | null>,
    /** Sends a signal that does not end it. */
    readonly signal: (signal: 'SIGSTOP' | 'SIGCONT') => void,
  ) {
    super(url);
  }
}

/** Starts the service as main does, on a free port. `env` sets what the environment would. @param beside another node, whose database this one shares @param through an address that leads to the database, for its own */
export async function startTestService(
  env: Readonly<Record<string, string>> = {},
  beside?: TestService,
  through: (url: string) => Promise<string> = (url) => Promise.resolve(url),
): Promise<TestService> {
  const database = beside ? { url: beside.databaseUrl, drop: () => Promise.resolve() } : await createMigratedDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), 'showrunner-service-'));
  const settings = loadSettings({ PATH: process.env.PATH, PORT: '0', LOG_LEVEL: 'silent', DATA_DIR: dataDir, ...env });
  const log = createLogger(settings.logLevel);
  await runMigrations(database.url, log);
  const url = await through(database.url);
  const app = await createHttpApp(AppModule.on({ url, directUrl: url }, settings, log), settings, log);
  await app.listen(settings.port, settings.host);
  return new TestService(await app.getUrl(), database.url, app, async () => {
    await app.close();
    await database.drop();
    rmSync(dataDir, { recursive: true, force: true });
  });
}

/** Starts the built program (npm run build) and waits until it says that it is ready. */
export async function spawnService(env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [join('dist', 'src', 'main.js')], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', LOG_LEVEL: 'silent', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => output.push(text));
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const ready = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      output.push(line);
      const url = /^ {2}API +(\S+)$/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  const url = await Promise.race([ready, ended.then(() => null)]);
  if (url === null) throw new Error(`the service ended at once: ${output.join('\n')}`);
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> => {
    child.kill(signal);
    return (await ended)[0];
  };
  return new ServiceProcess(url, child.pid!, output, end, (signal) => void child.kill(signal));
}
