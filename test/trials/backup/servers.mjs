import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../chaos/world/database.mjs';

const NAME = 'showrunner';
const PASSWORD = 'trial';
/** A server's start after a crash or a restore. */
const READY_WITHIN_MS = 120_000;

/** Where the machine's own PostgreSQL has its programs, with those that take backups, the newest one; null where there is none from 15 on. */
export function installedPrograms() {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return null;
  const versions = readdirSync(root).filter((version) => Number(version) >= 15);
  const folders = versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin'));
  return (
    folders.find((bin) => ['postgres', 'initdb', 'pg_dump', 'pg_restore', 'pg_basebackup'].every((name) => existsSync(join(bin, name)))) ??
    null
  );
}

/** The programs of a server that runs. */
export function programsOf(database) {
  const pid = Number(readFileSync(join(database.data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  return dirname(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]);
}

/** A PostgreSQL server of any origin, as a child of this process. Read as the checker reads its own. */
export class PlainServer extends Database {
  #child;
  #data;

  get data() {
    return this.#data;
  }

  /** Makes an empty cluster with the database of the service and starts it. @param user who it runs as, undefined: whoever we are */
  static async create({ bin, data, user }) {
    mkdirSync(data, { mode: 0o700 });
    give(data, user);
    const passwordFile = `${data}.password`;
    writeFileSync(passwordFile, PASSWORD, { mode: 0o600 });
    give(passwordFile, user);
    const access = [`--username=${NAME}`, `--pwfile=${passwordFile}`, '--auth-host=scram-sha-256', '--auth-local=reject'];
    tool(join(bin, 'initdb'), ['-D', data, '--encoding=UTF8', '--locale=C', ...access], { user });
    const server = await PlainServer.start({ bin, data, user, password: PASSWORD });
    tool(join(bin, 'createdb'), [NAME], { env: server.environment });
    return server;
  }

  /** Starts a cluster that is there. @param settings beside the usual ones */
  static async start({ bin, data, user, password, settings = {} }) {
    const port = await freePort();
    const all = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '200',
      wal_keep_size: '1GB',
      port,
      ...settings,
    };
    const log = openSync(`${data}.log`, 'a');
    const child = spawn(
      join(bin, 'postgres'),
      ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      {
        ...user,
        cwd: '/',
        env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
        stdio: ['ignore', log, log],
      },
    );
    const server = new PlainServer(child, data, `postgres://${NAME}:${password}@127.0.0.1:${port}/${NAME}`);
    server.#child = child;
    server.#data = data;
    server.environment = environmentOf(port, password);
    process.once('exit', () => child.kill('SIGQUIT'));
    await server.#accepts();
    return server;
  }

  /** Until it takes writes: a restored one first recovers. */
  async #accepts() {
    for (const until = performance.now() + READY_WITHIN_MS; ; await sleep(200)) {
      if (this.#child.exitCode !== null) throw new Error(`the server ended: ${readFileSync(`${this.data}.log`, 'utf8').slice(-2_000)}`);
      // Before its database is made there is only that of the cluster.
      const [row] = await this.read('SELECT pg_is_in_recovery() AS recovers').catch((error) =>
        error.code === '3D000' ? [{ recovers: false }] : [],
      );
      if (row?.recovers === false) return;
      if (performance.now() > until)
        throw new Error(`the server does not start: ${readFileSync(`${this.data}.log`, 'utf8').slice(-2_000)}`);
    }
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    await gone;
  }
}

/** What the programs of PostgreSQL need to reach a server. */
export function environmentOf(port, password) {
  return { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: NAME, PGPASSWORD: password };
}

/** Runs a program to its end. */
export function tool(program, args, { user, env = {} } = {}) {
  const { status, stderr, error } = spawnSync(program, args, {
    ...user,
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C', ...env },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${error?.message ?? stderr.slice(-2_000)}`);
}

/** As `tool`, while others go on. @returns its exit code */
export async function toolMeanwhile(program, args, { env = {} } = {}) {
  const child = spawn(program, args, {
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-2_000)));
  const [code] = await once(child, 'exit');
  return { code, said };
}

/** Gives a file, or a folder and all in it, to the server's user. */
export function give(path, user) {
  if (user === undefined) return;
  chownSync(path, user.uid, user.gid);
  if (!statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) if (!entry.isSymbolicLink()) give(join(path, entry.name), user);
}

/** Who a server runs as where we may not run one ourselves; undefined: we may. */
export function unprivileged() {
  if (process.getuid() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((each) => each.startsWith(`${name}:`));
    if (line === undefined) continue;
    const [, , uid, gid] = line.split(':').map(Number);
    return { uid, gid };
  }
  throw new Error('there is no user to run a server as');
}

/** Who owns a cluster; undefined where we are no more than that ourselves. */
export function ownerOf(data) {
  const { uid, gid } = statSync(data);
  return process.getuid() === 0 ? { uid, gid } : undefined;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
