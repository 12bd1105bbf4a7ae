import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { installedNativeFolder } from '../../src/storage/embedded/binaries.js';
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../src/storage/embedded/embedded-postgres.js';
import { findPostmaster, stopPostmaster } from '../../src/storage/embedded/postmaster.js';
import { firstClosedFolder } from '../../src/storage/embedded/server-user.js';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.js';

const NOBODY = { uid: 65_534, gid: 65_534 };
const asRoot = process.getuid?.() === 0 ? it : it.skip;
// What a container has of its own: numbers of processes, and the shared memory by which servers know each other. It ends whole.
const CONTAINER = ['unshare', '--pid', '--ipc', '--fork', '--kill-child', '--mount-proc'] as const;
const withContainers = spawnSync(CONTAINER[0], [...CONTAINER.slice(1), 'true']).status === 0 ? it : it.skip;
// Another user can run the service only from a checkout that is open to it.
const asRootInOpenCheckout = process.getuid?.() === 0 && firstClosedFolder(process.cwd(), NOBODY) === undefined ? it : it.skip;

describe(startEmbeddedPostgres.name, () => {
  let scratch: string;
  let dataDir: string;
  const running = new Set<EmbeddedPostgres>();

  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'showrunner-embedded-'));
    chmodSync(scratch, 0o755);
    dataDir = join(scratch, 'data');
  });

  afterEach(async () => {
    for (const server of running) await server.stop();
    running.clear();
    await stopPostmaster(clusterOf(dataDir)); // what a failed test left behind
    rmSync(scratch, { recursive: true, force: true });
  });

  async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
    const server = await startEmbeddedPostgres({ dataDir, log: () => undefined, ...options });
    running.add(server);
    return server;
  }

  async function stop(server: EmbeddedPostgres): Promise<void> {
    running.delete(server);
    await server.stop();
  }

  it('keeps what was committed over five kills of the service, and takes its server over each time', async () => {
    let service = await startEmbeddedService(dataDir);
    const server = findPostmaster(clusterOf(dataDir))?.pid;
    await run(service.url, 'CREATE TABLE kept (n int)');
    for (let kill = 1; kill <= 5; kill += 1) {
      await run(service.url, `INSERT INTO kept VALUES (${kill})`);
      await service.end('SIGKILL');
      service = await startEmbeddedService(dataDir);
      expect(service.log).toEqual([expect.stringContaining('adopted')]);
      expect(await rows(service.url, 'SELECT n FROM kept')).toHaveLength(kill);
    }
    expect(findPostmaster(clusterOf(dataDir))?.pid).toBe(server);
    await service.end('SIGTERM');
    expect(findPostmaster(clusterOf(dataDir))).toBeUndefined();
  });

  it('keeps what was committed when service and server are killed together', async () => {
    let service = await startEmbeddedService(dataDir);
    await run(service.url, 'CREATE TABLE kept (n int)');
    await service.end('SIGKILL');
    process.kill(findPostmaster(clusterOf(dataDir))?.pid ?? 0, 'SIGKILL');
    service = await startEmbeddedService(dataDir);
    expect(await rows(service.url, 'SELECT n FROM kept')).toEqual([]);
    await service.end('SIGTERM');
  });

  it('is reachable on 127.0.0.1 only, with a password that only its user can read', async () => {
    const server = await start();
    const url = new URL(server.url);
    expect(url.hostname).toBe('127.0.0.1');
    expect(await rows(server.url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(readFileSync(join(dataDir, 'database.url'), 'utf8').trim()).toBe(server.url);
    expect(statSync(join(dataDir, 'database.url')).mode & 0o777).toBe(0o600);
    url.password = 'wrong';
    await expect(run(url.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  it('runs with every guarantee on', async () => {
    const { url } = await start();
    const names = ['fsync', 'synchronous_commit', 'full_page_writes', 'server_encoding', 'TimeZone', 'max_connections', 'max_wal_size'];
    const settings = await rows(url, `SELECT name, setting FROM pg_settings WHERE name IN ('${names.join("','")}')`);
    expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      server_encoding: 'UTF8',
      TimeZone: 'UTC',
      max_connections: '100',
      max_wal_size: '2048',
    });
  });

  it('stops an orphan whose password is lost, and sets a new one', async () => {
    const service = await startEmbeddedService(dataDir);
    await run(service.url, 'CREATE TABLE kept (n int)');
    await service.end('SIGKILL');
    const orphan = findPostmaster(clusterOf(dataDir))?.pid;
    rmSync(join(dataDir, 'database.url'));
    const { url } = await start();
    expect(findPostmaster(clusterOf(dataDir))?.pid).not.toBe(orphan);
    expect(new URL(url).password).not.toBe(new URL(service.url).password);
    expect(await rows(url, 'SELECT n FROM kept')).toEqual([]);
    await expect(run(service.url, 'SELECT 1')).rejects.toThrow();
  });

  it('starts over a pid file whose number belongs to another program', async () => {
    await stop(await start());
    // One of the same user: the server itself overlooks the programs of others.
    const { uid, gid } = statSync(clusterOf(dataDir));
    const other = spawn('sleep', ['60'], { uid, gid });
    try {
      writeFileSync(join(clusterOf(dataDir), 'postmaster.pid'), `${other.pid}\n${clusterOf(dataDir)}\n1\n5432\n\n127.0.0.1\n`);
      const server = await start();
      expect(await rows(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      other.kill();
    }
  });

  it('starts its server again, at the same address, when that is killed', async () => {
    const { url } = await start();
    await run(url, 'CREATE TABLE kept (n int)');
    const killed = findPostmaster(clusterOf(dataDir))?.pid ?? 0;
    process.kill(killed, 'SIGKILL');
    expect(await eventually(() => rows(url, 'SELECT n FROM kept'))).toEqual([]);
    expect(findPostmaster(clusterOf(dataDir))?.pid).not.toBe(killed);
  });

  it('lets one service of several use a folder, and names it to the others', async () => {
    const outcomes = await Promise.allSettled([start(), start(), start()]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
    await expect(start()).rejects.toThrow(`(pid ${process.pid}) uses the data folder`);
    await expect(startEmbeddedService(dataDir)).rejects.toThrow(`(pid ${process.pid}) uses the data folder`);
  });

  withContainers('lets one container of several use a folder, however many of them start and be the first killed', async () => {
    const container = (): Promise<EmbeddedService> => startEmbeddedService(dataDir, {}, CONTAINER);
    const outcomes = await Promise.allSettled([container(), container(), container()]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
    await expect(container()).rejects.toThrow('uses the data folder');
    await expect(start()).rejects.toThrow('uses the data folder');
    const [first] = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    await run(first!.url, 'CREATE TABLE kept (n int)');
    await first!.end('SIGKILL');
    const second = await container();
    expect(await rows(second.url, 'SELECT n FROM kept')).toEqual([]);
    await second.end('SIGKILL');
  });

  it('says why the server does not start, and starts once the reason is gone', async () => {
    await expect(start({ settings: { shared_preload_libraries: 'no_such_library' } })).rejects.toThrow(
      /does not start \(5 attempts\)[^]*no_such_library[^]*DATABASE_URL/,
    );
    await expect(start()).resolves.toBeDefined();
  });

  it('runs from a package that was installed without its install script', async () => {
    const native = installPackage(join(scratch, 'package'), { links: false });
    await stop(await start({ nativeFolder: native }));
    const copy = programsFolder(dataDir);
    const made = statSync(copy).ino;
    rmSync(dirname(native), { recursive: true });
    cpSync(dirname(installedNativeFolder()), dirname(native), { recursive: true });
    await stop(await start({ nativeFolder: native }));
    expect(statSync(copy).ino).toBe(made); // the copy is made once
  });

  it('makes a damaged copy of the programs anew', async () => {
    const native = installPackage(join(scratch, 'package'), { links: false });
    await stop(await start({ nativeFolder: native }));
    rmSync(join(programsFolder(dataDir), 'lib', 'libpq.so.5'));
    rmSync(join(programsFolder(dataDir), 'bin', 'postgres'));
    await expect(start({ nativeFolder: native })).resolves.toBeDefined();
  });

  asRoot('runs from a checkout below a folder that is closed to the server’s user', async () => {
    const closed = join(scratch, 'closed');
    const native = installPackage(join(closed, 'package'), { links: true });
    chmodSync(closed, 0o700);
    const server = await start({ nativeFolder: native });
    expect(existsSync(programsFolder(dataDir))).toBe(true);
    expect(await rows(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  asRoot('opens its data folder to the server’s user, and takes nothing from whoever else may use that', async () => {
    mkdirSync(dataDir, { mode: 0o700 });
    chmodSync(dataDir, 0o1773);
    await stop(await start());
    expect(statSync(dataDir).mode & 0o7777).toBe(0o1773);
    chmodSync(dataDir, 0o700);
    await stop(await start());
    expect(statSync(dataDir).mode & 0o7777).toBe(0o711);
  });

  asRoot('names the closed folder where the data itself lies below one', async () => {
    const closed = join(scratch, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    await expect(start({ dataDir: join(closed, 'data') })).rejects.toThrow(`cannot pass through ${closed} on the way to DATA_DIR`);
  });

  asRootInOpenCheckout('runs as an ordinary user', async () => {
    mkdirSync(dataDir);
    chownSync(dataDir, NOBODY.uid, NOBODY.gid);
    let service = await startEmbeddedService(dataDir, NOBODY);
    await run(service.url, 'CREATE TABLE kept (n int)');
    await service.end('SIGKILL');
    service = await startEmbeddedService(dataDir, NOBODY);
    expect(await rows(service.url, 'SELECT n FROM kept')).toEqual([]);
    expect(statSync(clusterOf(dataDir)).uid).toBe(NOBODY.uid);
    await service.end('SIGTERM');
  });
});

function clusterOf(dataDir: string): string {
  return join(dataDir, 'postgres', 'data');
}

function programsFolder(dataDir: string): string {
  const { version } = JSON.parse(readFileSync(join(installedNativeFolder(), '..', 'package.json'), 'utf8')) as { version: string };
  return join(dataDir, 'postgres-programs', `${basename(dirname(installedNativeFolder()))}-${version}`);
}

/** A copy of the platform's package, with or without what its install script makes. */
function installPackage(folder: string, { links }: { links: boolean }): string {
  cpSync(join(installedNativeFolder(), '..'), folder, { recursive: true, filter: (path) => !path.endsWith('.a') });
  const list = JSON.parse(readFileSync(join(folder, 'native', 'pg-symlinks.json'), 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of list) {
    rmSync(join(folder, target), { force: true });
    if (links) symlinkSync(basename(source), join(folder, target));
  }
  const { status } = spawnSync(join(folder, 'native', 'bin', 'initdb'), ['--version']);
  expect(status === 0).toBe(links);
  return join(folder, 'native');
}

async function rows(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function run(url: string, statement: string): Promise<void> {
  await rows(url, statement);
}

/** The first answer that is no failure; the test's own time limit ends the wait. */
async function eventually<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch {
      await sleep(50);
    }
  }
}
