import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** How to reach the embedded server. */
export interface ServerAddress {
  readonly port: number;
  readonly password: string;
}

/** Role and database of the service on its embedded server. */
export const SERVICE_NAME = 'showrunner';

const HOST = '127.0.0.1';

export function urlOf({ port, password }: ServerAddress, database: string = SERVICE_NAME): string {
  return `postgres://${SERVICE_NAME}:${password}@${HOST}:${port}/${database}`;
}

export function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

/** The address of the last start, from `DATA_DIR/database.url`; undefined if there is none that can be read as one. */
export function readAddress(dataDir: string): ServerAddress | undefined {
  try {
    const url = new URL(readFileSync(fileIn(dataDir), 'utf8').trim());
    const port = Number(url.port);
    return url.password !== '' && port > 0 ? { port, password: url.password } : undefined;
  } catch {
    return undefined; // absent or damaged: the caller sets a new password
  }
}

/** Writes `DATA_DIR/database.url` whole or not at all, readable by the service's user only: it holds the password. */
export function writeAddress(dataDir: string, address: ServerAddress): void {
  const unfinished = `${fileIn(dataDir)}.${process.pid}`;
  writeFileSync(unfinished, `${urlOf(address)}\n`, { mode: 0o600, flush: true });
  renameSync(unfinished, fileIn(dataDir));
}

/** `wanted` if nobody listens there, else any free port. Another program may still take it first: starting retries. */
export async function freePort(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined && (await tryPort(wanted)) !== undefined) return wanted;
  const port = await tryPort(0);
  if (port === undefined) throw new Error(`No free port on ${HOST} for the embedded PostgreSQL.`);
  return port;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen(port, HOST, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}

function fileIn(dataDir: string): string {
  return join(dataDir, 'database.url');
}
