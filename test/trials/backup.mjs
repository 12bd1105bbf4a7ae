import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkChildren } from '../chaos/checks/children.mjs';
import { checkEffects } from '../chaos/checks/effects.mjs';
import { Facts } from '../chaos/checks/facts.mjs';
import { checkHistories } from '../chaos/checks/histories.mjs';
import { checkLeftovers, checkProcesses } from '../chaos/checks/leftovers.mjs';
import { checkOutcomes } from '../chaos/checks/outcomes.mjs';
import { checkReads } from '../chaos/checks/reads.mjs';
import { checkStored } from '../chaos/checks/stored.mjs';
import { Load } from '../chaos/clients/load.mjs';
import { settleByHand } from '../chaos/clients/operations.mjs';
import { explain } from '../chaos/report.mjs';
import { round } from '../chaos/round.mjs';
import { Watch } from '../chaos/watch.mjs';
import { World } from '../chaos/world/world.mjs';
import { forgetLaterCalls, historyAsOf } from './backup/as-of-backup.mjs';
import { BASE_BACKUP, COPY, DUMP } from './backup/methods.mjs';
import { installedPrograms, ownerOf, PlainServer, programsOf, unprivileged } from './backup/servers.mjs';

const LEASE_MS = 3_000;
const CLIENTS = 16;
const TERMINAL = new Set(['completed', 'failed', 'cancelled']);

/**
 * Backups are taken while clients and nodes work, everything is killed, and each backup is restored into a server of its own with new nodes: what
 * was acknowledged before it began is there, what had ended stays as it was, the rest comes to its end (C1).
 */
export async function run({ minutes, random, folder, say, verdict }) {
  const bin = installedPrograms();
  if (bin === null) say('this machine has no pg_dump and pg_basebackup of PostgreSQL 15 or newer: only the copy of files is tried');
  const ways = [
    { methods: { copy: COPY }, bin: null },
    ...(bin === null ? [] : [{ methods: { basebackup: BASE_BACKUP, dump: DUMP }, bin }]),
  ];
  for (const [index, way] of ways.entries()) {
    const trial = new Backup({
      ...way,
      label: `b${index + 1}`,
      folder: join(folder, `program-${index + 1}`),
      random: random.stream(`b${index}`),
      say,
      verdict,
    });
    await trial.run((minutes * 60_000) / ways.length);
  }
}

class Backup {
  constructor(options) {
    Object.assign(this, options);
  }

  async run(ms) {
    const { folder, random } = this;
    const settings = { wal_keep_size: '1GB' };
    let own = null;
    let world = null;
    try {
      // The machine's own PostgreSQL, for its own programs; the service's for the copy of its files.
      if (this.bin !== null) own = await this.#ownServer(folder);
      world = await World.build({
        folder,
        nodes: 2,
        leaseMs: LEASE_MS,
        random,
        short: true,
        settings,
        ...(own === null ? {} : { database: own }),
      });
      this.source = own === null ? sourceOf(world.database) : { database: own, bin: this.bin, user: ownerOf(own.data), password: 'trial' };
      const load = await this.#firstLife(world, ms);
      for (const [name, taken] of Object.entries(this.taken)) await this.#secondLife(world, load, name, taken);
    } finally {
      await world?.close();
      await own?.stop();
    }
  }

  async #ownServer(folder) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o711);
    return await PlainServer.create({ bin: this.bin, data: join(folder, 'own'), user: unprivileged() });
  }

  /** Load, the backups in the midst of it, and the end of everything. */
  async #firstLife(world, ms) {
    const { label, random, folder, say } = this;
    const load = new Load({
      random: random.stream('load'),
      history: world.history,
      nodes: world.nodes,
      effectUrl: world.effects.url,
      clients: CLIENTS,
      label,
    });
    world.load = load;
    await load.prepare();
    const watch = new Watch(world.database, label, ({ open }) => (load.open = open));
    load.start();
    this.taken = {};
    await sleep(ms / 2);
    for (const [name, method] of Object.entries(this.methods)) {
      const acknowledged = load.acknowledged;
      const begin = Date.now();
      const path = join(folder, `backup-${name}`);
      await method.take(this.source, path);
      this.taken[name] = { method, path, begin, end: Date.now(), acknowledged };
      say(`${name}: taken in ${Date.now() - begin} ms, ${acknowledged} acknowledged before it began, ${load.open} open`);
      await sleep(ms / 8);
    }
    // As when the machine goes: nobody brings anything to an end.
    load.stopped = true;
    await Promise.all(
      world.nodes.map(async (node) => {
        await node.end('SIGKILL');
        await node.close();
      }),
    );
    await watch.stop();
    this.calls = world.effects.newCalls();
    // Clients go on asking for a while what nobody answers any more.
    this.history = [...world.history.lines];
    return load;
  }

  async #secondLife(first, load, name, { method, path, begin, end, acknowledged }) {
    const { label, folder, random, say, verdict } = this;
    const server = await method.restore(this.source, path);
    let world = null;
    try {
      const restoredAt = Date.now();
      const restored = new Map(
        (await server.read(`SELECT id::text, status, claim_no, last_seq FROM execution WHERE path LIKE $1`, [`chaos/${label}/%`])).map(
          (row) => [row.id, row],
        ),
      );
      const open = [...restored.values()].filter(({ status }) => !TERMINAL.has(status)).length;
      say(`${name}: restored with ${restored.size} executions, ${open} of them open`);
      const second = `${folder}-${name}`;
      world = await World.build({
        folder: second,
        nodes: 2,
        leaseMs: LEASE_MS,
        random,
        short: true,
        database: server,
        effects: first.effects,
      });
      const readyAt = Date.now();
      const facts = await this.#gather(world, load, { name, begin, end, restoredAt, readyAt, restored });
      const touched = [...restored.values()].filter(
        ({ id, status, claim_no, last_seq }) =>
          TERMINAL.has(status) && !same(facts.executions.get(id), { status, claim_no, last_seq }, restoredAt),
      );
      const { facts: later } = await round({
        world,
        label: `${label}n`,
        seconds: 8,
        clients: CLIENTS,
        deck: { gapMs: [1, 1], faults: [] },
        random,
        say,
      });
      verdict.figure(`${name}: milliseconds to take it; acknowledged before; executions in it; of these open`, [
        end - begin,
        acknowledged,
        restored.size,
        open,
      ]);
      verdict.figure(`${name}: calls after the backup, which it knows nothing of`, facts.notes.forgotten);
      verdict.figure(`${name}: seconds from new nodes to the end of everything`, Math.round((facts.notes.quietAt - readyAt) / 1000));
      this.#bound(`${name}: no violation in what was restored`, facts, await this.#file(world, facts));
      verdict.bound(
        `${name}: nothing that had ended was touched`,
        touched.length === 0,
        touched.length === 0 ? restored.size - open : touched.slice(0, 5),
      );
      this.#bound(`${name}: no violation in what is started afterwards`, later, later.executions.size);
      verdict.needs(open >= 5, `${name}: only ${open} executions were open in the backup`);
      verdict.needs(acknowledged >= 100, `${name}: only ${acknowledged} executions were acknowledged before it`);
    } finally {
      await world?.close();
      await server.stop();
    }
  }

  async #file(world, facts) {
    return facts.violations.length === 0 ? facts.executions.size : await explain(world, facts);
  }

  #bound(promise, { violations }, seen) {
    const said = violations.slice(0, 6).map(({ check, execution, message }) => `(${check}) ${execution}: ${message}`);
    this.verdict.bound(promise, violations.length === 0, violations.length === 0 ? seen : [...said, seen]);
  }

  async #gather(world, load, { name, begin, end, restoredAt, readyAt, restored }) {
    const { label, random, say } = this;
    const settling = new Load({
      random: random.stream('settle'),
      history: world.history,
      nodes: world.nodes,
      effectUrl: world.effects.url,
      clients: 0,
      label,
    });
    settling.playbooks = load.playbooks;
    const watch = new Watch(world.database, label, () => undefined);
    const stuck = await watch.quiesced(LEASE_MS, (execution) => settleByHand(settling, execution));
    await watch.stop();
    const quietAt = Date.now();
    const calls = world.effects.newCalls();
    const facts = await Facts.gather({
      database: world.database,
      label,
      playbooks: load.playbooks,
      calls: [...this.calls, ...calls],
      history: historyAsOf(this.history, begin, end),
      windows: [{ name: 'restore', wall: begin, until: readyAt }],
      stalls: [],
      leaseMs: LEASE_MS,
    });
    facts.notes.quietAt = quietAt;
    facts.notes.forgotten = forgetLaterCalls(facts, end, restoredAt, restored);
    say(`${name}: ${stuck === null ? 'all ended' : stuck.message}; checking`);
    if (stuck !== null) facts.violation('stuck', stuck.execution, stuck.message, { rows: stuck.rows });
    checkStored(facts);
    checkHistories(facts);
    checkEffects(facts);
    checkOutcomes(facts);
    checkChildren(facts);
    checkReads(facts);
    await checkLeftovers(facts);
    checkProcesses(facts, world.nodes);
    return facts;
  }
}

const same = (now, then, restoredAt) =>
  now !== undefined &&
  now.row.status === then.status &&
  now.row.claim_no === then.claim_no &&
  now.row.last_seq === then.last_seq &&
  !now.calls.some(({ at }) => at >= restoredAt);

/** The service's own kind of server. */
function sourceOf(database) {
  return {
    database,
    bin: programsOf(database),
    user: ownerOf(database.data),
    password: decodeURIComponent(new URL(database.url).password),
  };
}
