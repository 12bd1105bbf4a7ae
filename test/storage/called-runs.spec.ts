import { randomUUID } from 'node:crypto';
import { type BornChild, type EngineParent, type UnitOutcome } from '../../src/engine/ports.js';
import { calledRun, CANCELLED, COMPLETED, newRun, ScriptedRun, stepEvent, TEST_TENANT } from '../../src/engine/testing/scripted-run.js';
import { claimDue } from '../../src/storage/claiming/claim.js';
import { type Log, SILENT_LOG } from '../../src/storage/log.js';
import { sqlStateOf } from '../../src/storage/connection/sql-state.js';
import { Bystander, PatientLease } from '../support/bystander.js';
import { Collector } from '../support/collector.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { type TestDatabase } from '../support/database.js';
import { Stalls } from '../support/stalls.js';
import { createMigratedDatabase, openStorage, readStoredRun, type StorageNode } from '../support/storage.js';

/*
 * D29: the called run's rows and the caller's event are one unit, under the caller's fence and where no cancel was acknowledged; its last unit
 * tells the caller in the same transaction. What a store promises without interleavings is in the conformance suite.
 */

const COMMITTED = { kind: 'committed', at: expect.any(Number) as number };

let database: TestDatabase;
let bystander: Bystander;
let proxy: CuttingProxy;
let stalls: Stalls;
/** Its writer has one connection, through the proxy, and stops where `stalls` says. */
let node: StorageNode;
let other: StorageNode;
let here: Collector;
let warned: (string | null)[];
const log: Log = { ...SILENT_LOG, warn: (fields) => void warned.push(sqlStateOf((fields as { err?: unknown }).err)) };
let lastId = 20_000n;

const nextId = (): string => String(++lastId);
const calling = (run: ScriptedRun, item: string | null = null, token: string | null = randomUUID()): BornChild => ({
  run: calledRun(nextId(), run.run, { item }),
  token,
  ended: null,
});
const taken = (child: BornChild, by = node): ScriptedRun => {
  const run = new ScriptedRun(by.store, child.run, child.token);
  run.lastSeq = 1;
  return run;
};
const end = (run: ScriptedRun): Promise<UnitOutcome> =>
  run.write({ row: COMPLETED, end: { result: 1 }, events: [{ type: 'execution_completed' }] });
const stored = (id: string): ReturnType<typeof readStoredRun> => readStoredRun(other.db, id);
const inboxOf = async (run: ScriptedRun): Promise<[number, unknown][]> =>
  (await other.store.readInbox(TEST_TENANT, run.runId, 0)).map(({ inboxSeq, payload }) => [inboxSeq, payload['child_id']]);

async function caller(changes: Parameters<typeof newRun>[1] = {}): Promise<ScriptedRun> {
  const run = new ScriptedRun(node.store, newRun(nextId(), changes), randomUUID());
  await run.create();
  return run;
}
/** A caller whose calls are stored. */
async function family(items: readonly string[]): Promise<{ run: ScriptedRun; children: BornChild[] }> {
  const run = await caller();
  const children = items.map((item) => calling(run, item));
  expect(await run.write({ events: [stepEvent('a')], children })).toEqual(COMMITTED);
  return { run, children };
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
  const lease = new PatientLease(15_000);
  node = await openStorage(database.url, { writerUrl: proxy.url, connections: 1, lease, stalls, log });
  other = await openStorage(database.url, { connections: 1, lease, log });
  here = new Collector(node, 0);
  node.queue.consume(here);
  other.queue.consume(new Collector(other, 0));
});
afterEach(async () => {
  await bystander.close();
  await node.close();
  await other.close();
});

describe('births', () => {
  it('a zombie whose unit waits for the claim that takes its run away lets nobody be born', async () => {
    const run = await caller();
    const child = calling(run);
    await bystander.begin('UPDATE execution SET lease_token = $2, claim_no = claim_no + 1 WHERE id = $1', [run.runId, randomUUID()]);
    const outcome = run.write({ events: [stepEvent('zombie')], children: [child] });
    await bystander.untilWaiting(1);
    await bystander.end();
    expect(await outcome).toEqual({ kind: 'lost' });
    expect(await stored(child.run.id)).toBeNull();
    const [left] = await other.db.query<{ count: string }[]>(
      `SELECT (SELECT count(*) FROM execution_event WHERE execution_id = $1) + (SELECT count(*) FROM execution_payload WHERE execution_id = $1) AS count`,
      [child.run.id],
    );
    expect(left).toEqual({ count: '0' });
    expect(here.taken).toEqual([]);
  });

  it('a cancel that is acknowledged while the unit waits for the row holds it off', async () => {
    const run = await caller();
    const child = calling(run);
    await bystander.begin(`UPDATE execution SET cancel_requested_at = now(), inbox_seq = inbox_seq + 1 WHERE id = $1`, [run.runId]);
    const outcome = run.write({ events: [stepEvent('a')], children: [child] });
    await bystander.untilWaiting(1);
    await bystander.end();
    expect(await outcome).toEqual({ kind: 'inbox_moved' });
    expect(await stored(child.run.id)).toBeNull();
    expect(await stored(run.runId)).toMatchObject({ lastSeq: 1, token: run.token });
  });

  it('those whose start is a repeated one are not born either', async () => {
    const first = { key: randomUUID(), fingerprint: 'a' };
    await caller({ idempotency: first });
    const twin = new ScriptedRun(node.store, newRun(nextId(), { idempotency: first }), randomUUID());
    const child = calling(twin);
    expect(await twin.create({ children: [child] })).toEqual({ kind: 'duplicate' });
    expect(await stored(child.run.id)).toBeNull();
    const only = new ScriptedRun(node.store, newRun(nextId(), { idempotency: { ...first, key: randomUUID() } }), randomUUID());
    const born = calling(only);
    expect(await only.create({ children: [born] })).toEqual(COMMITTED);
    expect(await stored(born.run.id)).toMatchObject({ token: born.token });
  });

  it('one begins on its node after the commit, and not before', async () => {
    const run = await caller();
    const child = calling(run);
    const stall = stalls.at('answered');
    const outcome = run.write({ events: [stepEvent('a')], children: [child] });
    await stall.reached;
    expect(await stored(child.run.id)).toMatchObject({ token: child.token, row: { status: 'running' } });
    expect(here.taken).toEqual([]);
    stall.resume();
    await outcome;
    expect(here.taken).toEqual([
      expect.objectContaining({
        run: child.run,
        token: child.token,
        claimNo: 1,
        history: expect.objectContaining({ lastSeq: 1 }) as unknown,
      }),
    ]);
    expect(node.held.isLive(child.run.id, child.token!)).toBe(true);
  });

  it('one without a place here is claimed as it was made, with all that it was called by', async () => {
    const run = await caller();
    const lineage = ['a'.repeat(64), 'b'.repeat(64)];
    const called = calledRun(nextId(), run.run, { item: '3/ü"', wave: 2, depth: 2, lineage });
    await run.write({ events: [stepEvent('a')], children: [{ run: called, token: null, ended: null }] });
    const [claimed] = (await claimDue(other.db, other.lease, 100, [])).filter((held) => held.run.id === called.id);
    const parent: EngineParent = { runId: run.runId, step: 'call', wave: 2, item: '3/ü"', depth: 2, lineage };
    expect(claimed?.run).toEqual({ ...called, parent });
    expect(claimed).toMatchObject({ claimNo: 1, history: { events: [{ type: 'execution_started' }], lastSeq: 1, attempts: 0 } });
  });

  it('one that is born while its node takes no more is given back at once', async () => {
    const run = await caller();
    const child = calling(run);
    await node.queue.consume(here)();
    await run.write({ events: [stepEvent('a')], children: [child] });
    await node.queue.stop();
    expect(await stored(child.run.id)).toMatchObject({ token: null, wakeAt: expect.any(Number) as number });
    expect(node.held.has(child.run.id)).toBe(false);
  });
});

describe('ends', () => {
  it('numbers its message by what the row says under its lock', async () => {
    const { run, children } = await family(['0', '1']);
    await bystander.begin(`UPDATE execution SET inbox_seq = inbox_seq + 1 WHERE id = $1`, [run.runId]);
    const outcomes = children.map((child) => end(taken(child)));
    await bystander.untilWaiting(1);
    await bystander.end();
    expect(await Promise.all(outcomes)).toEqual([COMMITTED, COMMITTED]);
    expect(await inboxOf(run)).toEqual(children.map(({ run: { id } }, index) => [index + 2, id]));
    expect(await stored(run.runId)).toMatchObject({ inboxSeq: 3 });
  });

  it('a caller that ends while the end of a called one waits for its row hears nothing', async () => {
    const { run, children } = await family(['0']);
    await bystander.begin(`UPDATE execution SET status = 'cancelled', lease_token = NULL WHERE id = $1`, [run.runId]);
    const outcome = end(taken(children[0]!));
    await bystander.untilWaiting(1);
    await bystander.end();
    expect(await outcome).toEqual(COMMITTED);
    expect(await inboxOf(run)).toEqual([]);
    expect(await stored(run.runId)).toMatchObject({ inboxSeq: 0, wakeAt: null });
  });

  it('a called run that was taken away tells nothing, and its next holder everything once', async () => {
    const { run, children } = await family(['0']);
    const child = children[0]!;
    const thief = randomUUID();
    await bystander.begin('UPDATE execution SET lease_token = $2 WHERE id = $1', [child.run.id, thief]);
    const zombie = end(taken(child));
    await bystander.untilWaiting(1);
    await bystander.end();
    expect(await zombie).toEqual({ kind: 'lost' });
    expect(await inboxOf(run)).toEqual([]);
    const next = new ScriptedRun(other.store, child.run, thief);
    next.lastSeq = 1;
    expect(await end(next)).toEqual(COMMITTED);
    expect(await inboxOf(run)).toEqual([[1, child.run.id]]);
  });

  it('a caller whose release waits for the commit of an end stays awake, and is not slept through', async () => {
    const { run, children } = await family(['0']);
    const twin = taken(children[0]!, other);
    await bystander.lock(run.runId);
    const told = end(twin);
    await bystander.untilWaiting(1);
    const released = run.write({ events: [stepEvent('b')], release: { wakeAt: null } });
    await bystander.untilWaiting(2);
    await bystander.end();
    expect(await told).toEqual(COMMITTED);
    // Whichever came first: it is awake with the message unread, or due.
    const outcome = await released;
    const { token, wakeAt, inboxSeq } = (await stored(run.runId))!;
    expect(inboxSeq).toBe(1);
    if (outcome.kind === 'committed') expect(wakeAt).not.toBeNull();
    else expect({ outcome: outcome.kind, token }).toEqual({ outcome: 'inbox_moved', token: run.token });
  });

  it('are never in a batch with a unit of the caller: no statement names an id twice', async () => {
    const { run, children } = await family(['0', '1', '2', '3']);
    const busy = await caller();
    stalls.sent.length = 0;
    const stall = stalls.at('built');
    const first = busy.write({ events: [stepEvent('a')] });
    await stall.reached;
    const [a, b, c, d] = children.map((child) => taken(child)) as [ScriptedRun, ScriptedRun, ScriptedRun, ScriptedRun];
    const outcomes = [first, end(a), run.write({ events: [stepEvent('b')] }), end(b), end(c)];
    stall.resume();
    expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual(outcomes.map(() => 'committed'));
    const more = await Promise.all([run.write({ events: [stepEvent('c')] }), end(d)]);
    expect(more).toEqual([COMMITTED, COMMITTED]);
    const named = stalls.named().map(({ ids }) => ids);
    expect(named.map((ids) => new Set(ids).size)).toEqual(named.map((ids) => ids.length));
    expect((await inboxOf(run)).map(([seq]) => seq)).toEqual([1, 2, 3, 4]);
    expect(await stored(run.runId)).toMatchObject({ lastSeq: 4, inboxSeq: 4 });
  });

  it('of many families on two nodes meet in no deadlock', async () => {
    const families = await Promise.all(Array.from({ length: 12 }, () => family(['0', '1', '2', '3'])));
    const ends = families.flatMap(({ children }) => children.map((child, index) => end(taken(child, index % 2 === 0 ? node : other))));
    const writes = families.map(({ run }) => run.write({ events: [stepEvent('b')] }));
    expect((await Promise.all([...ends, ...writes])).every(({ kind }) => kind === 'committed')).toBe(true);
    for (const { run } of families) expect((await inboxOf(run)).map(([seq]) => seq)).toEqual([1, 2, 3, 4]);
    expect(warned).not.toContain('40P01');
  });

  it('a caller whose row is locked for long holds up the end alone, not its neighbours', async () => {
    await node.close();
    node = await openStorage(database.url, { writerUrl: proxy.url, connections: 1, leaseMs: 1_500, log });
    node.queue.consume(new Collector(node, 0));
    const { run, children } = await family(['0']);
    const neighbour = await caller();
    await bystander.lock(run.runId);
    const told = end(taken(children[0]!));
    expect(await neighbour.write({ events: [stepEvent('a')] })).toEqual(COMMITTED);
    // Once it is known whose rows are locked, nothing waits for them any more.
    expect(warned.filter((state) => state === '55P03')).toHaveLength(1);
    await bystander.end();
    expect(await told).toEqual(COMMITTED);
    expect(await inboxOf(run)).toEqual([[1, children[0]!.run.id]]);
  });

  it('an end and a release of its caller that waited for the same lock are not in one batch: nobody is left asleep', async () => {
    await node.close();
    node = await openStorage(database.url, { writerUrl: proxy.url, connections: 1, leaseMs: 1_500, stalls, log });
    node.queue.consume(new Collector(node, 0));
    const { run, children } = await family(['0']);
    const neighbour = await caller();
    const setAside = async (): Promise<void> => void (await neighbour.write({ events: [stepEvent('a')] }));
    await bystander.lock(run.runId);
    const released = run.write({ release: { wakeAt: null } });
    await setAside();
    const told = end(taken(children[0]!));
    await setAside();
    expect(warned.filter((state) => state === '55P03')).toHaveLength(2);
    stalls.sent.length = 0;
    await bystander.end();
    expect(await told).toEqual(COMMITTED);
    const { kind } = await released;
    expect(await inboxOf(run)).toEqual([[1, children[0]!.run.id]]);
    const { token, wakeAt, inboxSeq } = (await stored(run.runId))!;
    expect({ kind, token, inboxSeq, isDue: wakeAt !== null }).toEqual(
      kind === 'committed'
        ? { kind, token: null, inboxSeq: 1, isDue: true }
        : { kind: 'inbox_moved', token: run.token, inboxSeq: 1, isDue: false },
    );
    const named = stalls.named().map(({ ids }) => ids);
    expect(named.map((ids) => new Set(ids).size)).toEqual(named.map((ids) => ids.length));
  });
});

describe('a broken connection', () => {
  it.each(['reply', 'request'] as const)('costs nobody a birth or a message, and makes none twice: lost %s, 20 times', async (cut) => {
    for (let round = 0; round < 20; round++) {
      const { run, children } = await family(['0', '1']);
      const next = await caller();
      const [again, first] = [calling(next, '0'), new ScriptedRun(node.store, newRun(nextId()), randomUUID())];
      const born = calling(first, '0');
      proxy.arm(cut);
      const outcomes = await Promise.all([
        ...children.map((child) => end(taken(child))),
        next.write({ events: [stepEvent('a')], children: [again] }),
        first.create({ children: [born] }),
      ]);
      expect(outcomes).toEqual(outcomes.map(() => COMMITTED));
      expect((await inboxOf(run)).map(([, id]) => id).sort()).toEqual(children.map((child) => child.run.id).sort());
      expect(await stored(run.runId)).toMatchObject({ inboxSeq: 2 });
      for (const child of [again, born]) {
        expect(await stored(child.run.id)).toMatchObject({ token: child.token, lastSeq: 1 });
        expect(here.taken.filter((held) => held.run.id === child.run.id)).toHaveLength(1);
        expect(await taken(child).write({ row: CANCELLED, end: { result: null } })).toEqual(COMMITTED);
      }
    }
  });
});

describe('hints', () => {
  it('a caller that is held on the same node hears in memory, once for a whole batch', async () => {
    const { run, children } = await family(['0', '1', '2']);
    node.held.add(run.runId, run.token!, 0, true);
    const heard: string[] = [];
    node.signals.onInbox((id) => heard.push(id));
    const another = await caller();
    const stall = stalls.at('built');
    const busy = another.write({ events: [stepEvent('a')] });
    await stall.reached;
    const ends = children.map((child) => end(taken(child)));
    stall.resume();
    await Promise.all([busy, ...ends]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([run.runId]);
  });

  it('a caller that sleeps is claimed by whoever has room, with the message unread', async () => {
    const { run, children } = await family(['0']);
    await run.write({ events: [stepEvent('b')], release: { wakeAt: null } });
    const collector = new Collector(other);
    other.queue.start();
    other.queue.consume(collector);
    const claimed = collector.handed(run.runId);
    await end(taken(children[0]!));
    expect(await claimed).toMatchObject({ history: { inboxConsumed: 0, inboxSeq: 1 } });
  });
});
