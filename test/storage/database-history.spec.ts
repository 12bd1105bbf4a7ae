import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { newRun, ScriptedRun, stepEvent } from '../../src/engine/testing/scripted-run.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { DatabaseHistory } from '../../src/storage/connection/database-history.js';
import { checkDurability } from '../../src/storage/connection/durability-check.js';
import { type Log, SILENT_LOG } from '../../src/storage/log.js';
import { NodeNumberLease } from '../../src/storage/connection/node-number.js';
import { runMigrations } from '../../src/storage/connection/run-migrations.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { createTestDatabase, type DurableServer, startDurableServer, type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, readStoredRun } from '../support/storage.js';

let said: string[];
const log: Log = {
  info: () => undefined,
  warn: (_fields, message) => void said.push(`warn: ${message}`),
  error: (_fields, message) => void said.push(`error: ${message}`),
};
let durable: DurableServer;
let shared: TestDatabase;
let closing: (() => Promise<unknown>)[];

beforeAll(async () => {
  [durable, shared] = [await startDurableServer(), await createMigratedDatabase()];
  await runMigrations(durable.url, SILENT_LOG);
});
afterAll(async () => {
  await durable.stop();
  await shared.drop();
});
beforeEach(() => {
  said = [];
  closing = [];
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
});

async function connected(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(config);
  await client.connect();
  closing.push(() => client.end());
  return client;
}

describe(DatabaseHistory.name, () => {
  it('knows a server again, also after its restart, and tells once of another', async () => {
    const history = new DatabaseHistory(log);
    const told: number[] = [];
    history.onChange(() => told.push(history.number));
    const [one, again, other] = [
      await connected({ connectionString: durable.url }),
      await connected({ connectionString: durable.url }),
      await connected({ connectionString: shared.url }),
    ];
    expect([await history.isSame(one), await history.isSame(again)]).toEqual([true, true]);
    expect([await history.isSame(other), await history.isSame(other), told]).toEqual([false, true, [1]]);
    expect(await history.isSame(one)).toBe(false);
    expect(told).toEqual([1, 2]);
  });

  it('needs no more than an ordinary role, and goes without where even that is refused', async () => {
    const database = await createTestDatabase();
    closing.push(() => database.drop());
    const role = `ordinary_${randomUUID().replaceAll('-', '')}`;
    const client = await connected({ connectionString: database.url });
    await client.query(`CREATE ROLE ${role}`);
    await client.query(`SET ROLE ${role}`);
    const history = new DatabaseHistory(log);
    await history.isSame(client);
    expect(await history.isSame(await connected({ connectionString: durable.url }))).toBe(false);
    await client.query('RESET ROLE');
    await client.query('REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC');
    await client.query(`SET ROLE ${role}`);
    said = [];
    expect([await history.isSame(client), await history.isSame(client)]).toEqual([true, true]);
    expect(said).toEqual(['warn: the database does not tell its identity; a failover cannot be noticed']);
    await client.query('RESET ROLE');
    await client.query(`DROP ROLE ${role}`);
  });

  it('cuts the pool off from a former server that is still there', async () => {
    const fork = await durable.fork();
    closing.push(() => fork.stop());
    const proxy = await CuttingProxy.before(durable.url);
    closing.push(() => proxy.close());
    const history = new DatabaseHistory(log);
    const db = await createDataSource(proxy.url, { poolSize: 3, history, log }).initialize();
    closing.push(() => db.destroy());
    const timelines = async (): Promise<unknown[]> => {
      const all = await Promise.all(
        [1, 2, 3].map(() => db.query<object[]>(`SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS on, pg_sleep(0.1)`)),
      );
      return all.flat().map((row) => (row as { on: string }).on);
    };
    expect(await timelines()).toEqual(['00000001', '00000001', '00000001']);
    proxy.pointTo(fork.url, 'kept');
    expect(await history.isSame(await connected({ connectionString: proxy.url }))).toBe(false);
    // One that was cut this very moment may still be handed out, and fails.
    let seen: unknown[] | null = null;
    while (seen === null) seen = await timelines().catch(() => null);
    expect(seen).toEqual(['00000002', '00000002', '00000002']);
  });

  it('writes nothing on a new history that was decided on the former one, although all fences hold there', async () => {
    const run = newRun('9101');
    const before = await openStorage(durable.url);
    const token = randomUUID();
    const born = new ScriptedRun(before.store, run, token);
    await born.create();
    await before.close();
    const fork = await durable.fork();
    closing.push(() => fork.stop());
    const proxy = await CuttingProxy.before(durable.url);
    const node = await openStorage(proxy.url, { connections: 1, log });
    closing.push(
      () => proxy.close(),
      () => node.close(),
    );
    node.held.add(run.id, token, 0, true);
    node.history.onChange(() => node.held.dropAll());
    const dropped: string[] = [];
    node.held.onDropped((id) => dropped.push(id));
    const holder = new ScriptedRun(node.store, run, token);
    holder.lastSeq = born.lastSeq;
    await holder.write({});
    // One unit under way, whose row somebody keeps; a start behind it.
    const operator = await connected({ connectionString: durable.url });
    await operator.query('BEGIN');
    await operator.query(`SELECT FROM execution WHERE id = ${run.id} FOR UPDATE`);
    const append = holder.write({ events: [stepEvent('former')] });
    const waiting = `SELECT FROM pg_stat_activity WHERE application_name = 'showrunner:writer' AND wait_event_type = 'Lock'`;
    const watcher = await connected({ connectionString: durable.url });
    while ((await watcher.query(waiting)).rowCount === 0);
    const start = new ScriptedRun(node.store, newRun('9102'), randomUUID());
    const created = start.create();
    proxy.pointTo(fork.url, 'cut');
    expect(await Promise.all([append, created])).toEqual([{ kind: 'lost' }, { kind: 'lost' }]);
    await operator.query('ROLLBACK');
    expect(dropped).toEqual([run.id]);
    expect(await readStoredRun(node.db, run.id)).toMatchObject({ token, lastSeq: 1, events: [{ type: 'execution_started' }] });
    expect(await readStoredRun(node.db, '9102')).toBeNull();
    expect(await new ScriptedRun(node.store, newRun('9103'), randomUUID()).create()).toMatchObject({ kind: 'committed' });
    expect(await readStoredRun(node.db, '9103')).toMatchObject({ lastSeq: 1 });
    expect(said.filter((line) => line.startsWith('error:'))).toHaveLength(1);
  });
});

describe(NodeNumberLease.name, () => {
  it('takes another number where the former one belongs to another database', async () => {
    const db = await createDataSource(shared.url, { poolSize: 2 }).initialize();
    const lease = new NodeNumberLease(db, log);
    closing.push(
      () => db.destroy(),
      () => lease.stop(),
    );
    await lease.start();
    const before = lease.current();
    lease.forget();
    expect(lease.current()).toBeNull();
    for (let taken = lease.current(); taken === null; taken = lease.current()) await new Promise((done) => setTimeout(done, 10));
    expect(lease.current()?.number).not.toBe(before?.number);
    expect(said).toEqual([]);
  });
});

describe(checkDurability.name, () => {
  it('complains of a server that forgets, and says nothing of one that keeps its word', async () => {
    for (const [url, lines] of [
      [shared.url, ['error: the database does not wait for its disk: a crash of it loses executions that were acknowledged']],
      [durable.url, []],
    ] as const) {
      said = [];
      const db = await createDataSource(url, { poolSize: 1 }).initialize();
      await checkDurability(db, log);
      await db.destroy();
      expect(said).toEqual(lines);
    }
  });

  it('warns of replicas none of which is synchronous', async () => {
    const replica = await connected({ connectionString: durable.url, replication: 'true' } as pg.ClientConfig);
    await replica.query('IDENTIFY_SYSTEM');
    const db = await createDataSource(durable.url, { poolSize: 1 }).initialize();
    closing.push(() => db.destroy());
    await checkDurability(db, log);
    expect(said).toEqual(['warn: no replica is synchronous: a failover loses up to the replication lag of what was acknowledged']);
  });
});
