// Ten times what a node can do: it goes on doing nearly what it could, refuses the rest at once and in words, and keeps what it has acknowledged.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { fileURLToPath } from 'node:url';
import { cpuSeconds, residentMiB } from '../bench/machine.mjs';
import { World } from '../chaos/world/world.mjs';
import { mean } from './figures.mjs';
import { OtherSide } from './other-side.mjs';
import { allEnded, register } from './start.mjs';

/** What limits the node: so many executions at once, each held up by a call of so long. */
const SLOTS = 8;
const CALL_MS = 100;
const QUEUED = 200;
const PEAK_SECONDS = 20;
const WARM_UP_SECONDS = 5;
const TIMES = 10;
const KEPT = 0.8;
const REFUSED_WITHIN_MS = 100;
/** A process that has just begun grows into its load. */
const WARM_UP_SHARE = 0.2;
/** Memory is flat where, after that, its last third is at most so much above its first. */
const GROWTH = 1.15;
const playbook = (address) => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: slow, path: trial/slow }
workflow:
  - step: start
    type: http
    method: POST
    endpoint: "http://${address}/?ms=${CALL_MS}"
    next: end
  - step: end
`;

export async function run({ minutes, random, folder, say, verdict }) {
  const side = await OtherSide.start();
  const nodeEnv = () => ({
    OUTBOUND_ALLOW: side.address,
    MAX_IN_FLIGHT_RUNS: String(SLOTS),
    MAX_QUEUED_PER_TENANT: String(QUEUED),
    MAX_QUEUED_TOTAL: String(QUEUED),
  });
  const world = await World.build({ folder, nodes: 1, leaseMs: 15_000, random, short: false, direct: true, nodeEnv });
  try {
    const [node] = world.nodes;
    const path = await register(node, playbook(side.address));
    const trial = { world, node, path, folder };
    say(`peak: ${PEAK_SECONDS} s of a closed loop`);
    const peak = await loaded(trial, 'peak', { clients: SLOTS * 4, seconds: PEAK_SECONDS });
    await allEnded(world.database, path, 60_000);
    const rate = Math.round(peak.perSecond * TIMES);
    say(`${peak.perSecond.toFixed(1)} a second; now ${rate} a second are offered for ${minutes} min`);
    const over = await loaded(trial, 'over', { clients: 256, rate, seconds: minutes * 60 });
    say('offered; what was acknowledged comes to its end');
    const open = await allEnded(world.database, path, 120_000);
    const ids = ['peak', 'over'].flatMap((name) =>
      readFileSync(join(folder, `${name}.ids`), 'utf8')
        .trimEnd()
        .split('\n'),
    );
    const [{ completed, known }] = await world.database.readPatiently(
      `SELECT count(*)::int AS known, count(*) FILTER (WHERE status = 'completed')::int AS completed FROM execution WHERE id = ANY($1::bigint[])`,
      [ids],
    );
    judge(verdict, { peak, over, rate, minutes, open, acknowledged: ids.length, known, completed, node });
  } finally {
    await world.close();
    await side.close();
  }
}

/** Runs the generator. @returns what it saw, what the database says was done meanwhile, and what the processes took */
async function loaded({ world, node, path, folder }, name, { clients, rate, seconds }) {
  const spec = { path, clients, rate, seconds, ids: join(folder, `${name}.ids`) };
  const program = fileURLToPath(new URL('./load.mjs', import.meta.url));
  const [{ now: from }] = await world.database.read(`SELECT clock_timestamp()::text AS now`);
  const cpu = cpuSeconds([node.pid]);
  const memory = [];
  const sampling = setInterval(() => node.pid !== null && memory.push(residentMiB(node.pid)), 500);
  const child = spawn(process.execPath, [program, node.url, JSON.stringify(spec)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (part) => (output += part));
  const [code] = await once(child, 'close');
  clearInterval(sampling);
  if (code !== 0) throw new Error(`the load generator ended with ${code}`);
  const used = cpuSeconds([node.pid]) - cpu;
  const counted = seconds - WARM_UP_SECONDS;
  const [{ done }] = await world.database.readPatiently(
    `SELECT count(*)::int AS done FROM execution WHERE path = $1 AND status = 'completed'
       AND ended_at >= $2::timestamptz + $3 * interval '1 second' AND ended_at < $2::timestamptz + $4 * interval '1 second'`,
    [path, from, WARM_UP_SECONDS, seconds],
  );
  return { ...JSON.parse(output), perSecond: done / counted, memory, serviceCpu: used / seconds, seconds };
}

function judge(verdict, { peak, over, rate, minutes, open, acknowledged, known, completed, node }) {
  const memory = over.memory.slice(Math.floor(over.memory.length * WARM_UP_SHARE));
  const third = Math.floor(memory.length / 3);
  const [first, last] = [mean(memory.slice(0, third)), mean(memory.slice(-third))];
  const { refused, acknowledged: taken, lag } = over.figures;
  const share = over.perSecond / peak.perSecond;
  verdict.needs(over.sent >= rate * minutes * 60 * 0.95, `only ${over.sent} starts were sent`);
  verdict.needs(lag.p99 <= REFUSED_WITHIN_MS, `the generator itself was ${lag.p99.toFixed(0)} ms late`);
  verdict.figure(
    'the limit',
    `${SLOTS} executions at once with a call of ${CALL_MS} ms: at most ${(SLOTS * 1000) / CALL_MS} a second; the node used ${over.serviceCpu.toFixed(2)} of a core, the generator ${(over.cpuSeconds / over.seconds).toFixed(2)}`,
  );
  verdict.figure('sent, acknowledged, refused', { sent: over.sent, acknowledged: over.acknowledged, refused: over.refused });
  verdict.figure('acknowledgements, ms', taken);
  verdict.figure('lag of the generator, ms', lag);
  verdict.bound(
    `goodput is at least ${KEPT * 100} % of the peak`,
    share >= KEPT,
    `${over.perSecond.toFixed(1)} of ${peak.perSecond.toFixed(1)} a second, ${(share * 100).toFixed(0)} %`,
  );
  verdict.bound(
    'the rest is refused with 429 or 503, a problem document and Retry-After',
    over.wrong.length === 0 && over.unknown === 0,
    over.wrong,
  );
  verdict.bound(`refusals: p99 below ${REFUSED_WITHIN_MS} ms`, refused.p99 < REFUSED_WITHIN_MS, refused);
  verdict.bound('memory is flat', last <= first * GROWTH, `${first.toFixed(0)} MiB in the first third, ${last.toFixed(0)} in the last`);
  verdict.bound('every acknowledged execution has completed', open === 0 && known === acknowledged && completed === acknowledged, {
    acknowledged,
    known,
    completed,
    open,
  });
  verdict.bound('the node did not end', node.unexpectedEnds.length === 0, node.unexpectedEnds);
}
