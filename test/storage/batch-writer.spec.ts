import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { type RunStore, type Unit, type UnitOutcome, type UnitSource } from '../../src/engine/ports.js';
import { COMPLETED, newRun, RUNNING, ScriptedRun, stepEvent, TEST_TENANT, unitOf } from '../../src/engine/testing/scripted-run.js';
import { type RunEvent } from '../../src/engine/run/events.js';
import { type Json } from '../../src/engine/values.js';
import { BatchWriter } from '../../src/storage/batch/batch-writer.js';
import { LargeWork } from '../../src/storage/batch/large-work.js';
import { Prepared } from '../../src/storage/connection/prepared.js';
import { ExecutionRepository } from '../../src/storage/repositories/execution.repository.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { PostgresRunStore } from '../../src/storage/run-store.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, readStoredRun, type StorageNode } from '../support/storage.js';

const COMMITTED = { kind: 'committed', at: expect.any(Number) as number };

describe(BatchWriter.name, () => {
  let database: TestDatabase;
  let proxy: CuttingProxy;
  let node: StorageNode;
  let viaProxy: StorageNode;
  let lastId = 1000n;
  const born = (storage = node): ScriptedRun => new ScriptedRun(storage.store, newRun(String(++lastId)), randomUUID());

  beforeAll(async () => {
    database = await createMigratedDatabase();
    proxy = await CuttingProxy.before(database.url);
    node = await openStorage(database.url);
    viaProxy = await openStorage(database.url, { writerUrl: proxy.url, connections: 1 });
  });
  afterAll(async () => {
    await viaProxy.close();
    await node.close();
    await proxy.close();
    await database.drop();
  });

  it('one unit that PostgreSQL refuses harms none of a hundred', async () => {
    const runs = Array.from({ length: 100 }, () => born());
    const outcomes = await Promise.all(
      runs.map((run, index) => run.create(index === 37 ? { row: { ...RUNNING, status: 'bogus' as never } } : {})),
    );
    expect(outcomes.filter((outcome) => outcome.kind === 'committed')).toHaveLength(99);
    expect(outcomes[37]).toEqual({ kind: 'refused', reason: 'SQLSTATE 23514' });
    const appended = await Promise.all(
      runs.map((run, index) => run.write({ events: [stepEvent('a')], row: index === 5 ? { ...RUNNING, progress: 1e9 } : RUNNING })),
    );
    expect(appended.map((outcome) => outcome.kind)).toEqual(runs.map((_, i) => (i === 5 ? 'refused' : i === 37 ? 'lost' : 'committed')));
  });

  it.each<[string, Json]>([
    ['NUL', 'a\0b'],
    ['a lone surrogate', '\ud800'],
    ['a number that is not finite', NaN],
    ['endless depth', JSON.parse('['.repeat(5000) + ']'.repeat(5000)) as Json],
    ['more than 16 MiB', 'x'.repeat(16 * 1024 * 1024)],
  ])('refuses %s before it reaches the database', async (_name: string, value: Json) => {
    const run = born();
    await run.create();
    expect(await run.write({ row: COMPLETED, end: { result: { value } } })).toMatchObject({ kind: 'refused' });
    expect(await run.write({ events: [stepEvent('a')] })).toEqual(COMMITTED);
  });

  it('lets small units go first while a large one has to rest, and forgets neither', async () => {
    let resting = true;
    let begun = 0;
    const largeWork = Object.assign(new LargeWork(), { restMs: () => (resting ? 1 : 0), begun: () => void (begun += 1) });
    const { lease, history, signals, db } = node;
    const writer = new BatchWriter({ url: database.url, connections: 1, lease, history, log: SILENT_LOG, largeWork }, signals);
    const store = new PostgresRunStore(db, writer);
    const run = new ScriptedRun(store, newRun(String(++lastId)), randomUUID());
    let settled = false;
    const stored = Object.assign(run, { characters: 2 * 1024 * 1024 })
      .create()
      .finally(() => (settled = true));
    for (let nth = 0; nth < 5; nth++)
      expect(await new ScriptedRun(store, newRun(String(++lastId)), randomUUID()).create()).toEqual(COMMITTED);
    expect([settled, begun]).toEqual([false, 0]);
    resting = false;
    expect([await stored, begun]).toEqual([COMMITTED, 1]);
    await writer.close(1_000);
  });

  it('stores large values apart in one with their unit, or not at all', async () => {
    const large = (letter: string): RunEvent => ({ ...(stepEvent('a') as object), value: letter.repeat(300_000) }) as RunEvent;
    const [run, other] = [born(), born()];
    await Promise.all([run.create({ events: [{ type: 'execution_started' }, large('x')] }), other.create()]);
    expect(await run.write({ events: [large('y'), large('z')], token: randomUUID() })).toEqual({ kind: 'lost' });
    const key = { key: `large-${run.runId}`, fingerprint: 'f' };
    const [winner, loser] = [1, 2].map(() => new ScriptedRun(node.store, newRun(String(++lastId), { idempotency: key }), randomUUID()));
    expect((await winner!.create()).kind).toBe('committed');
    expect((await loser!.create({ events: [large('l')] })).kind).toBe('duplicate');
    expect(await run.write({ events: [stepEvent('a'), large('w')] })).toEqual(COMMITTED);
    const ids = [run, other, winner, loser].map((each) => each!.runId);
    const rows = await node.db.query<object[]>(
      `SELECT execution_id AS id, seq, left(body::text, 2) AS text FROM execution_blob WHERE execution_id = ANY($1::bigint[]) ORDER BY seq`,
      [ids],
    );
    expect(rows).toEqual([
      { id: run.runId, seq: 2, text: '"x' },
      { id: run.runId, seq: 4, text: '"w' },
    ]);
    expect((await readStoredRun(node.db, run.runId))?.events).toEqual([
      { type: 'execution_started' },
      large('x'),
      stepEvent('a'),
      large('w'),
    ]);
  });

  it('stores a result that is a large value of its history once, and a copy of one that is not', async () => {
    const large = { text: 'x'.repeat(300_000) };
    const completed = { ...(stepEvent('a') as object), value: large } as unknown as RunEvent;
    const passedOn = { ...(completed as object), inputs: large } as unknown as RunEvent;
    const ends: [string, (run: ScriptedRun) => Promise<UnitOutcome>][] = [
      ['with its end', (run) => run.write({ events: [completed], row: COMPLETED, end: { result: large } })],
      [
        'before its end',
        async (run) => {
          expect(await run.write({ events: [completed] })).toEqual(COMMITTED);
          return run.write({ row: COMPLETED, end: { result: large } });
        },
      ],
      ['as inputs', (run) => run.write({ events: [passedOn], row: COMPLETED, end: { result: large } })],
      [
        'as read from a history',
        async (run) => {
          expect(await run.write({ events: [completed] })).toEqual(COMMITTED);
          const read = (await readStoredRun(node.db, run.runId))!.events.at(-1) as unknown as { value: Json };
          return run.write({ row: COMPLETED, end: { result: read.value } });
        },
      ],
      ['only like it', (run) => run.write({ events: [completed], row: COMPLETED, end: { result: { ...large } } })],
      ['of another', (run) => run.write({ row: COMPLETED, end: { result: large } })],
    ];
    const places: unknown[] = [];
    for (const [name, end] of ends) {
      const run = born();
      await run.create();
      expect([name, await end(run)]).toEqual([name, COMMITTED]);
      const executions = new ExecutionRepository(node.db, new Prepared(node.db));
      expect(await executions.resultText(TEST_TENANT, run.runId)).toBe(JSON.stringify(large));
      expect((await executions.withPayload(TEST_TENANT, run.runId))!.payload).toMatchObject({
        resultOmitted: true,
        parameters: { region: 'eu' },
      });
      const [row] = await node.db.query<{ at: string | null }[]>(
        `SELECT result_seq || ' ' || result_part AS at FROM execution_payload WHERE execution_id = $1 AND part = 1`,
        [run.runId],
      );
      places.push([name, row!.at]);
    }
    expect(places).toEqual([
      ['with its end', '2 value'],
      ['before its end', '2 value'],
      ['as inputs', '2 inputs'],
      ['as read from a history', '2 value'],
      ['only like it', null],
      ['of another', null],
    ]);
  });

  it('asks a source for nothing while its unit is in flight, and settles each unit once', async () => {
    const taken: Unit[] = [];
    let settled = 0;
    let overlaps = 0;
    const token = randomUUID();
    const run = newRun(String(++lastId));
    await new Promise<void>((done) => {
      const source: UnitSource = {
        runId: run.id,
        takeUnit: () => {
          if (taken.length !== settled) overlaps += 1;
          const create = taken.length === 0 ? run : null;
          taken.push(unitOf(run, { token, create, expectedSeq: taken.length, events: [stepEvent('a')], recordsProgress: true }));
          return taken.at(-1) ?? null;
        },
        unitSettled: (outcome) => {
          expect(outcome).toEqual(COMMITTED);
          settled += 1;
          if (settled === 20) done();
          else if (settled < 20) node.store.announce(source);
        },
      };
      for (let i = 0; i < 3; i++) node.store.announce(source);
      const pester = setInterval(() => (settled < 19 ? node.store.announce(source) : clearInterval(pester)), 1);
    });
    await node.writer.flush();
    expect((await readStoredRun(node.db, run.id))?.events).toHaveLength(taken.length);
    expect(settled).toBe(taken.length);
    expect(overlaps).toBe(0);
  });

  it('names no execution twice in one batch, whoever asks', async () => {
    const first = born();
    await first.create();
    let open = 0;
    let most = 0;
    const watched = (run: ScriptedRun): UnitSource => ({
      runId: run.runId,
      takeUnit: () => {
        const unit = run.takeUnit();
        if (unit !== null) most = Math.max(most, ++open);
        return unit;
      },
      unitSettled: (outcome) => {
        open -= 1;
        run.unitSettled(outcome);
      },
    });
    const writes = Array.from({ length: 10 }, () => {
      const store: RunStore = {
        announce: () => node.store.announce(watched(run)),
        readInbox: () => Promise.resolve([]),
        expireApproval: () => Promise.resolve(null),
      };
      const run = new ScriptedRun(store, first.run, randomUUID());
      return run.write({ events: [stepEvent('zombie')] });
    });
    expect(await Promise.all(writes)).toEqual(writes.map(() => ({ kind: 'lost' })));
    expect(most).toBe(1);
  });

  it('10,000 concurrent starts with an end each: no gap, nothing twice', async () => {
    const runs = Array.from({ length: 10_000 }, () => born());
    const outcomes = await Promise.all(
      runs.map(
        async (run) =>
          (
            await Promise.all([run.create(), run.write({ events: [{ type: 'execution_completed' }], row: COMPLETED, end: { result: 1 } })])
          )[1],
      ),
    );
    expect(outcomes.every((outcome) => outcome.kind === 'committed')).toBe(true);
    const [count] = await node.db.query<Record<string, string>[]>(
      `SELECT count(*) AS rows, count(*) FILTER (WHERE status = 'completed' AND last_seq = 2 AND lease_token IS NULL) AS ended,
        (SELECT count(*) FROM execution_event WHERE execution_id BETWEEN $1 AND $2) AS events FROM execution WHERE id BETWEEN $1 AND $2`,
      [runs[0]?.runId, runs.at(-1)?.runId],
    );
    expect(count).toEqual({ rows: '10000', ended: '10000', events: '20000' });
  });

  it.each(['reply', 'request'] as const)('resolves every outcome where the %s is lost, 40 times', async (cut) => {
    for (let round = 0; round < 40; round++) {
      const runs = Array.from({ length: 4 }, () => born(viaProxy));
      const existing = born(viaProxy);
      expect(await existing.create()).toEqual(COMMITTED);
      const [held, ended, released] = [born(viaProxy), born(viaProxy), born(viaProxy)];
      await Promise.all([held.create(), ended.create(), released.create()]);
      proxy.arm(cut);
      const outcomes = await Promise.all([
        ...runs.map((run) => run.create()),
        held.write({ events: [stepEvent('a')] }),
        ended.write({ events: [stepEvent('a'), { type: 'execution_completed' }], row: COMPLETED, end: { result: { n: round } } }),
        released.write({ events: [stepEvent('a')], release: { wakeAt: null } }),
      ]);
      expect(outcomes).toEqual(outcomes.map(() => COMMITTED));
      expect(await held.write({ events: [stepEvent('b')] })).toEqual(COMMITTED);
      expect(await readStoredRun(node.db, ended.runId)).toMatchObject({ lastSeq: 3, row: COMPLETED, result: { n: round } });
      expect((await readStoredRun(node.db, held.runId))?.events).toHaveLength(3);
    }
    expect(proxy.cuts).toBeGreaterThanOrEqual(40);
  });

  it.each(['reply', 'request'] as const)('tells of a cancel that nobody has read, also where the %s is lost', async (cut) => {
    const [run, other] = [born(viaProxy), born(viaProxy)];
    await Promise.all([run.create(), other.create()]);
    await node.inbox.deliver(TEST_TENANT, run.runId, 'cancel', {});
    proxy.arm(cut);
    const write = (of: ScriptedRun): Promise<UnitOutcome> => of.write({ events: [stepEvent('a')] });
    expect(await Promise.all([write(run), write(other)])).toEqual([{ ...COMMITTED, cancelUnread: true }, COMMITTED]);
  });

  it('finds itself lost where the lease was stolen while the outcome was unknown', async () => {
    const run = born(viaProxy);
    await run.create();
    await node.db.query(`UPDATE execution SET lease_token = $2 WHERE id = $1`, [run.runId, randomUUID()]);
    proxy.arm('request');
    expect(await run.write({ events: [stepEvent('zombie')] })).toEqual({ kind: 'lost' });
    expect((await readStoredRun(node.db, run.runId))?.events).toHaveLength(1);
  });

  it('takes no other history for its own where both end alike', async () => {
    const zombie = born(viaProxy);
    await zombie.create();
    const holder = new ScriptedRun(node.store, zombie.run, randomUUID());
    holder.lastSeq = 1;
    await node.db.query(`UPDATE execution SET lease_token = $2 WHERE id = $1`, [zombie.runId, holder.token]);
    const end = (value: string): Partial<Unit> => ({
      events: [stepEvent('a', value), { type: 'execution_completed' }],
      row: COMPLETED,
      end: { result: value },
    });
    expect(await holder.write(end('holder'))).toEqual(COMMITTED);
    proxy.arm('request');
    expect(await zombie.write(end('zombie'))).toEqual({ kind: 'lost' });
  });

  it('survives pg_terminate_backend in the middle of a batch', async () => {
    const run = born();
    await run.create();
    const blocker = new pg.Client(database.url);
    await blocker.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM execution WHERE id = $1 FOR UPDATE', [run.runId]);
    const outcome = run.write({ events: [stepEvent('a')] });
    let ended = 0;
    while (ended === 0) {
      const { rowCount } = await blocker.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'showrunner:writer' AND wait_event_type = 'Lock'`,
      );
      ended = rowCount ?? 0;
    }
    await blocker.query('ROLLBACK');
    await blocker.end();
    expect(await outcome).toEqual(COMMITTED);
    expect((await readStoredRun(node.db, run.runId))?.events).toHaveLength(2);
  });

  it('a row that somebody keeps locked delays no neighbour, and is written once it is free', async () => {
    const single = await openStorage(database.url, { connections: 1, leaseMs: 1_000 });
    const [stuck, ...others] = Array.from({ length: 20 }, () => born(single));
    if (stuck === undefined) throw new Error('no run');
    await Promise.all([stuck, ...others].map((run) => run.create()));
    const blocker = new pg.Client(database.url);
    await blocker.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM execution WHERE id = $1 FOR UPDATE', [stuck.runId]);
    const told: string[] = [];
    const late = stuck.write({ events: [stepEvent('a')] });
    void late.then(() => told.push('stuck'));
    const next = stuck.write({ events: [stepEvent('b')] });
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.all(others.map((run) => run.write({ events: [stepEvent('a')] })));
      expect(outcomes).toEqual(outcomes.map(() => COMMITTED));
    }
    expect(told).toEqual([]);
    await blocker.query('ROLLBACK');
    expect([await late, await next]).toEqual([COMMITTED, COMMITTED]);
    expect((await readStoredRun(node.db, stuck.runId))?.events).toHaveLength(3);
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM execution WHERE id = $1 FOR UPDATE', [stuck.runId]);
    const abandoned = stuck.write({ events: [stepEvent('c')] });
    await single.close();
    expect(await abandoned).toEqual({ kind: 'lost' });
    await blocker.end();
  });

  it('goes on after all its idle connections were terminated', async () => {
    const killer = new pg.Client(database.url);
    await killer.connect();
    await killer.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    await killer.end();
    expect(await born().create()).toEqual(COMMITTED);
    await expect(node.db.query('SELECT 1 AS one').catch(() => node.db.query('SELECT 1 AS one'))).resolves.toEqual([{ one: 1 }]);
  });

  it('two nodes that steal tokens from each other: one history, every loser is told', async () => {
    const other = await openStorage(database.url);
    try {
      const runs = Array.from({ length: 20 }, () => born());
      await Promise.all(runs.map((run) => run.create()));
      let lost = 0;
      await Promise.all(
        runs.map(async (first) => {
          let holder = first;
          for (let round = 0; round < 15; round++) {
            const thief = new ScriptedRun(other.store, first.run, randomUUID());
            const claim = node.db.query<[{ last_seq: number }[], number]>(
              `UPDATE execution SET lease_token = $2 WHERE id = $1 RETURNING last_seq`,
              [first.runId, thief.token],
            );
            const outcome: Promise<UnitOutcome> = holder.write({ events: [stepEvent('s', `by ${holder.token}`)] });
            thief.lastSeq = (await claim)[0][0]?.last_seq ?? NaN;
            if ((await outcome).kind === 'lost') lost += 1;
            expect(await thief.write({ events: [stepEvent('s', `by ${thief.token}`)] })).toEqual(COMMITTED);
            holder = thief;
          }
        }),
      );
      expect(lost).toBeGreaterThan(0);
      const [written] = await node.db.query<{ count: string }[]>(
        `SELECT count(*) FROM execution_event WHERE execution_id BETWEEN $1 AND $2`,
        [runs[0]?.runId, runs.at(-1)?.runId],
      );
      expect(Number(written?.count)).toBe(20 * (1 + 15 * 2) - lost);
      for (const run of runs) await readStoredRun(node.db, run.runId);
    } finally {
      await other.close();
    }
  });

  it('gives each run its own time, never before its last event, however far ahead a neighbour is', async () => {
    const [ahead, ordinary] = [born(), born()];
    await Promise.all([ahead.create(), ordinary.create()]);
    await node.db.query(`UPDATE execution SET updated_at = clock_timestamp() + interval '1 hour' WHERE id = $1`, [ahead.runId]);
    const outcomes = await Promise.all([ahead, ordinary].map((run) => run.write({ events: [stepEvent('a'), stepEvent('b')] })));
    const times = await node.db.query<{ id: string; at: Date; own: boolean; hours: number }[]>(
      `SELECT v.execution_id AS id, v.at, v.at = e.updated_at AS own, round(extract(epoch FROM v.at - clock_timestamp()) / 3600)::int AS hours
       FROM execution_event v JOIN execution e ON e.id = v.execution_id WHERE v.execution_id = ANY($1) AND v.seq > 1 ORDER BY v.execution_id, v.seq`,
      [[ahead.runId, ordinary.runId]],
    );
    expect(times.map(({ own, hours }) => ({ own, hours }))).toEqual([1, 1, 0, 0].map((hours) => ({ own: true, hours })));
    expect(outcomes).toEqual([0, 2].map((first) => ({ kind: 'committed', at: times[first]?.at.getTime() })));
  });

  it('tells those who wait for a unit although its own run fails on the outcome', async () => {
    const run = newRun(String(++lastId));
    const unit = unitOf(run, { token: randomUUID(), create: run });
    const told = new Promise<UnitOutcome>((resolve) =>
      node.signals.onSettled((settled, outcome) => settled.runId === run.id && resolve(outcome)),
    );
    node.store.announce({
      runId: run.id,
      takeUnit: () => unit,
      unitSettled: () => {
        throw new Error('a fault of the run');
      },
    });
    expect(await told).toEqual(COMMITTED);
  });

  it('settles what it holds as lost where the database stays away at shutdown', async () => {
    const away = await openStorage(database.url, { writerUrl: 'postgres://nobody@127.0.0.1:1/none' });
    const outcome = born(away).create();
    await away.close();
    expect(await outcome).toEqual({ kind: 'lost' });
  });
});
