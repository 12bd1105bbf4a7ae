import { spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { type Binaries } from './binaries.js';
import { SERVICE_NAME } from './server-address.js';
import { type ServerUser } from './server-user.js';

/** One PostgreSQL cluster on disk and the programs that work on it. */
export interface Cluster {
  /** `DATA_DIR/postgres`: belongs to the server's user. */
  readonly folder: string;
  /** What PostgreSQL calls the data directory. */
  readonly data: string;
  readonly log: string;
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
}

/** A server process that was started here; `exited` turns true when it ends. */
export interface Launched {
  readonly exited: () => boolean;
}

// The server gets nothing of the service's environment: it may hold secrets, and PG* variables change behaviour.
const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const LOG_TAIL_LINES = 20;
const MEBIBYTE = 1024 * 1024;

/** Makes the folder of the cluster and gives it to the server's user. */
export function prepareFolder(folder: string, user: ServerUser | undefined): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
}

/** Makes an empty cluster with this password. A killed start leaves nothing under the final name. */
export function createCluster(cluster: Cluster, password: string): void {
  for (const name of readdirSync(cluster.folder)) {
    if (name.startsWith('unfinished.')) rmSync(join(cluster.folder, name), { recursive: true, force: true });
  }
  const unfinished = join(cluster.folder, `unfinished.${process.pid}`);
  const passwordFile = `${unfinished}.password`;
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (cluster.user !== undefined) chownSync(passwordFile, cluster.user.uid, cluster.user.gid);
  // The built-in locale needs none of the machine's locales and sorts the same everywhere.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = [`--username=${SERVICE_NAME}`, `--pwfile=${passwordFile}`, '--auth-host=scram-sha-256', '--auth-local=reject'];
  const { status, error, stdout, stderr } = spawnSync(cluster.binaries.initdb, [`--pgdata=${unfinished}`, ...locale, ...access], {
    ...cluster.user,
    cwd: cluster.folder,
    env: ENVIRONMENT,
    encoding: 'utf8',
  });
  rmSync(passwordFile, { force: true });
  if (status !== 0) throw new Error(`initdb failed: ${error?.message ?? `${stdout}\n${stderr}`.trim()}`);
  renameSync(unfinished, cluster.data);
}

/** Sets a new password without knowing the old one; only while no server runs on the cluster. */
export function resetPassword(cluster: Cluster, password: string): void {
  const { status, error, stdout, stderr } = spawnSync(cluster.binaries.postgres, ['--single', '-D', cluster.data, 'postgres'], {
    ...cluster.user,
    cwd: cluster.folder,
    env: ENVIRONMENT,
    encoding: 'utf8',
    input: `ALTER ROLE ${SERVICE_NAME} PASSWORD '${password}';\n`,
  });
  if (status !== 0)
    throw new Error(`The password of the embedded PostgreSQL could not be set: ${error?.message ?? `${stdout}\n${stderr}`.trim()}`);
}

/** Starts the server on its own: it is no child that must end with us, the next start finds it by its pid file. */
export function launch(cluster: Cluster, port: number, overrides: Readonly<Record<string, string>>): Launched {
  if (existsSync(cluster.log) && statSync(cluster.log).size > LOG_LIMIT_BYTES) renameSync(cluster.log, `${cluster.log}.1`);
  const output = openSync(cluster.log, 'a', 0o600);
  const settings = { ...serverSettings(), ...overrides, port: String(port) };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let exited = false;
  const child = spawn(cluster.binaries.postgres, ['-D', cluster.data, ...flags], {
    ...cluster.user,
    cwd: cluster.folder,
    env: ENVIRONMENT,
    detached: true, // a signal to the service's group, such as Ctrl-C, must not reach it: we stop it after our own work
    stdio: ['ignore', output, output],
  });
  child.once('exit', () => (exited = true));
  child.once('error', () => (exited = true));
  child.unref();
  closeSync(output);
  return { exited: () => exited };
}

/** The end of the server's log, for a message that says why it does not start. */
export function logTail(cluster: Cluster): string {
  if (!existsSync(cluster.log)) return '(no log)';
  return readFileSync(cluster.log, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
}

function serverSettings(): Readonly<Record<string, string>> {
  const memory = Math.min(totalmem(), process.constrainedMemory() || totalmem());
  const sharedBuffersMib = Math.max(32, Math.min(256, Math.floor(memory / 8 / MEBIBYTE)));
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '', // a socket's path is limited to 107 bytes, a data folder's is not
    max_connections: '100',
    shared_buffers: `${sharedBuffersMib}MB`,
    max_wal_size: '2GB',
    checkpoint_timeout: '15min',
    checkpoint_completion_target: '0.9',
    wal_compression: 'on',
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] ',
    password_encryption: 'scram-sha-256',
  };
}
