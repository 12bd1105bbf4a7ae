// Durable timers fire once, never early, and soon: while a node is restarted every five seconds, and after all of them were away.
import { setTimeout as sleep } from 'node:timers/promises';
import { World } from '../chaos/world/world.mjs';
import { spread } from './figures.mjs';
import { allEnded, register, startPatiently } from './start.mjs';
import { Uptime } from './uptime.mjs';

const TIMERS = 1_000;
/** Waits this short stay in the memory of a node: a kill delays them until their lease is over. */
const SHORT_TIMERS = 100;
const RESTART_EVERY_MS = 5_000;
const OUTAGE_MS = 60_000;
/** Timers are due until so long after the outage. */
const AFTERWARDS_MS = 20_000;
const LEASE_MS = 15_000;
/** Times are stored in whole milliseconds. */
const ROUNDING_MS = 1;
const LATE_MS = 2_000;
const PLAYBOOK = `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: timer, path: trial/timer }
workload: { ms: 1000 }
workflow:
  - step: start
    type: wait
    duration: "{{ workload.ms }}ms"
    next: end
  - step: end
`;

export async function run({ minutes, random, folder, say, verdict }) {
  const world = await World.build({ folder, nodes: 2, leaseMs: LEASE_MS, random, short: false, direct: true });
  try {
    const { nodes, database } = world;
    const path = await register(nodes[0], PLAYBOOK);
    const uptime = new Uptime(nodes);
    const since = Date.now();
    const outageAt = since + minutes * 60_000;
    const timers = [
      ...planned(random.stream('durable'), TIMERS, since, outageAt + OUTAGE_MS + AFTERWARDS_MS),
      ...short(random.stream('short'), SHORT_TIMERS, since, outageAt),
    ];
    say(`${timers.length} timers; a restart every ${RESTART_EVERY_MS / 1000} s`);
    const starting = startAll(nodes, path, timers);
    // A start that fails is seen where it is awaited, after the faults.
    starting.catch(() => undefined);
    const restarts = await restartUntil(nodes, uptime, since, outageAt);
    // A node that is just starting would not notice that it is ended.
    await uptime.allUp();
    say(`${restarts} restarts; now both nodes are killed and away for ${OUTAGE_MS / 1000} s`);
    for (const node of nodes) uptime.down(node);
    const awayAt = Date.now();
    await Promise.all(nodes.map((node) => node.end('SIGKILL', OUTAGE_MS)));
    await starting;
    await Promise.all(nodes.map((node) => node.ready()));
    say('both are back');
    await sleep(Math.max(0, outageAt + OUTAGE_MS + AFTERWARDS_MS - Date.now()));
    const open = await allEnded(database, path, LEASE_MS + 30_000);
    await uptime.stop();
    verdict.needs(restarts >= (outageAt - since) / RESTART_EVERY_MS / 3, `only ${restarts} restarts`);
    verdict.figure('restarts, kill -9 and SIGTERM in turn', restarts);
    verdict.figure('time without any ready node before the outage, ms', uptime.noneUpMs(since, outageAt));
    verdict.bound(
      'no node ended by itself',
      nodes.every(({ unexpectedEnds }) => unexpectedEnds.length === 0),
      nodes.flatMap(({ unexpectedEnds }) => unexpectedEnds),
    );
    await judge(await database.readPatiently(FIRED, [path]), { timers, open, uptime, awayAt, verdict });
  } finally {
    await world.close();
  }
}

/** What the database says of each execution: when it was due and when its wait was over, by its own clock. */
const FIRED = `
  SELECT e.id::text, e.status, x.due, x.waits, x.fired, x.times, x.ends FROM execution e LEFT JOIN LATERAL (
    SELECT min((body->>'dueAt')::float8) FILTER (WHERE event_type = 'step_waiting') AS due,
      count(*) FILTER (WHERE event_type = 'step_waiting')::int AS waits,
      extract(epoch FROM min(at) FILTER (WHERE event_type = 'step_woken'))::float8 * 1000 AS fired,
      count(*) FILTER (WHERE event_type = 'step_woken')::int AS times,
      count(*) FILTER (WHERE event_type IN ('execution_completed', 'execution_failed', 'execution_cancelled'))::int AS ends
    FROM execution_event v WHERE v.execution_id = e.id) x ON true
  WHERE e.path = $1`;

/** Begun in the first seconds, due at any time of the run. */
function planned(random, count, since, until) {
  return Array.from({ length: count }, (_, n) => {
    const startAt = since + random.int(0, 15_000);
    return { key: `timer-${n}`, startAt, ms: random.int(6_000, Math.max(7_000, until - startAt)), durable: true };
  });
}

/** Begun at any time of the restarts. */
function short(random, count, since, until) {
  return Array.from({ length: count }, (_, n) => ({
    key: `short-${n}`,
    startAt: random.int(since, until - 5_000),
    ms: random.int(500, 4_500),
    durable: false,
  }));
}

async function startAll(nodes, path, timers) {
  await Promise.all(
    timers.map(async (timer, n) => {
      await sleep(Math.max(0, timer.startAt - Date.now()));
      const order = n % 2 === 0 ? nodes : [...nodes].reverse();
      timer.sentAt = Date.now();
      timer.execution = await startPatiently(order, timer.key, { path, parameters: { ms: timer.ms } });
    }),
  );
}

/** Ends one node after the other, both ways; never one while the other is not there. @returns how many */
async function restartUntil(nodes, uptime, since, until) {
  for (let n = 0, next = since + RESTART_EVERY_MS; ; n++, next = Math.max(next + RESTART_EVERY_MS, Date.now())) {
    await sleep(Math.max(0, Math.min(next, until) - Date.now()));
    await uptime.allUp();
    if (Date.now() >= until) return n;
    const node = nodes[n % nodes.length];
    uptime.down(node);
    await node.end(Math.floor(n / 2) % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
  }
}

async function judge(rows, { timers, open, uptime, awayAt, verdict }) {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const [whileUp, inOutage, noneUp, short] = [[], [], [], []];
  const [missing, twice, early] = [[], [], []];
  const backAt = uptime.upAfter(awayAt);
  for (const { execution, sentAt, ms, durable } of timers) {
    const row = byId.get(execution);
    if (row === undefined || row.times === 0 || row.status !== 'completed') {
      missing.push({ execution, row });
      continue;
    }
    if (row.times !== 1 || row.waits !== 1 || row.ends !== 1) twice.push(row);
    // By the time that was recorded as due, and by what the client knows: it cannot have begun before it was asked for.
    if (row.fired < row.due - ROUNDING_MS || row.fired < sentAt + ms - ROUNDING_MS) early.push({ sentAt, ms, ...row });
    const late = row.fired - row.due;
    // One that was due just before all nodes went away had no time to be noticed.
    const metOutage = row.due >= awayAt - LATE_MS && row.due < backAt && row.fired > awayAt;
    if (!durable) short.push(late);
    else if (metOutage) inOutage.push({ late, afterUp: row.fired - backAt });
    else if (uptime.anyUp(row.due)) whileUp.push(late);
    else noneUp.push(late);
  }
  const lateness = spread(whileUp);
  verdict.needs(
    timers.every(({ execution }) => execution !== undefined),
    'not every timer was started',
  );
  verdict.needs(
    whileUp.length >= TIMERS / 2 && inOutage.length > 0,
    `due while a node was up ${whileUp.length}, in the outage ${inOutage.length}`,
  );
  verdict.bound('no timer is missing', missing.length === 0 && open === 0, missing.slice(0, 5));
  verdict.bound('one execution per start', rows.length === timers.length, `${rows.length} of ${timers.length}`);
  verdict.bound('no timer fires twice', twice.length === 0, twice.slice(0, 5));
  verdict.bound('no timer fires early', early.length === 0, early.slice(0, 5));
  verdict.bound(`due while a node was up: p99 of lateness is at most ${LATE_MS} ms`, lateness.p99 <= LATE_MS, lateness);
  verdict.figure('lateness of those due in the outage, ms', spread(inOutage.map(({ late }) => late)));
  verdict.figure('the same from the moment on that a node was ready, ms', spread(inOutage.map(({ afterUp }) => afterUp)));
  verdict.figure('lateness of those due while no node was ready before it, ms', spread(noneUp));
  verdict.figure(
    `lateness of ${short.length} waits below 5 s, which a kill delays by up to a lease (${LEASE_MS / 1000} s), ms`,
    spread(short),
  );
}
