import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startUntilServed } from '../clients/operations.mjs';
import { POINT_NAMES } from '../world/program.mjs';

/**
 * What can go wrong. A fault does it, undoes it, and returns whether it hit something: a request under way at the node, or a batch on its way to the
 * database. `window` says how the checks see it: `node` its index, `database` whether all nodes feel it, `stall` whether a process stood still.
 * To add a fault, add an entry, and its name to a deck of decks.mjs.
 */
export const FAULTS = {
  kill_node: async (world, { node: drawn }) => {
    const restartAfterMs = world.random.int(0, world.deck.restartMs ?? 2_000);
    return await withNode(world, drawn, async (node) => {
      const wall = Date.now();
      const hit = busy(world, node);
      const kills = await kill(world, node, restartAfterMs);
      await world.nodes[node].ready();
      return { node, wall, hit, kills };
    });
  },
  kill_all: async (world) => {
    const hit = world.nodes.some((_, node) => busy(world, node));
    const delays = world.nodes.map(() => world.random.int(0, world.deck.restartMs ?? 1_500));
    const kills = await Promise.all(world.nodes.map((_, node) => kill(world, node, delays[node])));
    await back(world);
    return { hit, kills: kills.flat() };
  },
  /** A zombie: it stands still until its leases have long gone elsewhere. */
  stop_node: async (world, { node: drawn }) =>
    await withNode(world, drawn, async (node) => {
      const hit = busy(world, node);
      const wall = Date.now();
      world.nodes[node].signal('SIGSTOP');
      const held = await world.claims.heldBy(world.nodes[node].holder);
      await sleep(Math.max(0, wall + 2 * world.leaseMs - Date.now()));
      const lost = await world.claims.movedOn(held);
      world.nodes[node].signal('SIGCONT');
      return { node, wall, hit, held: held.length, lost };
    }),
  deploy: async (world, { node: drawn }) =>
    await withNode(world, drawn, async (node) => {
      const target = world.nodes[node];
      const { holder } = target;
      const hit = busy(world, node);
      const wall = Date.now();
      if (holder !== null) await world.claims.followStop(holder);
      const since = performance.now();
      const end = await target.end('SIGTERM');
      const tookMs = Math.round(performance.now() - since);
      const left = end === null ? 0 : await world.claims.heldBy(holder);
      const endedAt = Date.now();
      await target.ready();
      return { node, wall, hit, tookMs, exit: end && (end.code ?? end.signal), endedAt, leasesLeft: left.length };
    }),
  /** Ends sessions of the service: some, all, or those that listen. */
  backends: async (world, { which }) => {
    const hit = anyBusy(world);
    const backends = await terminate(world, which);
    return { hit: hit && backends > 0, backends, servedMs: await served(world) };
  },
  /** One process of the database crashes, which ends all sessions. */
  backend_crash: async (world) => {
    const hit = anyBusy(world);
    const pids = await sessions(world, 'random() < 0.5', 'pid');
    if (pids.length === 0) return { hit: false };
    process.kill(Number(world.random.pick(pids)), 'SIGKILL');
    await sleep(100);
    await world.database.available();
    return { hit, backends: 1, servedMs: await served(world) };
  },
  postgres: async (world, { signal }) => {
    const hit = anyBusy(world);
    const former = signal === 'all' ? world.database.crash() : world.database.end(signal);
    await world.database.acceptsAgain(former);
    return { hit, servedMs: await served(world) };
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
  trickle: async (world, { node, forMs }) => {
    const hit = busy(world, node);
    world.proxies[node].bytesPerSecond = 1_024;
    await sleep(forMs);
    world.proxies[node].bytesPerSecond = Infinity;
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

/** @returns the kill, where there was a process to kill: of which node, when it was gone (epoch milliseconds) */
async function kill(world, node, restartAfterMs) {
  const { holder } = world.nodes[node];
  const end = await world.nodes[node].end('SIGKILL', restartAfterMs);
  if (end === null) return [];
  const at = Date.now();
  await world.claims.followCrash(holder);
  return [{ node, at }];
}

/** Does something to a node. Where the deck asks for it, to one that nothing is done to, and so that another is left alone. */
async function withNode(world, drawn, work) {
  const { leave } = world.deck;
  if (leave === undefined) return await work(drawn);
  const count = world.nodes.length;
  const free = () => {
    if (world.occupied.size >= count - leave) return undefined;
    return world.nodes.map((_, index) => (drawn + index) % count).find((index) => !world.occupied.has(index));
  };
  let node = free();
  for (; node === undefined; node = free()) await sleep(50);
  world.occupied.add(node);
  try {
    return await work(node);
  } finally {
    world.occupied.delete(node);
  }
}

/** @returns how long it takes until every node accepts a start again, where the deck asks for it */
async function served(world) {
  if (world.deck.measureServing !== true) return undefined;
  const since = performance.now();
  await Promise.all(world.nodes.map((_, node) => startUntilServed(world.load, node)));
  return Math.round(performance.now() - since);
}

/** @returns how many sessions were ended */
async function terminate(world, which) {
  const filter = {
    some: 'random() < 0.4',
    all: 'true',
    one: "pid = (SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'showrunner%' ORDER BY random() LIMIT 1)",
    listening: "query LIKE 'LISTEN%'",
    writing: "application_name = 'showrunner:writer'",
  }[which];
  return (await sessions(world, filter, 'pg_terminate_backend(pid)')).length;
}

/** @returns what `wanted` gives for each session of the service that the filter lets through */
async function sessions(world, filter, wanted) {
  const client = new pg.Client({ connectionString: world.database.url, application_name: 'chaos-nemesis', connectionTimeoutMillis: 3_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query(
      `SELECT ${wanted} AS wanted FROM pg_stat_activity WHERE application_name LIKE 'showrunner%' AND (${filter})`,
    );
    return rows.map((row) => row.wanted);
  } catch {
    return []; // the database is away just now
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
    case 'backend_crash':
      return [name, {}];
    case 'one_backend':
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
    case 'postgres_crash_all':
      return ['postgres', { signal: 'all' }];
    case 'trickle':
      return [name, { node, forMs: random.int(5_000, 10_000) }];
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
