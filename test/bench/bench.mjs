// npm run bench: throughput, latency, CPU, WAL, commits and memory of the workloads, and the bare ceiling measured in the same run.
// The service runs on an embedded database of its own; load comes from a process of its own. Prints figures, asserts nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cpuSeconds, family, residentMiB } from './machine.mjs';
import { readOptions, refuse } from './options.mjs';
import { playbooks, WORKLOADS } from './playbooks.mjs';
import { counters, postmasterOf, startService, startWorld } from './service.mjs';
import { fill, lists } from './stored.mjs';
import { waiting } from './waiting.mjs';

const options = readOptions(process.argv.slice(2));
for (const name of options.workloads)
  if (name !== 'ceiling' && name !== 'W6' && !Object.hasOwn(WORKLOADS, name))
    refuse(`unknown workload ${name}; known: ceiling, W6, ${Object.keys(WORKLOADS).join(', ')}`);

const here = new URL('.', import.meta.url).pathname;
const PLAYBOOKS = playbooks('');
console.error('starting the service ...');
const service = await startService('dist', await startWorld());
const { url, db, databaseUrl } = service;

try {
  const [hello] = service.entries;
  if (options.stored > 0) await fill(db, options.stored, { id: hello.catalog_id, path: hello.path, digest: hello.digest });
  console.log(
    `| workload | clients | completed/s | p50 ms | p95 ms | p99 ms | CPU service ms | CPU database ms | WAL bytes | commits | RSS MiB | failed |`,
  );
  console.log(`|---|---|---|---|---|---|---|---|---|---|---|---|`);
  for (const name of options.workloads) {
    if (name === 'W6') continue;
    for (const clients of options.clients) {
      const rounds = [];
      for (let round = 0; round < options.rounds; round++) rounds.push(await measure(name, clients));
      rounds.sort((a, b) => a.perSecond - b.perSecond);
      print(name, clients, rounds[Math.floor(rounds.length / 2)]);
    }
  }
  if (options.workloads.includes('W6')) await waiting(url, service.pid, db, options.waiting);
  if (options.stored > 0) {
    for (const clients of [1, 4]) {
      console.log(`\nPages of the list over ${options.stored} stored executions, ${clients} at a time:`);
      for (const { page, p50, p99 } of await lists(url, clients))
        console.log(`  ${page}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
    }
  }
} finally {
  await service.stop();
}

async function measure(name, clients) {
  if (name !== 'ceiling') return load(url, service.pid, name, clients);
  const bare = spawn(process.execPath, [join(here, 'ceiling.mjs'), databaseUrl], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(bare.stdout, 'data');
  try {
    return await load(`http://127.0.0.1:${String(line).trim()}`, bare.pid, name, clients);
  } finally {
    bare.kill('SIGKILL');
  }
}

async function load(target, pid, name, clients) {
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

function print(name, clients, figures) {
  const n = (value, digits) => (value === null || value === undefined ? '–' : value.toFixed(digits));
  console.log(
    `| ${name} | ${clients} | ${n(figures.perSecond, 0)} | ${n(figures.p50, 1)} | ${n(figures.p95, 1)} | ${n(figures.p99, 1)} | ${n(figures.serviceMs, 3)} | ${n(figures.databaseMs, 3)} | ${n(figures.wal, 0)} | ${n(figures.commits, 3)} | ${n(figures.rss, 0)} | ${figures.failed} |`,
  );
}
