import { chmodSync, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { installedNativeFolder, usableBinaries } from './binaries.js';
import { type Cluster, createCluster, launch, logTail, prepareFolder, resetPassword } from './cluster.js';
import { lockFolder } from './folder-lock.js';
import { findPostmaster, stopPostmaster } from './postmaster.js';
import { freePort, newPassword, readAddress, type ServerAddress, SERVICE_NAME, urlOf, writeAddress } from './server-address.js';
import { firstClosedFolder, serverUser } from './server-user.js';

/** What the embedded server needs to know. */
export interface EmbeddedPostgresOptions {
  /** Holds the cluster, the copy of the programs where one is needed, and `database.url`. */
  readonly dataDir: string;
  readonly log: (message: string) => void;
  /** Where the PostgreSQL programs are installed; by default the npm package of this platform. */
  readonly nativeFolder?: string;
  /** Server settings that differ from ours, for instance `fsync` in tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A running embedded server. */
export interface EmbeddedPostgres {
  /** The whole address, with the password. */
  readonly url: string;
  /** Ends all sessions and stops the server (fast shutdown), then gives the data folder back. */
  readonly stop: () => Promise<void>;
}

const START_ATTEMPTS = 5;
const FIRST_BACK_OFF_MS = 200;
/** Recovery after a crash replays at most `max_wal_size` of log. */
const READY_WITHIN_MS = 120_000;
/** A server that has sat here since before us answers at once or is not worth adopting. */
const ADOPT_WITHIN_MS = 10_000;
const POLL_MS = 25;
const WATCH_EVERY_MS = 500;

/**
 * Starts a private PostgreSQL below `dataDir`, on 127.0.0.1 and a free port, with a random password. A server that a
 * killed service left behind is adopted if it answers to our password, else stopped and started again. While the
 * service runs, a server that dies is started again on the same port.
 * Throws with the end of the server's log when it does not start, and when another service uses the folder.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const isNew = mkdirSync(options.dataDir, { recursive: true }) !== undefined;
  const dataDir = realpathSync(options.dataDir);
  const unlock = lockFolder(dataDir);
  try {
    const cluster = openCluster(dataDir, isNew, options);
    const address = await run(cluster, dataDir, options);
    await ensureDatabase(address);
    const stopWatching = watch(cluster, address, options);
    return {
      url: urlOf(address),
      stop: async () => {
        await stopWatching();
        await stopPostmaster(cluster.data);
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function openCluster(dataDir: string, isNew: boolean, options: EmbeddedPostgresOptions): Cluster {
  const folder = join(dataDir, 'postgres');
  const user = serverUser(folder);
  if (user !== undefined) {
    // Passable for the server's user; what is secret in it has its own mode. A folder that was there may be of use to others, such as /tmp.
    chmodSync(dataDir, isNew ? 0o711 : (statSync(dataDir).mode & 0o7777) | 0o011);
    const closed = firstClosedFolder(dataDir, user);
    if (closed !== undefined) {
      throw new Error(
        `The embedded PostgreSQL runs as user ${user.uid}, which cannot pass through ${closed} on the way to DATA_DIR (${dataDir}). ` +
          `Choose another DATA_DIR (as root, /var/lib/showrunner is meant for it), or chmod o+x ${closed}, or set DATABASE_URL.`,
      );
    }
  }
  prepareFolder(folder, user);
  const binaries = usableBinaries(options.nativeFolder ?? installedNativeFolder(), join(dataDir, 'postgres-programs'), user);
  return { folder, data: join(folder, 'data'), log: join(folder, 'server.log'), binaries, user };
}

/** Adopts the server that runs, or starts one. The address is on disk before this resolves. */
async function run(cluster: Cluster, dataDir: string, options: EmbeddedPostgresOptions): Promise<ServerAddress> {
  const last = readAddress(dataDir);
  const adopted = last && (await adopt(cluster, last, options));
  if (adopted !== undefined) {
    writeAddress(dataDir, adopted);
    return adopted;
  }
  await stopPostmaster(cluster.data);
  const password = last?.password ?? newPassword();
  // The address goes to disk before the cluster or its new password exists: killed between, the next start still has both.
  const intended = { port: await freePort(last?.port), password };
  writeAddress(dataDir, intended);
  if (!existsSync(cluster.data)) createCluster(cluster, password);
  else if (last === undefined) resetPassword(cluster, password);
  return startServer(cluster, intended, options, async (port) => {
    const address = { port: await freePort(port), password };
    writeAddress(dataDir, address);
    return address;
  });
}

async function adopt(cluster: Cluster, last: ServerAddress, options: EmbeddedPostgresOptions): Promise<ServerAddress | undefined> {
  const running = findPostmaster(cluster.data);
  // The programs of an earlier version may be gone from the disk while their server still runs.
  if (running === undefined || !running.commandLine.startsWith(`${cluster.binaries.postgres} `)) return undefined;
  const address = { port: running.port, password: last.password };
  if (!(await answers(address, () => findPostmaster(cluster.data) === undefined, ADOPT_WITHIN_MS))) return undefined;
  options.log(`embedded PostgreSQL: adopted the server that was still running (pid ${running.pid}, port ${running.port})`);
  return address;
}

/** Starts the server, again with back-off: a port may be taken meanwhile, or sessions of a killed server not be gone yet. */
async function startServer(
  cluster: Cluster,
  first: ServerAddress,
  options: EmbeddedPostgresOptions,
  nextAddress: (port: number) => Promise<ServerAddress>,
): Promise<ServerAddress> {
  let address = first;
  for (let attempt = 1; ; attempt += 1) {
    findPostmaster(cluster.data); // drops a pid file whose number now belongs to another program
    const launched = launch(cluster, address.port, options.settings ?? {});
    if (await answers(address, launched.exited, READY_WITHIN_MS)) {
      options.log(`embedded PostgreSQL: ready on 127.0.0.1:${address.port}, data in ${cluster.data}`);
      return address;
    }
    await stopPostmaster(cluster.data);
    if (attempt === START_ATTEMPTS) break;
    await sleep(FIRST_BACK_OFF_MS * 2 ** (attempt - 1));
    address = await nextAddress(address.port);
  }
  throw new Error(
    `The embedded PostgreSQL does not start (${START_ATTEMPTS} attempts). The end of ${cluster.log}:\n${logTail(cluster)}\n` +
      'Remove what it complains about and start again, or set DATABASE_URL to use another PostgreSQL.',
  );
}

/** Whether a session opens with our password before `over` turns true or the time is up. */
async function answers(address: ServerAddress, over: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    const ended = over(); // read first: a server that ended before we asked must not be mistaken for another on its port
    try {
      await query(address, 'postgres', 'SELECT 1');
      return !ended;
    } catch (error) {
      if (ended || (error as { code?: string }).code === '28P01') return false; // the server is up and refuses the password
    }
    await sleep(POLL_MS);
  }
  return false;
}

async function ensureDatabase(address: ServerAddress): Promise<void> {
  const found = await query(address, 'postgres', `SELECT 1 FROM pg_database WHERE datname = '${SERVICE_NAME}'`);
  if (found === 0) await query(address, 'postgres', `CREATE DATABASE ${SERVICE_NAME}`);
}

async function query(address: ServerAddress, database: string, text: string): Promise<number> {
  const client = new pg.Client({ connectionString: urlOf(address, database), connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined); // a server that ends meanwhile fails the query below; unheard, the event ends the process
  try {
    await client.connect();
    return (await client.query(text)).rowCount ?? 0;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Starts a server that died again, on the port everybody knows. The answer ends the watch, after a restart under way. */
function watch(cluster: Cluster, address: ServerAddress, options: EmbeddedPostgresOptions): () => Promise<void> {
  let restart: Promise<void> | undefined;
  const timer = setInterval(() => {
    if (restart !== undefined || findPostmaster(cluster.data) !== undefined) return;
    options.log('embedded PostgreSQL: the server ended, starting it again');
    restart = startServer(cluster, address, options, () => Promise.resolve(address))
      .then(() => undefined)
      .catch((error: unknown) => options.log(error instanceof Error ? error.message : String(error)))
      .finally(() => (restart = undefined));
  }, WATCH_EVERY_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await restart;
  };
}
