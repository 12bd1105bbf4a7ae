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
}

/** Makes an empty database on the server all tests of the run share; that one forgets everything in a crash. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await onServer(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(serverUrl());
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

/** Starts a separate server with all guarantees on, for tests that kill it. `stop` removes its data too. */
export async function startDurableServer(): Promise<DurableServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'showrunner-durable-'));
  const server = await startEmbeddedPostgres({ dataDir, log: () => undefined });
  return {
    url: server.url,
    dataDir,
    stop: async () => {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function serverUrl(): string {
  const url = process.env.TEST_DATABASE_SERVER;
  if (url === undefined) throw new Error('No test database server: the jest project lacks globalSetup (jest.config.mjs).');
  return url;
}
