import { randomUUID } from 'node:crypto';
import { type UnitOutcome } from '../../src/engine/ports.js';
import { COMPLETED, newRun, ScriptedRun, stepEvent, TEST_TENANT } from '../../src/engine/testing/scripted-run.js';
import { type Log, SILENT_LOG } from '../../src/storage/log.js';
import { sqlStateOf } from '../../src/storage/connection/sql-state.js';
import { claimDue } from '../../src/storage/claiming/claim.js';
import { Bystander, PatientLease } from '../support/bystander.js';
import { Collector } from '../support/collector.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { type TestDatabase } from '../support/database.js';
import { Stalls } from '../support/stalls.js';
import { createMigratedDatabase, openStorage, readStoredRun, type StorageNode } from '../support/storage.js';

/*
 * The rules about writing, each in the interleaving that it is there for, with the sentence of the rule. Each test was seen to fail with its rule
 * taken out. Leases, control and keys are in interleavings-of-holders.spec.ts. Proved elsewhere, and seen to fail there:
 *
 * D6  keeps the run, decides again       outbox.spec.ts        an end that meets a cancel is decided again as CANCELLED, with every event kept once
 * D6  the sweeper                        inbox-sweep.spec.ts   wakes what nobody holds and nothing makes due although it has unread messages, and says so
 * D7  split until the culprit is alone   batch-writer.spec.ts  one unit that PostgreSQL refuses harms none of a hundred
 * D7  checked before the writer          batch-writer.spec.ts  refuses %s before it reaches the database
 * D7  result_not_storable, then poison   outbox.spec.ts        refused %i times it ends as failed: %s
 * D9  a lost request or reply            batch-writer.spec.ts  resolves every outcome where the %s is lost, 40 times
 * D9  the token of another               batch-writer.spec.ts  finds itself lost where the lease was stolen while the outcome was unknown
 * D9  a warning on COMMIT                synchronous-standby.spec.ts  is told to nobody before the standby has it
 */

const COMMITTED = { kind: 'committed', at: expect.any(Number) as number };

let database: TestDatabase;
let bystander: Bystander;
let proxy: CuttingProxy;
let stalls: Stalls;
/** Its writer has one connection, through the proxy, and stops where `stalls` says. */
let node: StorageNode;
let other: StorageNode;
let warned: (string | null)[];
let lastId = 20_000n;

const nextRun = (changes: Parameters<typeof newRun>[1] = {}): ReturnType<typeof newRun> => newRun(String(++lastId), changes);
/** A run of `node` that is not stored yet. */
const unborn = (changes: Parameters<typeof newRun>[1] = {}): ScriptedRun => new ScriptedRun(node.store, nextRun(changes), randomUUID());
/** Stored runs that `node` holds, in the order of their ids. */
async function held(count: number): Promise<ScriptedRun[]> {
  const runs = Array.from({ length: count }, () => unborn());
  await Promise.all(runs.map((run) => run.create()));
  stalls.sent.length = 0;
  return runs;
}
const stored = (run: { readonly runId: string }): ReturnType<typeof readStoredRun> => readStoredRun(other.db, run.runId);
/** Those of the outcomes that are known by now. */
function toldOf(outcomes: readonly Promise<UnitOutcome>[]): UnitOutcome[] {
  const told: UnitOutcome[] = [];
  for (const outcome of outcomes) void outcome.then((known) => told.push(known));
  return told;
}

beforeAll(async () => {
  database = await createMigratedDatabase();
  proxy = await CuttingProxy.before(database.url);
});
afterAll(async () => {
  await proxy.close();
  await database.drop();
});
beforeEach(async () => {
  bystander = await Bystander.of(database.url);
  stalls = new Stalls();
  warned = [];
  const log: Log = { ...SILENT_LOG, warn: (fields) => void warned.push(sqlStateOf((fields as { err?: unknown }).err)) };
  const lease = new PatientLease(15_000);
  node = await openStorage(database.url, { writerUrl: proxy.url, connections: 1, lease, stalls, log });
  other = await openStorage(database.url, { connections: 1, lease, log });
});
afterEach(async () => {
  await bystander.close();
  await node.close();
  await other.close();
});

describe('D2: a batch begins by locking its rows in id order, and everything else joins what that returned', () => {
  it('a zombie whose batch waits for the claim that takes its run away stores nothing of it, and its neighbour everything', async () => {
    const [zombie, neighbour] = (await held(2)) as [ScriptedRun, ScriptedRun];
    const thief = randomUUID();
    await bystander.begin('UPDATE execution SET lease_token = $2, claim_no = claim_no + 1 WHERE id = $1', [zombie.runId, thief]);
    const outcomes = Promise.all([
      zombie.write({ events: [stepEvent('zombie')], row: COMPLETED, end: { result: 'zombie' } }),
      neighbour.write({ events: [stepEvent('a')] }),
    ]);
    await bystander.untilWaiting(1);
    await bystander.end();
    expect(await outcomes).toEqual([{ kind: 'lost' }, COMMITTED]);
    expect(await stored(zombie)).toMatchObject({
      token: thief,
      lastSeq: 1,
      row: { status: 'running' },
      events: [{ type: 'execution_started' }],
    });
    expect((await stored(zombie))?.result).toBeUndefined();
    expect(await stored(neighbour)).toMatchObject({ lastSeq: 2 });
  });

  it('two batches that name the same rows in opposite order do not meet in a deadlock', async () => {
    const [low, middle, high] = (await held(3)) as [ScriptedRun, ScriptedRun, ScriptedRun];
    // What the same holder had under way twice, as after a broken connection.
    const twins = [high, middle, low].map((run) => {
      const twin = new ScriptedRun(other.store, run.run, run.token);
      twin.lastSeq = 1;
      return twin;
    });
    await bystander.lock(middle.runId);
    const write = (run: ScriptedRun): Promise<UnitOutcome> => run.write({ events: [stepEvent('a')] });
    const first = Promise.all([low, middle, high].map(write));
    await bystander.untilWaiting(1);
    expect(await bystander.free(low.runId, high.runId)).toEqual([high.runId]);
    const second = Promise.all(twins.map(write));
    await bystander.untilWaiting(2);
    expect(await bystander.free(high.runId)).toEqual([high.runId]);
    await bystander.end();
    expect(await first).toEqual([COMMITTED, COMMITTED, COMMITTED]);
    expect((await second).map(({ kind }) => kind)).toEqual(['lost', 'lost', 'lost']);
    expect(warned).not.toContain('40P01');
  });
});

describe('D3: units are merged per row, and no statement names an id twice', () => {
  it('whatever gathers while a batch is under way', async () => {
    const [busy, run] = (await held(2)) as [ScriptedRun, ScriptedRun];
    const twice = (run: ScriptedRun): Promise<UnitOutcome>[] => ['a', 'b'].map((step) => run.write({ events: [stepEvent(step)] }));
    const newborn = unborn();
    const zombies = Array.from({ length: 5 }, () => new ScriptedRun(node.store, run.run, randomUUID()));
    const stall = stalls.at('built');
    const first = busy.write({ events: [stepEvent('a')] });
    await stall.reached;
    const outcomes = [...twice(busy), newborn.create(), ...twice(newborn), ...zombies.flatMap(twice), ...twice(run)];
    stall.resume();
    expect(await first).toEqual(COMMITTED);
    expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual([
      ...Array<string>(5).fill('committed'),
      ...Array<string>(10).fill('lost'),
      ...Array<string>(2).fill('committed'),
    ]);
    const named = stalls.named().map(({ ids }) => ids);
    expect(named.map((ids) => new Set(ids).size)).toEqual(named.map((ids) => ids.length));
    expect((await stored(newborn))?.events).toHaveLength(3);
  });
});

describe('D5: only the holder appends events; whoever brings a message makes the row due, whoever holds it', () => {
  it('a message between the making of a batch and its sending costs the holder nothing, and is no event', async () => {
    const [run] = (await held(1)) as [ScriptedRun];
    const stall = stalls.at('built');
    const outcome = run.write({ events: [stepEvent('a')] });
    await stall.reached;
    expect(await other.inbox.deliver(TEST_TENANT, run.runId, 'signal', { n: 1 })).toMatchObject({ kind: 'delivered', inboxSeq: 1 });
    expect(await stored(run)).toMatchObject({ lastSeq: 1, events: [{ type: 'execution_started' }] });
    stall.resume();
    expect(await outcome).toEqual(COMMITTED);
    expect(await stored(run)).toMatchObject({ lastSeq: 2, inboxSeq: 1, inboxConsumed: 0, token: run.token });
  });

  it('a message that met a holder which was just letting go makes the row due', async () => {
    const [leaving, neighbour] = (await held(2)) as [ScriptedRun, ScriptedRun];
    await bystander.lock(neighbour.runId);
    const outcomes = Promise.all([leaving.write({ release: { wakeAt: null } }), neighbour.write({ events: [stepEvent('a')] })]);
    await bystander.untilWaiting(1);
    const delivery = other.inbox.deliver(TEST_TENANT, leaving.runId, 'signal', { n: 1 });
    await bystander.untilWaiting(2);
    await bystander.end();
    expect(await outcomes).toEqual([COMMITTED, COMMITTED]);
    expect(await delivery).toMatchObject({ kind: 'delivered' });
    const [claimed] = await claimDue(other.db, other.lease, 10, []);
    expect(claimed).toMatchObject({ run: { id: leaving.runId }, history: { inboxConsumed: 0, inboxSeq: 1 } });
  });

  it.each([
    ['asking', (): Promise<void> => other.renewal.pollInboxes()],
    ['the renewal of its lease', (): Promise<void> => other.renewal.renew()],
  ])('a message that came while the row was being claimed, and whose hint nobody heard, is found by %s', async (_name, ask) => {
    const [run] = (await held(1)) as [ScriptedRun];
    await run.write({ release: { wakeAt: 0 } });
    const collector = new Collector(other);
    // The claim has the row and reads what belongs to it.
    await bystander.begin('LOCK TABLE execution_payload IN ACCESS EXCLUSIVE MODE');
    other.queue.consume(collector);
    await bystander.untilWaiting(1);
    const delivery = node.inbox.deliver(TEST_TENANT, run.runId, 'cancel', {});
    await bystander.untilWaiting(2);
    await bystander.end();
    expect(await collector.handed(run.runId)).toMatchObject({ history: { inboxSeq: 0 } });
    expect(await delivery).toMatchObject({ kind: 'delivered', inboxSeq: 1 });
    const told: string[] = [];
    other.signals.onInbox((id) => told.push(id));
    await ask();
    expect(told).toEqual([run.runId]);
  });
});

describe('D6: released or ended no row although the token is still ours: keep the run; an EXISTS(inbox) in the statement would not do', () => {
  it.each([
    ['release', { release: { wakeAt: null } }],
    ['end', { row: COMPLETED, end: { result: 1 } }],
  ])('the %s waits for a message that is being stored, sees it, and is not written', async (_name, leaving) => {
    const [run] = (await held(1)) as [ScriptedRun];
    // The message has bumped the row and stops before its own commit.
    await bystander.begin(
      `INSERT INTO execution_inbox (execution_id, inbox_seq, tenant_id, kind, payload) VALUES ($1, 1, '', 'signal', '{}')`,
      [run.runId],
    );
    const delivery = other.inbox.deliver(TEST_TENANT, run.runId, 'signal', { n: 1 });
    await bystander.untilWaiting(1);
    const outcome = run.write({ events: [stepEvent('a')], ...leaving });
    await bystander.untilWaiting(2);
    await bystander.end('ROLLBACK');
    expect(await delivery).toMatchObject({ kind: 'delivered', inboxSeq: 1 });
    expect(await outcome).toEqual({ kind: 'inbox_moved' });
    expect(await stored(run)).toMatchObject({ token: run.token, lastSeq: 1, inboxSeq: 1, row: { status: 'running' } });
    expect(await run.write({ events: [stepEvent('a')], ...leaving, seenInbox: 1 })).toEqual(COMMITTED);
  });
});

describe('D9: an unknown outcome is resolved by a statement that waits for the old transaction; until then nobody is told', () => {
  it('appends and ends whose transaction outlives its connection', async () => {
    const [low, locked, ended] = (await held(3)) as [ScriptedRun, ScriptedRun, ScriptedRun];
    await bystander.lock(locked.runId);
    const outcomes = [
      low.write({ events: [stepEvent('a')] }),
      locked.write({ events: [stepEvent('a')] }),
      ended.write({ events: [{ type: 'execution_completed' }], row: COMPLETED, end: { result: 1 } }),
    ];
    const told = toldOf(outcomes);
    await bystander.untilWaiting(1);
    proxy.pointTo(database.url, 'cut');
    await bystander.untilWaiting(2);
    expect(told).toEqual([]);
    expect(stalls.sent).toHaveLength(1);
    await bystander.end();
    expect(await Promise.all(outcomes)).toEqual([COMMITTED, COMMITTED, COMMITTED]);
    for (const run of [low, locked]) expect((await stored(run))?.events).toHaveLength(2);
    expect(await stored(ended)).toMatchObject({ row: COMPLETED, lastSeq: 2, result: 1 });
  });

  it('a create whose transaction outlives its connection: it is seen although a plain read would come too early', async () => {
    const [run, neighbour] = [unborn(), unborn()];
    // The row of the first is inserted, and not committed, while the one of the second waits.
    await bystander.begin(
      `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest,
         status, created_at, updated_at) VALUES ($1, '', 0, '', '', '', '', '', '', '', 'pending', now(), now())`,
      [neighbour.runId],
    );
    const outcomes = [run.create(), neighbour.create()];
    const told = toldOf(outcomes);
    await bystander.untilWaiting(1);
    proxy.pointTo(database.url, 'cut');
    await bystander.untilWaiting(2);
    expect([told, stalls.sent.length]).toEqual([[], 1]);
    await bystander.end('ROLLBACK');
    expect(await Promise.all(outcomes)).toEqual([COMMITTED, COMMITTED]);
    for (const each of [run, neighbour]) expect(await stored(each)).toMatchObject({ token: each.token, lastSeq: 1 });
  });

  it('a later unit of the run waits until then, also where another connection is free', async () => {
    const wide = await openStorage(database.url, { writerUrl: proxy.url, connections: 2, lease: node.lease, stalls });
    const [run, neighbour] = [1, 2].map(() => new ScriptedRun(wide.store, nextRun(), randomUUID())) as [ScriptedRun, ScriptedRun];
    await Promise.all([run.create(), neighbour.create()]);
    const next = new ScriptedRun(wide.store, run.run, run.token);
    next.lastSeq = 2;
    const stall = stalls.at('resolving');
    proxy.arm('reply');
    const outcomes = [run.write({ events: [stepEvent('a')] })];
    await stall.reached;
    outcomes.push(next.write({ events: [stepEvent('b')] }));
    const told = toldOf(outcomes);
    expect(await neighbour.write({ events: [stepEvent('a')] })).toEqual(COMMITTED);
    expect(told).toEqual([]);
    stall.resume();
    expect(await Promise.all(outcomes)).toEqual([COMMITTED, COMMITTED]);
    expect((await stored(run))?.events).toHaveLength(3);
    await wide.close();
  });

  it.each([
    ['without a key', null],
    ['whose idempotency key is its own', { key: 'own', fingerprint: 'f' }],
  ])('a create %s that the old transaction inserts after it was asked for', async (_name, idempotency) => {
    const [locked] = (await held(1)) as [ScriptedRun];
    const run = unborn({ idempotency });
    // The batch waits for its fence before it inserts anything.
    await bystander.lock(locked.runId);
    const outcomes = [run.create(), locked.write({ events: [stepEvent('a')] })];
    const told = toldOf(outcomes);
    await bystander.untilWaiting(1);
    proxy.pointTo(database.url, 'cut');
    await bystander.untilWaiting(2);
    expect(told).toEqual([]);
    await bystander.end();
    expect(await Promise.all(outcomes)).toEqual([COMMITTED, COMMITTED]);
    expect(await stored(run)).toMatchObject({ token: run.token, lastSeq: 1 });
    expect((await stored(locked))?.events).toHaveLength(2);
  });

  it('a takeover between the broken connection and the question is heard of, and nothing is sent again', async () => {
    const [run] = (await held(1)) as [ScriptedRun];
    const stall = stalls.at('resolving');
    proxy.arm('request');
    const outcome = run.write({ events: [stepEvent('zombie')] });
    await stall.reached;
    const thief = new ScriptedRun(other.store, run.run, randomUUID());
    thief.lastSeq = 1;
    await other.db.query('UPDATE execution SET lease_token = $2 WHERE id = $1', [run.runId, thief.token]);
    expect(await thief.write({ events: [stepEvent('holder')] })).toEqual(COMMITTED);
    stall.resume();
    expect(await outcome).toEqual({ kind: 'lost' });
    expect(stalls.sent).toHaveLength(1);
    expect((await stored(run))?.events).toEqual([{ type: 'execution_started' }, stepEvent('holder')]);
  });
});
