import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { POINT_NAMES } from '../world/program.mjs';

/**
 * What can go wrong. A fault does it, undoes it, and returns whether it hit something: a request under way at the node, or a batch on its way to the
 * database. `window` says how the checks see it: `node` its index, `database` whether all nodes feel it, `stall` whether a process stood still.
 * To add a fault, add an entry, and its name to a deck of nemesis.mjs.
 */
export const FAULTS = {
  kill_node: async (world, { node }) => {
    const hit = busy(world, node);
    await world.nodes[node].end('SIGKILL', world.random.int(0, 2_000));
    await back(world);
    return { hit };
  },
  kill_all: async (world) => {
    const hit = world.nodes.some((_, node) => busy(world, node));
    await Promise.all(world.nodes.map((node) => node.end('SIGKILL', world.random.int(0, 1_500))));
    await back(world);
    return { hit };
  },
  /** A zombie: it stands still until its leases have long gone elsewhere. */
  stop_node: async (world, { node }) => {
    const hit = busy(world, node);
    world.nodes[node].signal('SIGSTOP');
    await sleep(2 * world.leaseMs);
    world.nodes[node].signal('SIGCONT');
    return { hit };
  },
  deploy: async (world, { node }) => {
    const hit = busy(world, node);
    const since = performance.now();
    const end = await world.nodes[node].end('SIGTERM');
    const tookMs = Math.round(performance.now() - since);
    await back(world);
    return { hit, tookMs, exit: end && (end.code ?? end.signal) };
  },
  /** Ends sessions of the service: some, all, or those that listen. */
  backends: async (world, { which }) => ({ hit: anyBusy(world) && (await terminate(world, which)) > 0 }),
  postgres: async (world, { signal }) => {
    const hit = anyBusy(world);
    world.database.end(signal);
    await sleep(300);
    await world.database.available();
    return { hit };
  },
  cut_connections: async (world, { node, how }) => ({ hit: busy(world, node) && world.proxies[node].endAll(how) > 0 }),
  black_hole: async (world, { node, ms, then }) => {
    const hit = busy(world, node);
    world.proxies[node].hold();
    await sleep(ms);
    world.proxies[node].release(then);
    return { hit };
  },
  latency: async (world, { node, ms, forMs }) => {
    const hit = busy(world, node);
    world.proxies[node].latencyMs = ms;
    await sleep(forMs);
    world.proxies[node].latencyMs = 0;
    return { hit };
  },
  /** Cuts batches of the writer, one after the other. */
  cut_batches: async (world, { node, kind, times }) => {
    const proxy = world.proxies[node];
    const before = proxy.cut[kind];
    for (let i = 0; i < times; i++) {
      proxy.armCut(kind);
      await sleep(world.random.int(50, 300));
    }
    await sleep(500);
    proxy.disarm();
    return { hit: proxy.cut[kind] > before, cuts: proxy.cut[kind] - before };
  },
  /** The node is started again with a fault point: it exits or stalls there by itself. */
  fault_point: async (world, { node, point, forMs }) => {
    const target = world.nodes[node];
    const starts = target.starts;
    target.plannedPoint = point;
    await target.end('SIGTERM');
    await back(world);
    const stalls = world.stalls().length;
    await sleep(forMs);
    return { hit: target.starts > starts + 1 || world.stalls().length > stalls };
  },
};

const busy = (world, node) => world.load.inFlight[node] > 0;
const anyBusy = (world) => world.load.inFlight.some((requests) => requests > 0);

/** Waits until all nodes serve again, where nothing else keeps them from it. */
async function back(world) {
  await Promise.all(world.nodes.map((node) => node.ready()));
}

/** @returns how many sessions were ended */
async function terminate(world, which) {
  const client = new pg.Client({ connectionString: world.database.url, application_name: 'chaos-nemesis', connectionTimeoutMillis: 3_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const filter = {
      some: 'random() < 0.4',
      all: 'true',
      listening: "query LIKE 'LISTEN%'",
      writing: "application_name = 'showrunner:writer'",
    }[which];
    const { rows } = await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'showrunner%' AND (${filter})`,
    );
    return rows.length;
  } catch {
    return 0; // the database is away just now
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Draws what a fault needs to know. */
export function drawFault(name, random, nodes, short) {
  const node = random.int(0, nodes - 1);
  switch (name) {
    case 'kill_node':
    case 'stop_node':
    case 'deploy':
      return [name, { node }];
    case 'kill_all':
      return [name, {}];
    case 'some_backends':
    case 'all_backends':
    case 'listening_backends':
    case 'writing_backends':
      return ['backends', { which: name.split('_')[0] }];
    case 'postgres_fast':
      return ['postgres', { signal: 'SIGINT' }];
    case 'postgres_immediate':
      return ['postgres', { signal: 'SIGQUIT' }];
    case 'postgres_crash':
      return ['postgres', { signal: 'SIGKILL' }];
    case 'drop':
      return ['cut_connections', { node, how: 'end' }];
    case 'reset':
      return ['cut_connections', { node, how: 'reset' }];
    case 'black_hole':
      return [name, { node, ms: short ? random.int(3_000, 6_000) : random.int(5_000, 20_000), then: random.pick(['deliver', 'reset']) }];
    case 'latency':
      return [name, { node, ms: random.pick([20, 200]), forMs: random.int(3_000, 6_000) }];
    // A batch that arrives after its leases have gone elsewhere, and an answer that its holder reads too late.
    case 'late_batches':
      return ['black_hole', { node, ms: random.int(4_200, 6_000), then: 'deliver' }];
    case 'late_results':
      return ['fault_point', { node, point: `after_effect:stall:${random.int(10, 60)}:${random.int(4_200, 6_000)}`, forMs: 9_000 }];
    case 'slow_link':
      return ['latency', { node, ms: random.int(200, 350), forMs: random.int(5_000, 8_000) }];
    case 'lost_replies':
      return ['cut_batches', { node, kind: 'reply', times: random.int(3, 10) }];
    case 'lost_requests':
      return ['cut_batches', { node, kind: 'request', times: random.int(3, 10) }];
    case 'torn_batches':
      return ['cut_batches', { node, kind: 'middle', times: random.int(3, 10) }];
    case 'fault_point':
      return [name, { node, point: point(random), forMs: random.int(4_000, 8_000) }];
    default:
      throw new Error(`no such fault: ${name}`);
  }
}

function point(random) {
  const name = random.pick(POINT_NAMES);
  // Heartbeats are rare, everything else is frequent.
  const count = name === 'heartbeat' ? random.int(1, 3) : random.int(5, 150);
  return random.chance(0.6) ? `${name}:exit:${count}` : `${name}:stall:${count}:${random.int(2_000, 8_000)}`;
}
