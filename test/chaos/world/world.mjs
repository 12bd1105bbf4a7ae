import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { History } from '../clients/history.mjs';
import { Claims } from './claims.mjs';
import { Database } from './database.mjs';
import { EffectProcess } from './effect-process.mjs';
import { copyProgram, PROBES } from './program.mjs';
import { Ledger } from './ledger.mjs';
import { FaultProxy } from './proxy.mjs';
import { ServiceNode } from './service-node.mjs';

/** A folder for all that a run writes. */
export function newFolder(command = 'chaos') {
  const folder = mkdtempSync(join(tmpdir(), `showrunner-${command}-`));
  chmodSync(folder, 0o711); // the database runs as another user, and must pass through
  return folder;
}

/** Everything a run has: the database, the effect server, the nodes with a fault proxy each. */
export class World {
  /**
   * @param {{ folder: string, nodes: number, leaseMs: number, changes?: readonly object[], nodeEnv?: (index: number) => Record<string, string>,
   *   random: import('../random.mjs').Random, short: boolean, direct?: boolean, command?: readonly string[], settings?: Record<string, string>,
   *   database?: object, effects?: EffectProcess, withLedger?: boolean, program?: string }} options `changes`: to the copy of the program; `program`: the
   *   folder of another one instead; `nodeEnv`: for one node; `direct`: no proxies, the nodes speak to the database themselves; `command`: what starts a
   *   node, before its own; `settings`: of the database; `database` and `effects`: those of another world, which ends them; `withLedger`: with a database
   *   for the saves of playbooks
   */
  static async build(options) {
    const {
      folder,
      nodes,
      leaseMs,
      changes,
      nodeEnv = () => ({}),
      random,
      short,
      direct = false,
      command = [],
      withLedger = false,
    } = options;
    mkdirSync(folder, { recursive: true });
    const world = new World();
    Object.assign(world, {
      folder,
      leaseMs,
      random,
      short,
      proxies: [],
      nodes: [],
      occupied: new Set(),
      borrowed: [options.database, options.effects],
    });
    world.stallLog = join(folder, 'stalls.jsonl');
    const program = options.program ?? copyProgram(join(folder, 'program'), changes);
    world.history = new History(join(folder, 'history.jsonl'));
    try {
      for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void world.close().finally(() => process.exit(130)));
      [world.database, world.ledger] = await Promise.all([
        options.database ?? Database.start(join(folder, 'database'), options.settings),
        withLedger ? Ledger.start(join(folder, 'ledger')) : null,
      ]);
      world.claims = new Claims(world.database);
      world.effects = options.effects ?? (await EffectProcess.start(join(folder, 'effects.jsonl')));
      for (let index = 0; index < nodes; index++) {
        const through = new URL(world.database.url);
        if (!direct) {
          const proxy = await FaultProxy.before(world.database.port);
          world.proxies.push(proxy);
          through.port = String(proxy.port);
        }
        const env = {
          DATABASE_URL: through.href,
          LEASE_SECONDS: String(leaseMs / 1000),
          OUTBOUND_ALLOW: [world.effects, world.ledger].flatMap((own) => (own === null ? [] : [`127.0.0.1:${own.port}`])).join(','),
          NODE_OPTIONS: `--import=${PROBES}`,
          CHAOS_NODE: String(index),
          CHAOS_STALLS: world.stallLog,
          ...nodeEnv(index),
        };
        const node = new ServiceNode({ index, port: await freePort(), folder, program, env, command, nextEnv: () => takePoint(node) });
        world.nodes.push(node);
      }
      // The first one migrates the database.
      for (const node of world.nodes) {
        node.start();
        await node.ready();
      }
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  /** What fault points did so far. */
  stalls() {
    if (!existsSync(this.stallLog)) return [];
    return readFileSync(this.stallLog, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  async close() {
    await Promise.all(this.nodes.map((node) => node.close()));
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    await this.claims?.stop();
    for (const own of [this.effects, this.database]) if (!this.borrowed.includes(own)) await own?.stop();
    await this.ledger?.stop();
  }
}

/** A planned fault point counts for one start. */
function takePoint(node) {
  const point = node.plannedPoint;
  node.plannedPoint = undefined;
  return point === undefined ? {} : { CHAOS_POINT: point };
}

/** A port of this machine that nobody uses now. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
