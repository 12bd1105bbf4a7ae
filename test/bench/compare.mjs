// node test/bench/compare.mjs <build>,<build>... [workloads] [clients] [slices]: what two or more builds cost, in turns of 0.4 s, so that whatever else
// the machine does meets them alike. A build is a folder beside `dist` (npm run build && cp -r dist dist-before). Prints the median CPU per execution
// in microseconds: of all threads of the service, of its main thread, of the database; and by how much they differ from the first build's.
import { readdirSync, readFileSync } from 'node:fs';
import { encodeRequest, WireClient } from './http-wire.mjs';
import { family } from './machine.mjs';
import { refuse } from './options.mjs';
import { playbooks, WORKLOADS } from './playbooks.mjs';
import { counters, postmasterOf, startService, startWorld } from './service.mjs';

const SLICE_MS = 400;
const WARM_UP_MS = 3_000;
const [builds, workloads = 'W1', clients = '64', slices = '24'] = process.argv.slice(2);
if (builds === undefined) refuse('compare needs builds, comma-separated: dist-before,dist');
const names = workloads.split(',');
for (const name of names) if (WORKLOADS[name]?.mode !== 'wait') refuse(`${name} is no workload that waits for its end`);

const PLAYBOOKS = playbooks('');
const worldPort = await startWorld();
const services = [];
try {
  for (const build of builds.split(',')) {
    const service = await startService(build, worldPort);
    services.push({ ...service, build, postmaster: await postmasterOf(service.db) });
  }
  for (const name of names) await compare(name);
} finally {
  for (const { stop } of services) await stop();
}
process.exit(0);

async function compare(name) {
  const lanes = services.map((service) => ({
    service,
    connections: connect(service.url),
    slices: [],
    completed: 0,
    failed: 0,
    wal: 0,
    commits: 0,
  }));
  for (const lane of lanes) await run(lane, name, WARM_UP_MS);
  for (let n = 0; n < Number(slices); n++) for (const lane of n % 2 === 0 ? lanes : lanes.toReversed()) await measure(lane, name);
  const [first] = lanes;
  for (const lane of lanes) {
    const column = (key) => {
      const change = 100 * (median(lane.slices.map((slice, n) => slice[key] / first.slices[n][key])) - 1);
      return `${median(lane.slices.map((slice) => slice[key])).toFixed(0)}${lane === first ? '' : ` (${change > 0 ? '+' : ''}${change.toFixed(1)} %)`}`;
    };
    console.log(
      `${name} ${lane.service.build}: service ${column('all')}, main thread ${column('main')}, database ${column('database')} us; ` +
        `${(lane.wal / lane.completed).toFixed(0)} bytes of WAL, ${(lane.commits / lane.completed).toFixed(3)} commits; ` +
        `${lane.completed} completed, ${lane.failed} failed`,
    );
    for (const connection of lane.connections) connection.close();
  }
}

async function measure(lane, name) {
  const { service } = lane;
  const [before, used] = [await counters(service.db), cpu(service)];
  const { completed, failed } = await run(lane, name, SLICE_MS);
  const [now, after] = [cpu(service), await counters(service.db)];
  lane.slices.push(Object.fromEntries(Object.keys(now).map((key) => [key, (now[key] - used[key]) / Math.max(1, completed) / 1_000])));
  lane.completed += completed;
  lane.failed += failed;
  lane.wal += after.wal - before.wal;
  lane.commits += after.commits - before.commits;
}

async function run({ connections }, name, forMs) {
  const path = /path: (.*)/.exec(PLAYBOOKS[WORKLOADS[name].playbook])[1];
  const body = JSON.stringify({
    path,
    parameters: { message: 'Hello World' },
    context: { parent_step: 'fetch_data' },
    metadata: { priority: 'high' },
  });
  const headers = { 'content-type': 'application/json', prefer: 'wait=30' };
  const start = encodeRequest({ method: 'POST', path: '/execute', headers, body });
  const until = performance.now() + forMs;
  const counts = { completed: 0, failed: 0 };
  const loop = async (connection) => {
    while (performance.now() < until) {
      const answer = await connection.request(start);
      const { status } = JSON.parse(answer.body.toString());
      counts[answer.status === 200 && status === 'completed' ? 'completed' : 'failed'] += 1;
    }
  };
  await Promise.all(connections.map(loop));
  return counts;
}

function connect(url) {
  return Array.from({ length: Number(clients) }, () => new WireClient(url));
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Nanoseconds of CPU so far. */
function cpu({ pid, postmaster }) {
  const sum = (paths) => paths.map(nanoseconds).reduce((a, b) => a + b, 0);
  return {
    all: sum(readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}/schedstat`)),
    main: nanoseconds(`/proc/${pid}/task/${pid}/schedstat`),
    database: sum(family(postmaster).map((member) => `/proc/${member}/schedstat`)),
  };
}

function nanoseconds(path) {
  try {
    return Number(readFileSync(path, 'utf8').split(' ')[0]);
  } catch {
    return 0; // ended between the two reads
  }
}
