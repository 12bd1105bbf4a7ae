import { type PoolClient } from 'pg';
import { type HeldRun } from '../../src/engine/ports.js';
import { newRun, RUNNING, ScriptedRun, stepEvent } from '../../src/engine/testing/scripted-run.js';
import { LeaseTerm } from '../../src/storage/lease-term.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, type StorageNode } from '../support/storage.js';

const LEASE_MS = 1_200;

describe(LeaseTerm.name, () => {
  let database: TestDatabase;
  let node: StorageNode;
  let lastId = 9000n;

  beforeAll(async () => {
    database = await createMigratedDatabase();
    node = await openStorage(database.url, { leaseMs: LEASE_MS });
  });
  afterAll(async () => {
    await node.close();
    await database.drop();
  });

  /** A run that was born here and whose create is stored. */
  async function heldRun(): Promise<ScriptedRun> {
    let taken: HeldRun | undefined;
    const drain = node.queue.consume({
      capacity: () => 1,
      take: (held) => void (taken = held),
      takeEphemeral: () => undefined,
      holdsSuspect: () => false,
    });
    const { durable } = node.queue.offer(newRun(String(++lastId)), [{ type: 'execution_started' }]);
    await drain();
    if (taken === undefined) throw new Error('nothing was handed over');
    const run = new ScriptedRun(node.store, taken.run, taken.token);
    await run.create();
    await durable;
    return run;
  }

  /** Milliseconds from the last write of the row to the end of its lease. */
  async function leaseOf(id: string): Promise<number> {
    const [row] = await node.db.query<{ ms: number }[]>(
      `SELECT (extract(epoch FROM lease_until - updated_at) * 1000)::float8 AS ms FROM execution WHERE id = $1`,
      [id],
    );
    return row?.ms ?? NaN;
  }

  it('is what every statement that leases grants', async () => {
    const run = await heldRun();
    const born = await leaseOf(run.runId);
    await run.write({ events: [stepEvent('a')] });
    const appended = await leaseOf(run.runId);
    for (const granted of [born, appended]) {
      expect(granted).toBeGreaterThanOrEqual(LEASE_MS);
      expect(granted).toBeLessThan(15_000);
    }
  });

  it.each([1_000, LEASE_MS, 15_000, 60_000])('of %d ms bounds the waits for locks and idle transactions', async (ms) => {
    const lease = new LeaseTerm(ms);
    expect(lease.lockTimeoutMs).toBeLessThan(ms / 6);
    expect(lease.idleInTransactionMs).toBeLessThan(ms / 2);
    expect(lease.renewEveryMs).toBe(ms / 3);
    const [set] = await node.db.query<Record<string, string>[]>(
      `SELECT current_setting('lock_timeout') AS locks, current_setting('idle_in_transaction_session_timeout') AS idle`,
    );
    expect(set).toEqual({ locks: `${node.lease.lockTimeoutMs}ms`, idle: `${node.lease.idleInTransactionMs}ms` });
  });

  it('counts on this node from the moment the statement that renewed it was sent, also where that was a commit', async () => {
    const run = await heldRun();
    const deadline = (): number => node.held.stored().find((hold) => hold.runId === run.runId)?.deadline ?? NaN;
    let sent = 0;
    node.signals.onSettled((unit, _outcome, sentAt) => {
      if (unit.runId === run.runId) sent = sentAt ?? NaN;
    });
    const before = performance.now();
    await run.write({ events: [stepEvent('a')] });
    expect(sent).toBeGreaterThanOrEqual(before);
    expect(sent).toBeLessThan(performance.now());
    expect(deadline()).toBe(sent + LEASE_MS);
    expect(await run.write({ events: [stepEvent('b')], row: { ...RUNNING, status: 'bogus' as never } })).toMatchObject({ kind: 'refused' });
    expect(deadline()).toBeLessThan(sent + LEASE_MS); // what was not stored renews nothing
  });

  it('is renewed although the whole pool is busy', async () => {
    const run = await heldRun();
    await node.db.query(`UPDATE execution SET lease_until = updated_at WHERE id = $1`, [run.runId]);
    const pool = (node.db.driver as unknown as { master: { connect(): Promise<PoolClient> } }).master;
    const busy = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
    await node.renewal.renew();
    for (const client of busy) client.release();
    expect(await leaseOf(run.runId)).toBeGreaterThan(0);
  });

  it('is renewed again after the connection of the renewal died', async () => {
    const run = await heldRun();
    await node.renewal.renew();
    await node.db.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'showrunner:leases'`,
    );
    await node.db.query(`UPDATE execution SET lease_until = updated_at WHERE id = $1`, [run.runId]);
    while ((await leaseOf(run.runId)) === 0) await node.renewal.renew();
  });
});
