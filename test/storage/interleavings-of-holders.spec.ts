import { randomUUID } from 'node:crypto';
import { CANCELLED, COMPLETED, newRun, RUNNING, ScriptedRun, stepEvent, TEST_TENANT } from '../../src/engine/testing/scripted-run.js';
import { claimDue, claimExpired } from '../../src/storage/claiming/claim.js';
import { LeaseTerm } from '../../src/storage/lease-term.js';
import { type Log, SILENT_LOG } from '../../src/storage/log.js';
import { PROCESS_TIMING, type Timing } from '../../src/storage/timing.js';
import { Bystander, PatientLease } from '../support/bystander.js';
import { Collector } from '../support/collector.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { type TestDatabase } from '../support/database.js';
import { Stalls } from '../support/stalls.js';
import { createMigratedDatabase, openStorage, readStoredRun, type StorageNode } from '../support/storage.js';

/*
 * The rules about leases, claims, control and keys, each in the interleaving that it is there for, with the sentence of the rule. Each test was
 * seen to fail with its rule taken out. The rules about writing are in interleavings.spec.ts. Proved elsewhere, and seen to fail there:
 *
 * D11 each commit renews                 leases.spec.ts        is what every statement that leases grants
 * D11 on a connection of its own         leases.spec.ts        is renewed although the whole pool is busy
 * D14 calls carry claim_no               orchestrator.spec.ts  given back, another holder goes on: what is complete is not done again, ...
 * D16 the worker runs one suspect        test/api/suspects.spec.ts  a node runs one execution at a time whose holders keep crashing, ...
 * D16 poison at five                     test/api/recovery.spec.ts  an execution that was lost with five holders ends as poison; ...
 * D28 the racing cancel, 200 times       inbox.spec.ts         cancel against end, 200 times: the acknowledged one of both wins
 * D28 the holder drains, pauses, resumes test/api/pause.spec.ts  lets the running step end, starts no other, holds no lease, and goes on when resumed
 * D31 before admission                   test/api/overload.spec.ts  holds as many as %s and no more, until some of them are begun
 * D31 losers read the winner             test/api/idempotency.spec.ts  100 keys, 16 starts each at once on two nodes: ...
 */

const COMMITTED = { kind: 'committed', at: expect.any(Number) as number };
const STARTED = [{ type: 'execution_started' }] as const;
/** So short that the server has been up for longer. */
const SHORT = new LeaseTerm(1);

let database: TestDatabase;
let bystander: Bystander;
let proxy: CuttingProxy;
let stalls: Stalls;
/** Its writer has one connection and stops where `stalls` says; all it does goes through the proxy. */
let node: StorageNode;
let other: StorageNode;
let warned: string[];
/** What the monotonic clock of `node`'s queue says, in milliseconds: it stands until a test moves it. */
let clock: number;
let lastId = 40_000n;

const timing: Timing = { ...PROCESS_TIMING, monotonic: () => clock };
const nextRun = (changes: Parameters<typeof newRun>[1] = {}): ReturnType<typeof newRun> => newRun(String(++lastId), changes);
const stored = (run: { readonly runId: string }): ReturnType<typeof readStoredRun> => readStoredRun(other.db, run.runId);

/** Stored runs whose leases `storage` has, in the order of their ids. */
async function held(count: number, storage = node): Promise<ScriptedRun[]> {
  const runs = Array.from({ length: count }, () => new ScriptedRun(storage.store, nextRun(), randomUUID()));
  await Promise.all(runs.map((run) => run.create()));
  return runs;
}
/** As held, and `storage` knows that it holds them. */
async function known(count: number, storage = node): Promise<ScriptedRun[]> {
  const runs = await held(count, storage);
  for (const run of runs) storage.held.add(run.runId, run.token ?? '', 0, true);
  return runs;
}
/** A stored run that nobody holds, due now. */
async function due(): Promise<string> {
  const run = new ScriptedRun(other.store, nextRun(), null);
  await run.create({ row: { ...RUNNING, status: 'pending' } });
  return run.runId;
}
const expire = (...runs: readonly ScriptedRun[]): Promise<unknown> =>
  other.db.query(`UPDATE execution SET lease_until = clock_timestamp() - interval '1 second' WHERE id = ANY($1)`, [
    runs.map(({ runId }) => runId),
  ]);
async function attemptsOf(run: ScriptedRun): Promise<number | undefined> {
  const [row] = await other.db.query<{ attempts: number }[]>('SELECT attempts FROM execution WHERE id = $1', [run.runId]);
  return row?.attempts;
}

beforeAll(async () => {
  database = await createMigratedDatabase();
  proxy = await CuttingProxy.before(database.url);
  other = await openStorage(database.url, { connections: 1, lease: new PatientLease(15_000) });
});
afterAll(async () => {
  await other.close();
  await proxy.close();
  await database.drop();
});
beforeEach(async () => {
  bystander = await Bystander.of(database.url);
  stalls = new Stalls();
  warned = [];
  clock = 1_000_000;
  const log: Log = { ...SILENT_LOG, warn: (_fields, message) => void warned.push(message) };
  // The server of a run of tests may be younger than an ordinary lease, and then nothing has expired yet (D16).
  node = await openStorage(proxy.url, { connections: 1, lease: new PatientLease(1_000), stalls, log, timing });
  await bystander.untilUpFor(1_000);
});
afterEach(async () => {
  await bystander.close();
  await node.close();
  await other.db.query('TRUNCATE execution, execution_event, execution_payload, execution_inbox, idempotency_key');
});

describe('D11: leases are renewed by one statement on a reserved connection, ids in order, SKIP LOCKED', () => {
  it('a batch that hangs with its rows locked costs no other run of the node its lease', async () => {
    const [hanging, locked, idle] = (await known(3, other)) as [ScriptedRun, ScriptedRun, ScriptedRun];
    await bystander.lock(locked.runId);
    const outcomes = Promise.all([hanging, locked].map((run) => run.write({ events: [stepEvent('a')] })));
    await bystander.untilWaiting(1);
    await expire(idle);
    await other.renewal.renew();
    expect(other.renewal.renewals).toBe(1);
    const [row] = await other.db.query('SELECT lease_until > clock_timestamp() AS live FROM execution WHERE id = $1', [idle.runId]);
    expect(row).toEqual({ live: true });
    await bystander.end();
    expect(await outcomes).toEqual([COMMITTED, COMMITTED]);
  });
});

describe('D14: runs are keyed by id and token, and a node does not claim an id whose former run it still holds', () => {
  it('a run whose release is stored, but not told yet, is not claimed here although it is due', async () => {
    const [run] = (await known(1)) as [ScriptedRun];
    const stall = stalls.at('answered');
    const released = run.write({ release: { wakeAt: 0 } });
    await stall.reached;
    const neighbour = await due();
    const collector = new Collector(node);
    node.queue.consume(collector);
    await collector.handed(neighbour);
    expect(collector.taken.map(({ run: { id } }) => id)).toEqual([neighbour]);
    expect(await stored(run)).toMatchObject({ token: null, wakeAt: 0 });
    stall.resume();
    expect(await released).toEqual(COMMITTED);
    node.queue.wake();
    expect(await collector.handed(run.runId)).toMatchObject({ claimNo: 2 });
  });

  it('an expired run that is still in memory here is left to the other nodes', async () => {
    const [mine] = (await known(1)) as [ScriptedRun];
    const [foreign] = (await held(1, other)) as [ScriptedRun];
    await expire(mine, foreign);
    const collector = new Collector(node);
    node.queue.consume(collector);
    await collector.handed(foreign.runId);
    expect(collector.taken).toHaveLength(1);
    const [taken] = await claimExpired(other.db, SHORT, 10, [], true);
    expect(taken).toMatchObject({ run: { id: mine.runId }, claimNo: 2 });
  });

  it('the late outcome of a former run does not touch the one that is held now', async () => {
    const [former] = (await known(1)) as [ScriptedRun];
    const stall = stalls.at('built');
    const late = former.write({ events: [stepEvent('zombie')] });
    await stall.reached;
    // It was let go past its deadline, and its lease expired; this very node claims it anew.
    node.held.forget(former.runId, former.token ?? '');
    await expire(former);
    const collector = new Collector(node);
    node.queue.consume(collector);
    const again = await collector.handed(former.runId);
    const next = collector.scripted(again).write({ events: [stepEvent('holder')] });
    stall.resume();
    expect(await late).toEqual({ kind: 'lost' });
    expect(node.held.holds(former.runId, again.token)).toBe(true);
    expect(await next).toEqual(COMMITTED);
    expect((await stored(former))?.events).toEqual([...STARTED, stepEvent('holder')]);
  });
});

describe('D16: attempts counts only claims of expired leases; progress and a voluntary release set it to 0', () => {
  it('a claim that was due, a start and a release count nothing; a crash counts until something is recorded', async () => {
    const [run] = (await held(1)) as [ScriptedRun];
    const crash = async (): Promise<ScriptedRun> => {
      await expire(run);
      const [claimed] = await claimExpired(other.db, SHORT, 10, [], true);
      return new Collector(other).scripted(claimed!);
    };
    await crash();
    expect(await attemptsOf(run)).toBe(1);
    const second = await crash();
    expect(await attemptsOf(run)).toBe(2);
    await second.write({ events: [stepEvent('a', { type: 'execution_started' })], recordsProgress: false });
    expect(await attemptsOf(run)).toBe(2);
    await second.write({ events: [stepEvent('a')], recordsProgress: true });
    expect(await attemptsOf(run)).toBe(0);
    const third = await crash();
    expect(await attemptsOf(run)).toBe(1);
    await third.write({ release: { wakeAt: 0 } });
    expect(await attemptsOf(run)).toBe(0);
    await claimDue(other.db, other.lease, 10, []);
    expect(await attemptsOf(run)).toBe(0);
  });

  it('leases that expired while the database was away are left alone for a lease after the first success of the node, and never count', async () => {
    const [run] = (await held(1, other)) as [ScriptedRun];
    const collector = new Collector(node);
    proxy.pointTo('postgres://nobody@127.0.0.1:1/none', 'cut');
    node.queue.start();
    node.queue.consume(collector);
    while (!warned.includes('executions could not be claimed')) await new Promise((resolve) => setImmediate(resolve));
    await expire(run);
    proxy.pointTo(database.url, 'kept');
    // Two rounds: what the first one would sweep, it has swept when the second one claims.
    for (let round = 0; round < 2; round++) {
      const id = await due();
      node.queue.wake();
      await collector.handed(id);
    }
    expect(await attemptsOf(run)).toBe(0);
    clock += node.lease.ms;
    node.queue.wake();
    const { token } = await collector.handed(run.runId);
    expect(await attemptsOf(run)).toBe(0);
    node.held.forget(run.runId, token);
    await expire(run);
    clock += 1_000_000;
    node.queue.wake();
    while (collector.taken.filter((held) => held.run.id === run.runId).length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(await attemptsOf(run)).toBe(1);
  });

  it('after a restart of the server no lease has expired before its holders had the time of one to renew it', async () => {
    const [run] = (await held(1)) as [ScriptedRun];
    await expire(run);
    expect(await claimExpired(other.db, new LeaseTerm(1_000_000_000), 10, [], true)).toEqual([]);
    expect(await claimExpired(other.db, SHORT, 10, [], true)).toHaveLength(1);
  });

  it('a node is handed one suspect at a time, and none while it runs one', async () => {
    const suspects = await held(2, other);
    const ordinary = await held(2, other);
    await expire(...suspects, ...ordinary.slice(0, 1));
    await other.db.query('UPDATE execution SET attempts = 1 WHERE id = ANY($1)', [suspects.map(({ runId }) => runId)]);
    const collector = new Collector(node);
    const nextSweep = async (sentinel: ScriptedRun): Promise<void> => {
      clock += 1_000;
      node.queue.wake();
      await collector.handed(sentinel.runId);
    };
    const taken = (): string[] => collector.taken.map(({ run }) => run.id).sort();
    node.queue.consume(collector);
    await collector.handed(ordinary[0]!.runId);
    await collector.handed(suspects[0]!.runId);
    expect(taken()).toEqual([suspects[0]!.runId, ordinary[0]!.runId]);
    collector.hasSuspect = true;
    await expire(ordinary[1]!);
    await nextSweep(ordinary[1]!);
    expect(taken()).toEqual([suspects[0]!.runId, ordinary[0]!.runId, ordinary[1]!.runId]);
    collector.hasSuspect = false;
    await nextSweep(suspects[1]!);
    expect(taken()).toHaveLength(4);
  });
});

describe('D28: a cancel is acknowledged by its commit, and from then on no terminal unit but CANCELLED can pass', () => {
  it('a cancel that has the row first: the end that waits for it is not written, and no other end is', async () => {
    const [run] = (await held(1)) as [ScriptedRun];
    await bystander.begin(
      `INSERT INTO execution_inbox (execution_id, inbox_seq, tenant_id, kind, payload) VALUES ($1, 1, '', 'cancel', '{}')`,
      [run.runId],
    );
    const cancel = other.inbox.deliver(TEST_TENANT, run.runId, 'cancel', {});
    await bystander.untilWaiting(1);
    const end = run.write({ row: COMPLETED, end: { result: 1 } });
    await bystander.untilWaiting(2);
    await bystander.end('ROLLBACK');
    expect(await cancel).toMatchObject({ kind: 'delivered' });
    expect(await end).toEqual({ kind: 'inbox_moved' });
    expect(await run.write({ row: COMPLETED, end: { result: 1 }, seenInbox: 1 })).toMatchObject({ kind: 'refused' });
    expect(await run.write({ row: CANCELLED, end: { result: null }, seenInbox: 1 })).toEqual(COMMITTED);
  });

  it('an end that has the row first: the cancel that waits for it is not acknowledged, and changes nothing', async () => {
    const [run, locked] = (await held(2)) as [ScriptedRun, ScriptedRun];
    await bystander.lock(locked.runId);
    const outcomes = Promise.all([run.write({ row: COMPLETED, end: { result: 1 } }), locked.write({ events: [stepEvent('a')] })]);
    await bystander.untilWaiting(1);
    const cancel = other.inbox.deliver(TEST_TENANT, run.runId, 'cancel', {});
    await bystander.untilWaiting(2);
    await bystander.end();
    expect(await outcomes).toEqual([COMMITTED, COMMITTED]);
    expect(await cancel).toEqual({ kind: 'over', status: 'completed' });
    expect(await stored(run)).toMatchObject({ row: COMPLETED, cancelRequested: false, inboxSeq: 0, wakeAt: null });
  });

  it('a resume that waits for the unit that writes paused makes the row due, and it is claimed although it is paused', async () => {
    const [run, locked] = (await held(2)) as [ScriptedRun, ScriptedRun];
    await other.inbox.deliver(TEST_TENANT, run.runId, 'pause', {});
    await bystander.lock(locked.runId);
    const paused = { row: { ...RUNNING, status: 'paused' }, release: { wakeAt: null }, seenInbox: 1 } as const;
    const outcomes = Promise.all([run.write(paused), locked.write({ events: [stepEvent('a')] })]);
    await bystander.untilWaiting(1);
    const resume = other.inbox.deliver(TEST_TENANT, run.runId, 'resume', {});
    await bystander.untilWaiting(2);
    await bystander.end();
    expect(await outcomes).toEqual([COMMITTED, COMMITTED]);
    expect(await resume).toMatchObject({ kind: 'delivered', inboxSeq: 2 });
    const [claimed] = await claimDue(other.db, other.lease, 10, []);
    expect(claimed).toMatchObject({ run: { id: run.runId }, history: { row: { status: 'paused' }, inboxConsumed: 1, inboxSeq: 2 } });
  });

  it('what a paused run wrote stays asleep until it is told something', async () => {
    const [run] = (await held(1)) as [ScriptedRun];
    await other.inbox.deliver(TEST_TENANT, run.runId, 'pause', {});
    expect(await run.write({ row: { ...RUNNING, status: 'paused' }, release: { wakeAt: null }, seenInbox: 1 })).toEqual(COMMITTED);
    expect(await claimDue(other.db, other.lease, 10, [])).toEqual([]);
  });
});

describe('D31: a key is stored in one with its execution, or the execution is not', () => {
  const keyed = (storage: StorageNode, key: string): ScriptedRun =>
    new ScriptedRun(storage.store, nextRun({ idempotency: { key, fingerprint: 'f' } }), randomUUID());
  const owner = async (key: string): Promise<string | undefined> => {
    const [row] = await other.db.query<{ id: string }[]>('SELECT execution_id AS id FROM idempotency_key WHERE key = $1', [key]);
    return row?.id;
  };

  it.each(['new', 'expired'])('two nodes with one %s key: the second waits for the first, and is a duplicate', async (which) => {
    if (which === 'expired') {
      await keyed(node, 'k').create();
      await other.db.query(`UPDATE idempotency_key SET expires_at = clock_timestamp()`);
    }
    const [first, second] = [keyed(node, 'k'), keyed(other, 'k')];
    // The first has the key, and its event waits.
    await bystander.begin(
      `INSERT INTO execution_event (execution_id, seq, tenant_id, event_type, at, body) VALUES ($1, 1, '', 'x', now(), '{}')`,
      [first.runId],
    );
    const winner = first.create();
    await bystander.untilWaiting(1);
    const loser = second.create();
    await bystander.untilWaiting(2);
    await bystander.end('ROLLBACK');
    expect([await winner, await loser]).toEqual([COMMITTED, { kind: 'duplicate' }]);
    expect([await stored(second), await owner('k')]).toEqual([null, first.runId]);
  });

  it('the first of two nodes loses its transaction: the second one has the key, and the first is the duplicate', async () => {
    const [first, second] = [keyed(node, 'k'), keyed(other, 'k')];
    await bystander.begin(
      `INSERT INTO execution_event (execution_id, seq, tenant_id, event_type, at, body) VALUES ($1, 1, '', 'x', now(), '{}')`,
      [first.runId],
    );
    const stall = stalls.at('resolving');
    const loser = first.create();
    await bystander.untilWaiting(1);
    const winner = second.create();
    await bystander.untilWaiting(2);
    await bystander.terminateWaiting();
    await stall.reached;
    await bystander.end('ROLLBACK');
    expect(await winner).toEqual(COMMITTED);
    stall.resume();
    expect(await loser).toEqual({ kind: 'duplicate' });
    expect([await stored(first), await owner('k')]).toEqual([null, second.runId]);
  });

  it('no statement names a key twice: of those that gathered the first one has it', async () => {
    const [busy] = (await held(1)) as [ScriptedRun];
    const stall = stalls.at('built');
    const first = busy.write({ events: [stepEvent('a')] });
    await stall.reached;
    stalls.sent.length = 0;
    const runs = Array.from({ length: 6 }, (_, n) => keyed(node, n % 2 === 0 ? 'even' : 'odd'));
    const outcomes = runs.map((run) => run.create());
    stall.resume();
    await first;
    expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual([
      ...Array<string>(2).fill('committed'),
      ...Array<string>(4).fill('duplicate'),
    ]);
    const named = stalls.named().map(({ keys }) => keys);
    expect(named.map((keys) => new Set(keys).size)).toEqual(named.map((keys) => keys.length));
    expect([await owner('even'), await owner('odd')]).toEqual([runs[0]?.runId, runs[1]?.runId]);
  });
});
