import { type HeldRun, type UnitSource } from '../../src/engine/ports.js';
import { COMPLETED, newRun, RUNNING, stepEvent } from '../../src/engine/testing/scripted-run.js';
import { claimDue, claimExpired, giveBack } from '../../src/storage/claiming/claim.js';
import { LeaseTerm } from '../../src/storage/lease-term.js';
import { RunQueue } from '../../src/storage/claiming/run-queue.js';
import { Collector } from '../support/collector.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, readStoredRun, type StorageNode } from '../support/storage.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const STARTED = [{ type: 'execution_started' }] as const;

describe(RunQueue.name, () => {
  let database: TestDatabase;
  let node: StorageNode;
  let other: StorageNode;
  let lastId = 5000n;
  const nextRun = (): ReturnType<typeof newRun> =>
    newRun(String(++lastId), { metadata: { team: 'a' }, workload: { merged: [1, 2] }, parentStep: 'a "label"\u001f', merge: true });

  beforeEach(async () => {
    database = await createMigratedDatabase();
    node = await openStorage(database.url);
    other = await openStorage(database.url);
  });
  afterEach(async () => {
    await node.close();
    await other.close();
    await database.drop();
  });

  const attemptsOf = async (id: string): Promise<number | undefined> =>
    (await node.db.query<{ attempts: number }[]>(`SELECT attempts FROM execution WHERE id = $1`, [id]))[0]?.attempts;

  it('hands a run to the consumer here before it is stored, and tells when it is durable', async () => {
    const collector = new Collector(node);
    node.queue.consume(collector);
    const run = nextRun();
    const offer = node.queue.offer(run, STARTED);
    expect(collector.taken).toEqual([{ run, token: expect.any(String) as string, claimNo: 1, history: null }]);
    const held = collector.taken[0];
    if (held === undefined) throw new Error('nothing was handed over');
    void collector.scripted(held).create({ events: [...STARTED, { type: 'execution_completed' }], row: COMPLETED, end: { result: 1 } });
    expect(await offer.durable).toBeGreaterThan(Date.UTC(2025, 0, 1));
    expect(node.held.ids()).toEqual([]);
  });

  it('rejects where the run cannot be stored', async () => {
    const offer = node.queue.offer({ ...nextRun(), parameters: { a: '\ud800' } }, STARTED);
    await expect(offer.durable).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('stores what nobody here takes, and another node claims it with all it needs', async () => {
    other.queue.start();
    const collector = new Collector(other);
    other.queue.consume(collector);
    const full = new Collector(node, 0);
    node.queue.consume(full);
    const claimed = collector.next();
    const run = nextRun();
    const at = await node.queue.offer(run, STARTED).durable;
    const held = await claimed;
    expect(held).toEqual({
      run,
      token: expect.any(String) as string,
      claimNo: 1,
      history: {
        snapshot: null,
        events: STARTED,
        lastSeq: 1,
        row: { status: 'pending', progress: 0, currentStep: null, waitingFor: null, error: null },
        inboxConsumed: 0,
        inboxSeq: 0,
        attempts: 0,
        createdAt: at,
      },
    });
    expect(full.taken).toEqual([]);
    const outcome = await collector.scripted(held).write({ events: [{ type: 'execution_completed' }], row: COMPLETED, end: { result: 2 } });
    expect(outcome.kind).toBe('committed');
    expect(await readStoredRun(node.db, run.id)).toMatchObject({ row: COMPLETED, result: 2, lastSeq: 2, wakeAt: null });
  });

  it('claims what is due although one row of it cannot be read', async () => {
    const runs = Array.from({ length: 5 }, nextRun);
    for (const run of runs) await node.queue.offer(run, STARTED).durable;
    await node.db.query(`UPDATE execution SET created_at = 'infinity' WHERE id = $1`, [runs[2]?.id]);
    const collector = new Collector(node);
    const all = Promise.withResolvers<void>();
    const take = collector.take.bind(collector);
    collector.take = (held) => {
      if (collector.taken.length === 3) all.resolve();
      return take(held);
    };
    node.queue.consume(collector);
    await all.promise;
    expect(collector.taken.map(({ run }) => run.id).sort()).toEqual([0, 1, 3, 4].map((at) => runs[at]?.id));
    expect(await readStoredRun(node.db, runs[2]!.id)).toMatchObject({ token: null, wakeAt: expect.any(Number) as number });
  });

  it('counts that a row cannot be read, and hands it out to be ended after five times, with no more of it than that takes', async () => {
    const run = nextRun();
    await node.queue.offer(run, [...STARTED, { type: 'cancel_requested', reason: 'enough', force: false }]).durable;
    await node.db.query(`UPDATE execution SET created_at = 'infinity', attempts = 3 WHERE id = $1`, [run.id]);
    await node.db.query(`UPDATE execution_event SET body = 'null' WHERE execution_id = $1 AND seq = 1`, [run.id]);
    const collectors = [node, other].map((each) => new Collector(each));
    const [first, second] = collectors as [Collector, Collector];
    const drain = node.queue.consume(first);
    await drain();
    expect(await attemptsOf(run.id)).toBe(4);
    const drainOther = other.queue.consume(second);
    await drainOther();
    expect(await attemptsOf(run.id)).toBe(5);
    // Both have set it aside for now.
    const third = await openStorage(database.url);
    try {
      const collector = new Collector(third);
      const claimed = collector.next();
      third.queue.consume(collector);
      expect((await claimed).history).toMatchObject({
        attempts: 5,
        lastSeq: 2,
        snapshot: null,
        events: [{ type: 'cancel_requested', reason: 'enough' }],
      });
    } finally {
      await third.close();
    }
    expect([first.taken, second.taken]).toEqual([[], []]);
  });

  it('takes what is too late to begin, once, and although one row of it cannot be read; due or not, nobody else gets it', async () => {
    const runs = Array.from({ length: 5 }, () => ({ ...nextRun(), expiresAt: Date.now() - 1_000 }));
    const young = { ...nextRun(), expiresAt: Date.now() + 3_600_000 };
    for (const run of [...runs, young]) await node.queue.offer(run, STARTED).durable;
    await node.db.query(`UPDATE execution SET created_at = 'infinity' WHERE id = $1`, [runs[2]?.id]);
    expect((await claimDue(other.db, other.lease, 10, [])).map(({ run }) => run.id)).toEqual([young.id]);
    const taken: string[] = [];
    for (let n = 0; n < 3; n++) await node.queue.takeTooLate(10, ({ run }) => taken.push(run.id));
    expect(taken.sort()).toEqual([0, 1, 3, 4].map((at) => runs[at]?.id));
    expect(node.held.ids().sort()).toEqual(taken);
    expect(await other.queue.takeTooLate(1, () => taken.push('again'))).toBe(1);
    expect(taken).not.toContain('again');
  });

  it('takes over first, and alone, what is only to be ended: others might crash the node before that is written', async () => {
    const [plain, suspect, over] = [nextRun(), nextRun(), nextRun()];
    for (const run of [plain, suspect, over]) await node.queue.offer(run, STARTED).durable;
    await node.db.query(
      `UPDATE execution SET lease_token = gen_random_uuid(), lease_until = clock_timestamp() - interval '1 second',
         attempts = CASE id WHEN ${over.id} THEN 4 WHEN ${suspect.id} THEN 1 ELSE 0 END`,
    );
    const lease = new LeaseTerm(1_000);
    const claim = async (): Promise<string[]> => (await claimExpired(node.db, lease, 10, [], true)).map(({ run }) => run.id).sort();
    expect(await claim()).toEqual([over.id]);
    expect(await claim()).toEqual([plain.id, suspect.id]);
  });

  it('a node that never has room for all that is due takes over what crashed holders left, by turns with it', async () => {
    const busy = await openStorage(database.url, { leaseMs: 1_000 });
    const runs = Array.from({ length: 20 }, nextRun);
    for (const run of runs) await node.queue.offer(run, STARTED).durable;
    const left = runs.slice(-3).map(({ id }) => id);
    await node.db.query(
      `UPDATE execution SET wake_at = NULL, lease_token = gen_random_uuid(), lease_until = clock_timestamp() - interval '1 second' WHERE id = ANY($1)`,
      [left],
    );
    await node.db.query(
      `SELECT pg_sleep(greatest(0, $1::float8 / 1000 - extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) + 0.01))`,
      [busy.lease.ms],
    );
    const collector = new Collector(busy, 1);
    const take = collector.take.bind(collector);
    collector.take = (held) => {
      collector.room -= 1;
      return take(held);
    };
    let handed = collector.next();
    busy.queue.start();
    busy.queue.consume(collector);
    for (let n = 1; n < runs.length; n++) {
      await handed;
      handed = collector.next();
      collector.room += 1;
      busy.queue.wake();
    }
    await handed;
    const order = collector.taken.map(({ run }) => left.includes(run.id));
    expect(order.filter(Boolean)).toHaveLength(left.length);
    expect(order.lastIndexOf(true)).toBeLessThanOrEqual(2 * left.length);
    await busy.close();
  });

  it('gives each due run to one node only, and none that is held here or not yet due', async () => {
    const runs = Array.from({ length: 300 }, nextRun);
    await Promise.all(runs.map((run) => node.queue.offer(run, STARTED).durable));
    await node.db.query(`UPDATE execution SET wake_at = clock_timestamp() + interval '1 hour' WHERE id = $1`, [runs[0]?.id]);
    const claims = await Promise.all([node, other, node, other].map((from) => claimDue(from.db, from.lease, 100, [runs[1]?.id ?? ''])));
    const ids = claims.flat().map((held) => held.run.id);
    expect(new Set(ids).size).toBe(ids.length);
    const rest = await claimDue(node.db, node.lease, 300, [runs[1]?.id ?? '']);
    expect(new Set([...ids, ...rest.map((held) => held.run.id)])).toEqual(new Set(runs.slice(2).map((run) => run.id)));
  });

  it('hands over nothing whose lease has run out since it was claimed: one before it may have made the node stand still', async () => {
    const brief = await openStorage(database.url, { leaseMs: 1_000 });
    const collector = new (class extends Collector {
      override take(held: HeldRun): UnitSource {
        if (this.taken.length === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1.5 * brief.lease.ms);
        return super.take(held);
      }
    })(brief);
    const runs = [nextRun(), nextRun()];
    for (const run of runs) await other.queue.offer(run, STARTED).durable;
    brief.queue.start();
    brief.queue.consume(collector);
    const handed = await Promise.all(runs.map((run) => collector.handed(run.id)));
    // The other was claimed anew; nothing of it had begun, so it is none that was lost.
    expect(handed.map(({ claimNo, history }) => [claimNo, history?.attempts]).sort()).toEqual([
      [1, 0],
      [2, 0],
    ]);
    await brief.close();
  });

  it('wakes a released run by a message, and tells the holder of a held one', async () => {
    const collector = new Collector(node);
    node.queue.start();
    node.queue.consume(collector);
    const offer = node.queue.offer(nextRun(), STARTED);
    const first = collector.taken[0];
    if (first === undefined) throw new Error('nothing was handed over');
    const run = collector.scripted(first);
    await run.create();
    await offer.durable;
    const told = new Promise<string>((resolve) => node.signals.onInbox(resolve));
    expect(await other.inbox.deliver(first.run.tenantId, first.run.id, 'signal', { n: 1 })).toMatchObject({
      kind: 'delivered',
      inboxSeq: 1,
    });
    expect(await told).toBe(first.run.id);
    expect((await run.write({ events: [stepEvent('a')], release: { wakeAt: null }, seenInbox: 1 })).kind).toBe('committed');
    const again = collector.next();
    await other.inbox.deliver(first.run.tenantId, first.run.id, 'signal', { n: 2 });
    expect(await again).toMatchObject({
      claimNo: 2,
      history: { events: [...STARTED, stepEvent('a')], inboxConsumed: 1, inboxSeq: 2, row: RUNNING },
    });
  });

  it('gives a claimed run back although others have told it something meanwhile, and nothing of that is lost', async () => {
    const collector = new Collector(node, 1);
    const run = nextRun();
    await other.queue.offer(run, STARTED).durable;
    const drain = node.queue.consume(collector);
    const held = collector.taken[0] ?? (await collector.next());
    await drain();
    await other.inbox.deliver(run.tenantId, run.id, 'cancel', {});
    node.queue.giveBack(held, 0);
    await node.queue.stop();
    expect(node.held.ids()).toEqual([]);
    const [again] = await claimDue(other.db, other.lease, 10, []);
    expect(again).toMatchObject({ run: { id: run.id }, claimNo: 2, history: { inboxConsumed: 0, events: STARTED } });
    expect(await other.store.readInbox(run.tenantId, run.id, 0)).toHaveLength(1);
    await giveBack(node.db, [{ held, afterMs: 0, attempts: 0 }]); // by then it has another holder
    expect((await readStoredRun(node.db, run.id))?.token).toBe(again?.token);
  });

  it('gives back what it claimed while it was told to drain', async () => {
    const run = nextRun();
    await node.queue.offer(run, STARTED).durable;
    const collector = new Collector(node);
    const drained = node.queue.consume(collector)(); // the claim is under way, and its consumer gone
    await drained;
    await node.queue.stop();
    expect(collector.taken).toEqual([]);
    expect(await readStoredRun(node.db, run.id)).toMatchObject({ token: null, wakeAt: expect.any(Number) as number });
  });

  /** A node whose claims may take longer than its leases, as a machine that has too much to do makes them. */
  const openSlow = (): Promise<StorageNode> =>
    openStorage(database.url, { lease: Object.assign(new LeaseTerm(1_000), { lockTimeoutMs: 20_000 }) });

  /** `claim` begins a claim, which is let go on only once it has taken longer than a lease of `slow`. */
  const slowly = async (slow: StorageNode, claim: () => void): Promise<void> => {
    const blocker = node.db.createQueryRunner();
    await blocker.startTransaction();
    await blocker.query(`SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE execution_payload IN ACCESS EXCLUSIVE MODE`);
    claim();
    // Those of this database: others of the server have waiters of their own.
    const waiting = `SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    while ((await other.db.query<object[]>(waiting)).length === 0) await nextTurn();
    for (const began = performance.now(); performance.now() - began <= slow.lease.ms;) await nextTurn();
    await blocker.rollbackTransaction();
    await blocker.release();
  };

  it('leaves no lease where it is told to stop during a claim that takes longer than its lease', async () => {
    const slow = await openSlow();
    const collector = new Collector(slow);
    const run = nextRun();
    await node.queue.offer(run, STARTED).durable;
    await slowly(slow, () => void slow.queue.consume(collector)());
    await slow.queue.stop();
    expect(collector.taken).toEqual([]);
    expect(slow.held.ids()).toEqual([]);
    expect(await readStoredRun(node.db, run.id)).toMatchObject({ token: null, wakeAt: expect.any(Number) as number });
    await slow.close();
  });

  it('counts none of several runs whose claim takes longer than its lease, and claims fewer at once', async () => {
    const slow = await openSlow();
    const collector = new Collector(slow);
    const runs = [nextRun(), nextRun(), nextRun()];
    for (const run of runs) await node.queue.offer(run, STARTED).durable;
    await slowly(slow, () => void slow.queue.consume(collector));
    while (slow.queue.counts.claimed === 0 || slow.held.size > 0) await nextTurn();
    expect(slow.queue.counts.claimed).toBe(3);
    for (const { id } of runs) {
      expect(await attemptsOf(id)).toBe(0);
      expect(await readStoredRun(node.db, id)).toMatchObject({ token: null });
    }
    for (const claimed of [4, 6]) {
      slow.queue.wake();
      while (slow.queue.counts.claimed < claimed) await nextTurn();
      expect(slow.queue.counts.claimed).toBe(claimed);
    }
    expect(collector.taken.map(({ run }) => run.id)).toEqual(runs.map(({ id }) => id));
    await slow.close();
  });

  it('counts a run whose claim takes longer than its lease although it is alone as one that was lost, and leaves the second such claim to the sweep', async () => {
    const slow = await openSlow();
    const collector = new Collector(slow);
    const run = nextRun();
    await node.queue.offer(run, STARTED).durable;
    await slowly(slow, () => void slow.queue.consume(collector));
    while (slow.queue.counts.claimed === 0 || slow.held.size > 0) await nextTurn();
    expect(await attemptsOf(run.id)).toBe(1);
    expect(await readStoredRun(node.db, run.id)).toMatchObject({ token: null });
    await slowly(slow, slow.queue.wake);
    expect(await collector.handed(run.id)).toMatchObject({ claimNo: 3, history: { attempts: 2 } });
    await slow.close();
  });

  it('takes nothing on while commits take too long, and says whether it is the database', async () => {
    const slow = await openStorage(database.url, { leaseMs: 1_000, connections: 1 });
    const away = await openStorage(database.url, { leaseMs: 1_000, connections: 1, writerUrl: 'postgres://nobody@127.0.0.1:1/none' });
    try {
      const collector = new Collector(slow);
      slow.queue.consume(collector);
      await slow.db.query('SELECT 1');
      const blocker = slow.db.createQueryRunner();
      await blocker.startTransaction();
      await blocker.query(`SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE execution IN ACCESS EXCLUSIVE MODE`);
      const first = slow.queue.offer(nextRun(), STARTED);
      const held = collector.taken[0];
      if (held === undefined) throw new Error('nothing was handed over');
      void collector.scripted(held).create();
      while (slow.store.condition() === 'fine') await new Promise((resolve) => setImmediate(resolve));
      await expect(slow.queue.offer(nextRun(), STARTED).durable).rejects.toMatchObject({ kind: 'unavailable' });
      expect(collector.taken).toHaveLength(1);
      await blocker.rollbackTransaction();
      await blocker.release();
      await first.durable;
      while (slow.store.condition() !== 'fine') await new Promise((resolve) => setImmediate(resolve));
      const after = slow.queue.offer(nextRun(), STARTED);
      void collector.scripted(collector.taken[1] ?? held).create();
      await after.durable;

      void away.queue.offer(nextRun(), STARTED).durable.catch(() => undefined);
      while (away.store.condition() === 'fine') await new Promise((resolve) => setImmediate(resolve));
      await expect(away.queue.offer(nextRun(), STARTED).durable).rejects.toMatchObject({ code: 'database_unavailable' });
    } finally {
      await Promise.all([slow.close(), away.close()]);
    }
  });

  it('a consumer that fails on one run gets the others all the same', async () => {
    const runs = [nextRun(), nextRun(), nextRun()];
    for (const run of runs) await other.queue.offer(run, STARTED).durable;
    const taken: string[] = [];
    let all: () => void = () => undefined;
    const handed = new Promise<void>((resolve) => (all = resolve));
    const drain = node.queue.consume({
      capacity: () => 10,
      take: ({ run }) => {
        if (run.id === runs[0]?.id) throw new Error('a fault of the consumer');
        taken.push(run.id);
        if (taken.length === 2) all();
      },
      takeEphemeral: () => undefined,
      holdsSuspect: () => false,
    });
    await handed;
    await drain();
    expect(taken).toEqual([runs[1]?.id, runs[2]?.id]);
    expect(node.held.ids()).toEqual(taken);
  });

  it('stops claiming when it drains, and stores what is offered for others', async () => {
    const collector = new Collector(node);
    const drain = node.queue.consume(collector);
    await drain();
    await node.queue.offer(nextRun(), STARTED).durable;
    node.queue.wake();
    await node.queue.stop();
    expect(collector.taken).toEqual([]);
  });

  it('renews the leases of the runs held here, and of no others', async () => {
    const collector = new Collector(node);
    node.queue.consume(collector);
    const runs = [0, 1].map(() => {
      void node.queue.offer(nextRun(), STARTED).durable.catch(() => undefined);
      const held = collector.taken.at(-1);
      if (held === undefined) throw new Error('nothing was handed over');
      return collector.scripted(held);
    });
    await Promise.all(runs.map((run) => run.create()));
    await node.db.query(`UPDATE execution SET lease_until = clock_timestamp() - interval '1 hour'`);
    await node.db.query(`UPDATE execution SET lease_token = gen_random_uuid() WHERE id = $1`, [runs[1]?.runId]);
    await node.renewal.renew();
    const rows = await node.db.query<{ id: string; live: boolean }[]>(
      `SELECT id, lease_until > clock_timestamp() AS live FROM execution ORDER BY id`,
    );
    expect(rows.map((row) => row.live)).toEqual([true, false]);
    await other.inbox.deliver('default', runs[0]?.runId ?? '', 'pause', {});
    const told: string[] = [];
    node.signals.onInbox((id) => told.push(id));
    await node.renewal.pollInboxes();
    expect(told).toContain(runs[0]?.runId);
  });
});
