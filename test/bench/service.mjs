/** What a measurement runs against: a build of the service on an embedded database of its own, and the world that its effects act on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEnvironment, startFlags } from '../support/start-command.mjs';
import { refuse } from './options.mjs';
import { playbooks } from './playbooks.mjs';

const here = new URL('.', import.meta.url).pathname;
const top = join(here, '../..');

/** Starts the process that effects call. @returns its port; it ends with this process */
export async function startWorld() {
  const world = spawn(process.execPath, [join(here, 'effects.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => world.kill('SIGKILL'));
  const port = String((await once(world.stdout, 'data'))[0]).trim();
  // It must not keep this process from ending.
  world.stdout.destroy();
  world.unref();
  return port;
}

/**
 * Starts a build with the playbooks registered.
 * @param build folder of the build, below the top of the repository
 * @param worldPort where effects go
 * @returns {url, pid, db, databaseUrl, entries, stop}: `db` is a connection to its database, `entries` what was registered
 */
export async function startService(build, worldPort) {
  const root = mkdtempSync(join(tmpdir(), 'showrunner-bench-'));
  chmodSync(root, 0o755);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const service = spawn(process.execPath, [...startFlags, join(build, 'src/main.js')], {
    cwd: top,
    env: {
      ...process.env,
      ...startEnvironment,
      PORT: String(port),
      HOST: '127.0.0.1',
      DATA_DIR: join(root, 'data'),
      LOG_LEVEL: 'warn',
      OUTBOUND_ALLOW: `127.0.0.1:${worldPort}`,
      DATABASE_URL: '',
      DATABASE_DIRECT_URL: '',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let over = false;
  service.once('exit', (code) => {
    if (!over) refuse(`the service ended with ${code}: is it built? (npm run build)`);
  });
  let db;
  const stop = async () => {
    over = true;
    await db?.end();
    service.kill('SIGTERM');
    if (service.exitCode === null) await once(service, 'exit');
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await ready(url);
    const databaseUrl = readFileSync(join(root, 'data', 'database.url'), 'utf8').trim();
    db = new pg.Client({ connectionString: databaseUrl });
    await db.connect();
    const entries = [];
    for (const content of Object.values(playbooks(`http://127.0.0.1:${worldPort}/`))) entries.push(await register(url, content));
    return { url, pid: service.pid, db, databaseUrl, entries, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** WAL bytes and commits of a whole server so far. */
export async function counters(db) {
  const { rows } = await db.query(
    `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal, (SELECT sum(xact_commit) FROM pg_stat_database) AS commits`,
  );
  return { wal: Number(rows[0].wal), commits: Number(rows[0].commits) };
}

/** Process id of a connection's server. */
export async function postmasterOf(db) {
  const { rows } = await db.query(`SELECT pg_backend_pid() AS pid`);
  const text = readFileSync(`/proc/${rows[0].pid}/stat`, 'utf8');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
}

async function register(url, content) {
  const answer = await fetch(`${url}/catalog/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content }),
  });
  if (!answer.ok) throw new Error(`/catalog/register answers ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

async function ready(url) {
  for (let tries = 0; tries < 600; tries++) {
    const answer = await fetch(`${url}/health/ready`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('the service was not ready within 60 s');
}

function freePort() {
  return new Promise((done) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address();
      server.close(() => done(free));
    });
  });
}
