import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';

/** An empty database of one test or one test file. */
export interface TestDatabase {
  readonly url: string;
  /** Removes it, ending the sessions that are still open. */
  readonly drop: () => Promise<void>;
}

/** A server of one test's own, as durable as the real one. */
export interface DurableServer {
  readonly url: string;
  readonly dataDir: string;
  readonly stop: () => Promise<void>;
  /**
   * Restarts it, as a rule on the same port, and starts a second server on a copy of its data that was promoted since: the same passwords, all that was committed until now,
   * and a timeline of its own.
   */
  readonly fork: () => Promise<DurableServer>;
}

/** Makes an empty database on the server all tests of the run share; that one forgets everything in a crash. */
export async function createTestDatabase(): Promise<TestDatabase> {
  return await copyOf('template0');
}

/** Makes a database on that server that begins as another one of it stands; nobody may be connected to that. */
export async function copyOf(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await onServer((client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  return { url: urlOf(name), drop: () => onServer((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)) };
}

/** Starts a separate server with all guarantees on, for tests that kill it. `stop` removes its data too. */
export async function startDurableServer(dataDir = mkdtempSync(join(tmpdir(), 'showrunner-durable-'))): Promise<DurableServer> {
  const start = (): ReturnType<typeof startEmbeddedPostgres> => startEmbeddedPostgres({ dataDir, log: () => undefined });
  let server = await start();
  return {
    get url() {
      return server.url;
    },
    dataDir,
    stop: async () => {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
    fork: async () => {
      await server.stop();
      const copy = mkdtempSync(join(tmpdir(), 'showrunner-fork-'));
      // With its owners and modes: the server insists on them.
      execFileSync('cp', ['-a', `${dataDir}/.`, copy]);
      server = await start();
      // Any file that belongs to the server's user will do: only its name counts.
      execFileSync('cp', ['-a', join(copy, 'postgres', 'data', 'PG_VERSION'), join(copy, 'postgres', 'data', 'standby.signal')]);
      const fork = await startDurableServer(copy);
      const client = new pg.Client({ connectionString: fork.url });
      await client.connect();
      await client.query('SELECT pg_promote()');
      await client.end();
      return fork;
    },
  };
}

/** Does something in a session of its own on that server; locks that it takes go with it. */
export async function onServer(work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** Address of a database on that server. */
export function urlOf(database: string): string {
  const url = new URL(serverUrl());
  url.pathname = `/${database}`;
  return url.href;
}

function serverUrl(): string {
  const url = process.env.TEST_DATABASE_SERVER;
  if (url === undefined) throw new Error('No test database server: the jest project lacks globalSetup (jest.config.mjs).');
  return url;
}
