// The long run: npm run soak -- --hours N [--rate R] [--seed S]. See README.md beside this file.
// Exit codes: 0 no bound broken, 1 a bound broken, 2 a wrong option, 3 the run proves nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Random } from '../chaos/random.mjs';
import { Database } from '../chaos/world/database.mjs';
import { REPOSITORY } from '../chaos/world/program.mjs';
import { ServiceNode } from '../chaos/world/service-node.mjs';
import { freePort, newFolder } from '../chaos/world/world.mjs';
import { Ledger } from './ledger.mjs';
import { checkLeftovers } from './leftovers.mjs';
import { Load } from './load.mjs';
import { soakOptions } from './options.mjs';
import { playbooks } from './playbooks.mjs';
import { Sampler } from './sampler.mjs';
import { judge, lacks } from './verdict.mjs';

/** Long enough for every execution to be looked at before it may be removed. */
const KEPT_S = 120;
const SAY_EVERY_MS = 30_000;
const DRAIN_WITHIN_MS = 120_000;

const { hours, rate, seed } = soakOptions(process.argv.slice(2));
const since = Date.now();
const say = (text) => console.log(`[${String(Math.round((Date.now() - since) / 1000)).padStart(5)} s] ${text}`);
const folder = newFolder('soak');
console.log(`soak: seed ${seed}, ${hours} hours, ${rate} executions a second, finished ones kept ${KEPT_S} s`);
console.log(`      samples in ${join(folder, 'samples.jsonl')}`);

const world = {};
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void close().finally(() => process.exit(130)));
try {
  process.exitCode = await run();
} finally {
  await close();
}
process.exit();

async function run() {
  world.database = await Database.start(join(folder, 'database'));
  world.effects = spawn(process.execPath, [fileURLToPath(new URL('../bench/effects.mjs', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const effects = `127.0.0.1:${String((await once(world.effects.stdout, 'data'))[0]).trim()}`;
  const node = new ServiceNode({
    index: 0,
    port: await freePort(),
    folder,
    program: REPOSITORY,
    env: {
      DATABASE_URL: world.database.url,
      OUTBOUND_ALLOW: effects,
      RETENTION: ['completed', 'failed', 'cancelled'].map((status) => `${status}=${KEPT_S}s`).join(', '),
    },
    nextEnv: () => ({}),
  });
  world.node = node;
  node.start();
  await node.ready();
  world.db = new pg.Client({ connectionString: world.database.url, application_name: 'soak' });
  await world.db.connect();

  const ledger = new Ledger();
  const load = new Load({ url: node.url, rate, random: new Random(seed), ledger, contents: playbooks(`http://${effects}/`) });
  world.load = load;
  await load.prepare();
  const sampler = new Sampler({ node, db: world.db, load, ledger, folder });
  const begin = performance.now();
  sampler.start();
  load.start();
  for (let left = hours * 3_600_000; left > 0; left = hours * 3_600_000 - (performance.now() - begin)) {
    await sleep(Math.min(left, SAY_EVERY_MS));
    say(progress(sampler.samples.at(-1), load, ledger));
  }
  const loaded = (performance.now() - begin) / 3_600_000;
  await sampler.stop();
  say('no more load; waiting for what is under way');
  await load.stop();
  for (const until = performance.now() + DRAIN_WITHIN_MS; ledger.unaudited > 0 && performance.now() < until; await sleep(1_000))
    await ledger.audit(world.db, true);
  say('checking what is left');
  if (ledger.unaudited > 0) ledger.violate('open', `${ledger.unaudited} accepted executions have not ended`);
  const leftovers = await checkLeftovers({
    db: world.db,
    ledger,
    keptS: KEPT_S,
    unknown: load.planned - load.notStarted - ledger.accepted,
  });
  for (const { code, signal, output } of node.unexpectedEnds)
    ledger.violate('process', `the node ended with ${code ?? signal}: ${output.join('\n')}`);
  for (const line of node.alarms().slice(0, 20)) ledger.violate('alarm', line);
  return report({ ledger, load, loaded, leftovers, samples: sampler.samples });
}

function progress(sample, load, ledger) {
  if (sample === undefined) return `${ledger.accepted} accepted; no sample yet`;
  const { rssMiB, memoryMiB, files, sockets, clients, sessions, sizeMiB, keysMiB, latencies, tables, metrics } = sample;
  const { p50, p99 } = latencies.pure ?? {};
  return (
    `${ledger.accepted} accepted, ${load.notStarted} not started, ${load.refused} refused, ${load.inFlight} in flight; ` +
    `p50 ${p50?.toFixed(1)} p99 ${p99?.toFixed(1)} ms, loop p99 ${((metrics['event_loop_delay_seconds_0.99'] ?? 0) * 1000).toFixed(0)} ms; ` +
    `RSS ${rssMiB.toFixed(0)} heap ${memoryMiB.heap_used?.toFixed(0)} external ${memoryMiB.external?.toFixed(0)} MiB; ` +
    `${files} files, ${sockets - clients} + ${clients} sockets, ${sessions} sessions; ` +
    `${sizeMiB.toFixed(0)} + ${keysMiB.toFixed(0)} MiB, ${tables.execution?.live ?? 0} live, ${tables.execution?.deleted ?? 0} removed` +
    (ledger.broken > 0 ? `; ${ledger.broken} VIOLATIONS` : '')
  );
}

function report({ ledger, load, loaded, leftovers, samples }) {
  const started = ledger.accepted;
  console.log(
    `\n${started} executions accepted of ${load.planned} planned in ${loaded.toFixed(3)} hours (${load.notStarted} not started, ${load.refused} refused); ended: ${JSON.stringify(ledger.ended)}`,
  );
  console.log(`operations: ${JSON.stringify(load.counts)}`);
  console.log(`${leftovers}\n`);
  const judged = judge(samples);
  for (const { state, text } of judged) console.log(`${state.padEnd(6)} ${text}`);
  console.log(
    ledger.broken === 0
      ? 'held   every accepted execution ended as it should and was removed as told'
      : `broken ${ledger.broken} violations, the first:`,
  );
  for (const { kind, message } of ledger.violations.slice(0, 15)) console.log(`       (${kind}) ${message}`);
  const reasons = lacks({ hours: loaded, planned: load.planned, started, judged });
  const broken = judged.filter(({ state }) => state === 'broken').map(({ name }) => name);
  writeFileSync(
    join(folder, 'verdict.json'),
    JSON.stringify({ seed, rate, loaded, started, planned: load.planned, judged, violations: ledger.violations, reasons }, null, 1),
  );
  console.log(`\nsamples, verdict and log of the node: ${folder}`);
  // What was lost is lost in a short run too; how figures develop is not shown by one.
  if (ledger.broken > 0) return verdict(1, `BROKEN, seed ${seed}: ${ledger.broken} violations`);
  if (reasons.length > 0) return verdict(3, `DOES NOT COUNT, seed ${seed}: ${reasons.join('; ')}`);
  if (broken.length > 0) return verdict(1, `BROKEN, seed ${seed}: ${broken.join(', ')}`);
  return verdict(0, `passed: no bound broken, seed ${seed}`);
}

function verdict(code, text) {
  console.log(text);
  return code;
}

async function close() {
  await world.load?.close();
  await world.node?.close();
  world.effects?.kill('SIGKILL');
  await world.db?.end().catch(() => undefined);
  await world.database?.stop();
  rmSync(join(folder, 'database'), { recursive: true, force: true });
}
