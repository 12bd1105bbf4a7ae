// npm run bench: throughput, latency, CPU, WAL, commits and memory of the workloads, and the bare ceiling measured in the same run.
// The service runs on an embedded database of its own; load comes from a process of its own. Prints figures, asserts nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { cpuSeconds, family, residentMiB } from './machine.mjs';
import { readOptions, refuse } from './options.mjs';
import { playbooks, WORKLOADS } from './playbooks.mjs';
import { fill, lists } from './stored.mjs';
import { waiting } from './waiting.mjs';

const options = readOptions(process.argv.slice(2));
for (const name of options.workloads)
  if (name !== 'ceiling' && name !== 'W6' && !Object.hasOwn(WORKLOADS, name))
    refuse(`unknown workload ${name}; known: ceiling, W6, ${Object.keys(WORKLOADS).join(', ')}`);

const here = new URL('.', import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), 'showrunner-bench-'));
chmodSync(root, 0o755);
const world = spawn(process.execPath, [join(here, 'effects.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
process.once('exit', () => world.kill('SIGKILL')); // also where the service does not start
const worldPort = String((await once(world.stdout, 'data'))[0]).trim();
const PLAYBOOKS = playbooks(`http://127.0.0.1:${worldPort}/`);
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const service = spawn(process.execPath, ['dist/src/main.js'], {
  cwd: join(here, '../..'),
  env: {
    ...process.env,
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

try {
  console.error('starting the service ...');
  await ready();
  const databaseUrl = readFileSync(join(root, 'data', 'database.url'), 'utf8').trim();
  const db = new pg.Client({ connectionString: databaseUrl });
  await db.connect();
  const entries = [];
  for (const content of Object.values(PLAYBOOKS)) entries.push(await post('/catalog/register', { content }));
  const [hello] = entries;
  if (options.stored > 0) await fill(db, options.stored, { id: hello.catalog_id, path: hello.path, digest: hello.digest });
  console.log(
    `| workload | clients | completed/s | p50 ms | p95 ms | p99 ms | CPU service ms | CPU database ms | WAL bytes | commits | RSS MiB | failed |`,
  );
  console.log(`|---|---|---|---|---|---|---|---|---|---|---|---|`);
  for (const name of options.workloads) {
    if (name === 'W6') continue;
    for (const clients of options.clients) {
      const rounds = [];
      for (let round = 0; round < options.rounds; round++) rounds.push(await measure(name, clients, db, databaseUrl));
      rounds.sort((a, b) => a.perSecond - b.perSecond);
      print(name, clients, rounds[Math.floor(rounds.length / 2)]);
    }
  }
  if (options.workloads.includes('W6')) await waiting(url, service.pid, db, options.waiting);
  if (options.stored > 0) {
    const { p50, p99 } = await lists(url);
    console.log(`\nPages of the list over ${options.stored} stored executions: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms.`);
  }
  await db.end();
} finally {
  over = true;
  service.kill('SIGTERM');
  if (service.exitCode === null) await once(service, 'exit');
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
}

async function measure(name, clients, db, databaseUrl) {
  if (name !== 'ceiling') return load(url, service.pid, name, clients, db);
  const bare = spawn(process.execPath, [join(here, 'ceiling.mjs'), databaseUrl], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(bare.stdout, 'data');
  try {
    return await load(`http://127.0.0.1:${String(line).trim()}`, bare.pid, name, clients, db);
  } finally {
    bare.kill('SIGKILL');
  }
}

async function load(target, pid, name, clients, db) {
  const workload = WORKLOADS[name];
  const path = workload && /path: (.*)/.exec(PLAYBOOKS[workload.playbook])[1];
  const spec = { path, mode: workload?.mode ?? 'ceiling', clients, seconds: options.seconds };
  const generator = spawn(process.execPath, [join(here, 'load.mjs'), target, JSON.stringify(spec)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const counting = new Promise((done) => generator.stdout.on('data', (part) => (output += part).includes('counting') && done()));
  await counting;
  const postmaster = await postmasterOf(db);
  const own = () => [pid, ...family(pid).filter((member) => !family(postmaster).includes(member) && member !== pid)];
  const [service0, database0, before] = [cpuSeconds(own()), cpuSeconds(family(postmaster)), await counters(db)];
  await once(generator, 'exit');
  const [service1, database1, after] = [cpuSeconds(own()), cpuSeconds(family(postmaster)), await counters(db)];
  const figures = JSON.parse(output.split('\n').find((line) => line.startsWith('{')));
  const each = (value) => value / Math.max(1, figures.completed);
  return {
    ...figures,
    serviceMs: each((service1 - service0) * 1000),
    databaseMs: each((database1 - database0) * 1000),
    wal: each(after.wal - before.wal),
    commits: each(after.commits - before.commits),
    rss: residentMiB(pid),
  };
}

async function counters(db) {
  const { rows } = await db.query(
    `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal, (SELECT sum(xact_commit) FROM pg_stat_database) AS commits`,
  );
  return { wal: Number(rows[0].wal), commits: Number(rows[0].commits) };
}

async function postmasterOf(db) {
  const { rows } = await db.query(`SELECT pg_backend_pid() AS pid`);
  const text = readFileSync(`/proc/${rows[0].pid}/stat`, 'utf8');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
}

function print(name, clients, figures) {
  const n = (value, digits) => (value === null || value === undefined ? '–' : value.toFixed(digits));
  console.log(
    `| ${name} | ${clients} | ${n(figures.perSecond, 0)} | ${n(figures.p50, 1)} | ${n(figures.p95, 1)} | ${n(figures.p99, 1)} | ${n(figures.serviceMs, 3)} | ${n(figures.databaseMs, 3)} | ${n(figures.wal, 0)} | ${n(figures.commits, 3)} | ${n(figures.rss, 0)} | ${figures.failed} |`,
  );
}

async function post(path, body) {
  const answer = await fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

async function ready() {
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
