import { type DataSource } from 'typeorm';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { firstIdAt } from '../../src/storage/ids.js';
import { Purge, type PurgeSelection } from '../../src/storage/upkeep/purge.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase } from '../support/storage.js';

const DAY_MS = 86_400_000;
const MONTH_OLD: PurgeSelection = { olderThanMs: 30 * DAY_MS, statuses: ['completed', 'failed', 'cancelled'], path: null, tenantId: null };

describe(Purge.name, () => {
  let database: TestDatabase;
  let db: DataSource;
  let purge: Purge;

  beforeEach(async () => {
    database = await createMigratedDatabase();
    db = await createDataSource(database.url, { poolSize: 2 }).initialize();
    purge = new Purge(db);
  });
  afterEach(async () => {
    await db.destroy();
    await database.drop();
  });

  /** An execution with one row in every table; `n` keeps ids of one day apart. */
  async function execution(n: number, daysAgo: number, status = 'completed', path = 'a/b', tenant = 'default'): Promise<string> {
    const at = new Date(Date.now() - daysAgo * DAY_MS);
    const id = String(firstIdAt(at.getTime()) + BigInt(n));
    const isOver = !['running', 'pending', 'paused'].includes(status);
    await db.query(
      `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at, ended_at)
       VALUES ($1, $2, 1, $3, 'b', '1.0.0', '1.0.0', 'latest', 'playbook', '', $4, $5, $5, $6)`,
      [id, tenant, path, status, at, isOver ? at : null],
    );
    await db.query(`INSERT INTO execution_event VALUES ($1, 1, $2, 'execution_started', NULL, $3, '{}')`, [id, tenant, at]);
    await db.query(`INSERT INTO execution_blob VALUES ($1, 1, 'value', $2, '1')`, [id, tenant]);
    await db.query(`INSERT INTO execution_payload VALUES ($1, 0, $2, '{}', NULL, '1')`, [id, tenant]);
    await db.query(`INSERT INTO execution_inbox VALUES ($1, 1, $2, 'cancel', '{}', $3)`, [id, tenant, at]);
    await db.query(`INSERT INTO execution_snapshot VALUES ($1, 1, $2, 1, 'x', '{}')`, [id, tenant]);
    await db.query(
      `INSERT INTO approval (id, tenant_id, execution_id, step, wave, path, version, title, data, form, scopes, subjects, quorum, requested_by, created_at)
       VALUES ($1, $2, $1, 's', 1, $3, '1', 't', 'null', 'null', '{}', '{}', 1, '{}', $4)`,
      [id, tenant, path, at],
    );
    await db.query(`INSERT INTO idempotency_key (tenant_id, key, fingerprint, execution_id, expires_at) VALUES ($1, $2, 'f', $3, now())`, [
      tenant,
      id,
      id,
    ]);
    return id;
  }
  async function idsIn(table: string): Promise<string[]> {
    const column = table === 'execution' ? 'id' : 'execution_id';
    return (await db.query<{ id: string }[]>(`SELECT ${column} AS id FROM ${table} ORDER BY 1`)).map(({ id }) => id);
  }
  async function removed(selection: PurgeSelection): Promise<number> {
    let executions = 0;
    for await (const progress of purge.run(selection)) ({ executions } = progress);
    return executions;
  }

  it('removes old finished executions from every table, keeps open and young ones, and keys remember the end', async () => {
    const [old, failed] = [await execution(1, 40), await execution(2, 40, 'failed')];
    const kept = [await execution(3, 40, 'running'), await execution(4, 40, 'paused'), await execution(5, 10)];
    expect(await purge.count(MONTH_OLD)).toBe(2);
    expect(await removed(MONTH_OLD)).toBe(2);
    for (const table of [
      'execution',
      'execution_event',
      'execution_blob',
      'execution_payload',
      'execution_inbox',
      'execution_snapshot',
      'approval',
    ])
      expect(await idsIn(table)).toEqual(kept);
    const keys = await db.query<{ id: string; end: string | null }[]>(
      `SELECT execution_id AS id, final_status AS "end" FROM idempotency_key ORDER BY 1`,
    );
    expect(keys).toEqual([{ id: old, end: 'completed' }, { id: failed, end: 'failed' }, ...kept.map((id) => ({ id, end: null }))]);
    expect(await removed(MONTH_OLD)).toBe(0);
  });

  it('chooses by status, path, what is below a path, and tenant', async () => {
    const ids = [
      await execution(1, 40),
      await execution(2, 40, 'failed'),
      await execution(3, 40, 'completed', 'a/c'),
      await execution(4, 40, 'completed', 'x'),
      await execution(5, 40, 'completed', 'a/b', 'other'),
    ];
    expect(await purge.count({ ...MONTH_OLD, statuses: ['failed'] })).toBe(1);
    expect(await purge.count({ ...MONTH_OLD, path: 'a/b' })).toBe(3);
    expect(await purge.count({ ...MONTH_OLD, path: 'a/*' })).toBe(4);
    expect(await purge.count({ ...MONTH_OLD, tenantId: 'other' })).toBe(1);
    await removed({ ...MONTH_OLD, path: 'a/*', tenantId: 'default', statuses: ['completed'] });
    expect(await idsIn('execution')).toEqual([ids[1], ids[3], ids[4]]);
  });

  it('goes on with fewer at once where a batch takes too long', async () => {
    const ids: string[] = [];
    for (let n = 1; n <= 20; n++) ids.push(await execution(n, 40));
    let refused = 0;
    const sizes: number[] = [];
    const within = async (remove: (db: Pick<DataSource, 'query'>) => Promise<string[]>): Promise<string[]> => {
      // As long as the batch is large the server cancels the statement, as it would a slow one.
      const limited = {
        query: async <T>(sql: string, parameters?: unknown[]): Promise<T> => {
          if (Number(parameters?.at(-1)) <= 5) return await db.query<T>(sql, parameters);
          refused += 1;
          return await db.transaction(async (tx) => {
            await tx.query(`SET LOCAL statement_timeout = 20`);
            return await tx.query<T>('SELECT pg_sleep(10)');
          });
        },
      };
      return await remove(limited);
    };
    for await (const removedNow of purge.batches(MONTH_OLD, within)) sizes.push(removedNow);
    expect([refused, sizes.reduce((sum, size) => sum + size, 0)]).toEqual([4, ids.length]);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(5);
    expect(await idsIn('execution')).toEqual([]);
  });

  it('works in batches, each committed and told of', async () => {
    await db.query(
      `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at, ended_at)
       SELECT n, 'default', 1, 'p', 'p', '1.0.0', '1.0.0', 'latest', 'playbook', '', 'completed', 'epoch', 'epoch', 'epoch' FROM generate_series(1, 2500) n`,
    );
    const told: number[] = [];
    for await (const { executions } of purge.run(MONTH_OLD)) told.push(executions);
    expect(told).toEqual([1000, 2000, 2500, 2500]);
  });

  it('keeps what a going execution called, and what called a going one; the parent of a label does not matter', async () => {
    const call = (child: string, parent: string) =>
      db.query(`UPDATE execution SET parent_run_id = $2::bigint, parent_step = 'call', parent_wave = 1 WHERE id = $1`, [child, parent]);
    const going = await execution(1, 40, 'running');
    const [asked, caller, wanted] = [await execution(2, 40), await execution(3, 40), await execution(4, 40, 'paused')];
    const [old, oldChild] = [await execution(5, 40), await execution(6, 40, 'failed')];
    const labelled = await execution(7, 40);
    await call(asked, going);
    await call(wanted, caller);
    await call(oldChild, old);
    await db.query(`UPDATE execution SET parent_execution_id = $2 WHERE id = $1`, [labelled, going]);
    expect(await purge.count(MONTH_OLD)).toBe(3);
    expect(await removed(MONTH_OLD)).toBe(3);
    expect(await idsIn('execution')).toEqual([going, asked, caller, wanted]);
  });

  it('drops a partition only when nothing of its range is left', async () => {
    const week = (daysAgo: number): { name: string; from: string; to: string } => {
      const from = Date.now() - daysAgo * DAY_MS;
      return { name: `execution_event_old_${daysAgo}`, from: String(firstIdAt(from)), to: String(firstIdAt(from + 7 * DAY_MS)) };
    };
    for (const { name, from, to } of [week(80), week(60)])
      await db.query(`CREATE TABLE ${name} PARTITION OF execution_event FOR VALUES FROM (${from}) TO (${to})`);
    await execution(1, 78);
    const open = await execution(2, 58, 'running');
    const partitions: string[] = [];
    for await (const progress of purge.run(MONTH_OLD)) partitions.push(...progress.partitions);
    expect(partitions).toEqual(['execution_event_old_80']);
    expect(await idsIn('execution_event_old_60')).toEqual([open]);
  });

  it('keeps a partition in whose range an execution is stored while it is about to be dropped', async () => {
    const week = 7 * DAY_MS;
    const at = Math.floor((Date.now() - 60 * DAY_MS) / week) * week;
    const [from, to] = [firstIdAt(at), firstIdAt(at + week)];
    const tables = ['execution_event', 'execution_payload', 'execution_blob'];
    for (const table of tables) await db.query(`CREATE TABLE ${table}_old PARTITION OF ${table} FOR VALUES FROM (${from}) TO (${to})`);
    // As a batch does it: one transaction that holds all tables that its statement names.
    const writer = db.createQueryRunner();
    await writer.startTransaction();
    const id = String(from + 5n);
    await writer.query(
      `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at)
       VALUES ($1, 'default', 1, 'a/b', 'b', '1.0.0', '1.0.0', 'latest', 'playbook', '', 'running', now(), now())`,
      [id],
    );
    await writer.query(`INSERT INTO execution_payload VALUES ($1, 0, 'default', '{}', NULL, NULL)`, [id]);
    await writer.query(`INSERT INTO execution_event VALUES ($1, 1, 'default', 'execution_started', NULL, now(), '{}')`, [id]);
    const dropping = purge.dropEmptyPartitions(Date.now());
    const waiting = `SELECT count(*)::int AS count FROM pg_locks WHERE NOT granted AND relation::regclass::text LIKE 'execution%' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    while (((await writer.query(waiting)) as unknown as { count: number }[])[0]?.count === 0) continue;
    await writer.commitTransaction();
    await writer.release();
    expect((await dropping).filter((name) => name.endsWith('_old'))).toEqual([]);
    await db.query(`INSERT INTO execution_blob VALUES ($1, 1, 'value', 'default', '1')`, [id]);
    for (const table of tables) expect(await idsIn(`${table}_old`)).toEqual([id]);
    await db.query(`UPDATE execution SET status = 'completed', ended_at = now() - interval '60 days'`);
    expect(await removed(MONTH_OLD)).toBe(1);
    expect(await purge.dropEmptyPartitions(Date.now())).toEqual([]); // the purge has dropped them
    for (const table of tables) expect(await db.query(`SELECT to_regclass('${table}_old') AS there`)).toEqual([{ there: null }]);
  });

  it('a partition that another node drops first is no fault', async () => {
    await db.query(`CREATE TABLE execution_event_old PARTITION OF execution_event FOR VALUES FROM (1) TO (1000)`);
    const other = db.createQueryRunner();
    await other.startTransaction();
    // Holds this one up after it has seen the partition, and before it drops it.
    await other.query('LOCK TABLE execution IN ACCESS EXCLUSIVE MODE');
    const dropped = purge.dropEmptyPartitions(Date.now());
    const waiting = `SELECT count(*)::int AS count FROM pg_locks WHERE NOT granted AND relation = 'execution'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    while (((await other.query(waiting)) as unknown as { count: number }[])[0]?.count === 0) continue;
    await other.query('DROP TABLE execution_event_old');
    await other.commitTransaction();
    await other.release();
    expect(await dropped).toEqual([]);
  });
});
