import { setTimeout as sleep } from 'node:timers/promises';
import { checkApprovals } from './checks/approvals.mjs';
import { checkChildren } from './checks/children.mjs';
import { checkEffects } from './checks/effects.mjs';
import { Facts } from './checks/facts.mjs';
import { checkHistories } from './checks/histories.mjs';
import { checkLeftovers, checkProcesses } from './checks/leftovers.mjs';
import { checkLedger } from './checks/ledger.mjs';
import { checkOutcomes } from './checks/outcomes.mjs';
import { checkReads } from './checks/reads.mjs';
import { checkStored } from './checks/stored.mjs';
import { checkUndos } from './checks/undos.mjs';
import { Load } from './clients/load.mjs';
import { settleByHand } from './clients/operations.mjs';
import { countsOf, samplesOf } from './figures.mjs';
import { Nemesis } from './nemesis/nemesis.mjs';
import { Watch } from './watch.mjs';

/**
 * One round: clients and nemesis for a while, then heal, wait until everything has ended, and check all of it.
 * @param {{ world: import('./world/world.mjs').World, label: string, seconds: number, clients: number, deck: object, random: import('./random.mjs').Random,
 *   weights?: object, only?: readonly string[], known?: (block: string) => boolean, say: (text: string) => void,
 *   nemesis?: { start(): void, stop(): Promise<void>, windows: object[] } }} options `nemesis`: another one than that of the deck
 */
export async function round({
  world,
  label,
  seconds,
  clients,
  deck,
  random,
  weights,
  only,
  known,
  keyed,
  say,
  nemesis = new Nemesis(world, deck),
}) {
  world.history.lines = [];
  world.random = random.stream('nemesis');
  world.deck = deck;
  const load = new Load({
    random: random.stream('load'),
    history: world.history,
    nodes: world.nodes,
    effectUrl: world.effects.url,
    ledger: world.ledger,
    clients,
    weights,
    only,
    known,
    keyed,
    thinkMs: deck?.thinkMs,
    label,
  });
  world.load = load;
  await load.prepare();
  const watch = new Watch(world.database, label, ({ open }) => {
    load.open = open;
    for (const node of world.nodes) node.sampleMemory();
  });
  try {
    load.start();
    nemesis.start();
    for (let left = seconds; left > 0; left -= 10) {
      await sleep(Math.min(left, 10) * 1_000);
      const { name = '-' } = nemesis.windows.at(-1) ?? {};
      say(`${label}: ${load.acknowledged} acknowledged, ${load.open} open, ${nemesis.windows.length} faults (last: ${name})`);
    }
    say(`${label}: healing`);
    await nemesis.stop();
    await load.stop();
    const stuck = await watch.quiesced(world.leaseMs, (execution) => settleByHand(load, execution));
    const allEndedAt = stuck === null ? Date.now() : null;
    say(`${label}: ${stuck === null ? 'all ended' : stuck.message}; checking`);
    const { windows } = nemesis;
    const facts = await Facts.gather({
      database: world.database,
      label,
      playbooks: load.playbooks,
      calls: world.effects.newCalls(),
      history: world.history.lines,
      windows: windows.map((window) => ({ ...window, until: Math.min(window.until, Date.now()) })),
      stalls: world.stalls(),
      leaseMs: world.leaseMs,
    });
    if (stuck !== null) facts.violation('stuck', stuck.execution, stuck.message, { rows: stuck.rows, sessions: stuck.sessions });
    checkStored(facts);
    if (stuck === null) checkHistories(facts);
    checkEffects(facts);
    await checkLedger(facts, world.ledger);
    if (stuck === null) checkOutcomes(facts);
    if (stuck === null) checkChildren(facts);
    if (stuck === null) await checkApprovals(facts);
    if (stuck === null) checkUndos(facts);
    checkReads(facts);
    if (stuck === null) await checkLeftovers(facts);
    checkProcesses(facts, world.nodes);
    return { facts, windows, counts: countsOf(facts, load, windows), samples: samplesOf(facts, windows, allEndedAt) };
  } finally {
    load.stopped = true;
    await watch.stop();
  }
}
