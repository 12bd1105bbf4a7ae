import { type DataSource } from 'typeorm';
import { parseRetention, type RetentionRule } from '../../src/config/retention-rules.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { firstIdAt } from '../../src/storage/ids.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { Retention, RETENTION_LOCK } from '../../src/storage/upkeep/retention.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase } from '../support/storage.js';

const DAY_MS = 86_400_000;

describe(Retention.name, () => {
  let database: TestDatabase;
  let db: DataSource;

  beforeEach(async () => {
    database = await createMigratedDatabase();
    db = await createDataSource(database.url, { poolSize: 3 }).initialize();
  });
  afterEach(async () => {
    await db.destroy();
    await database.drop();
  });

  const rules = (text: string): readonly RetentionRule[] =>
    parseRetention(text, (message) => {
      throw new Error(message);
    });
  const retention = (text: string): Retention => new Retention(db, rules(text), SILENT_LOG);

  let made = 0;
  async function execution(path: string, status: string, daysAgo: number, began = daysAgo): Promise<string> {
    const id = String(firstIdAt(Date.now() - began * DAY_MS) + BigInt(++made));
    await db.query(
      `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at, ended_at)
       VALUES ($1, 'default', 1, $2, 'b', '1.0.0', '1.0.0', 'latest', 'playbook', '', $3, $4, $5, $6)`,
      [
        id,
        path,
        status,
        new Date(Date.now() - began * DAY_MS),
        new Date(Date.now() - daysAgo * DAY_MS),
        /completed|failed|cancelled/.test(status) ? new Date(Date.now() - daysAgo * DAY_MS) : null,
      ],
    );
    await db.query(`INSERT INTO execution_event VALUES ($1, 1, 'default', 'execution_started', NULL, now(), '{}')`, [id]);
    await db.query(`INSERT INTO execution_payload VALUES ($1, 0, 'default', '{}', NULL, NULL)`, [id]);
    return id;
  }
  const key = (name: string, executionId: string, expiresInHours: number): Promise<unknown> =>
    db.query(
      `INSERT INTO idempotency_key (tenant_id, key, fingerprint, execution_id, expires_at) VALUES ('default', $1, '', $2, now() + $3 * interval '1 hour')`,
      [name, executionId, expiresInHours],
    );
  async function left(table = 'execution', column = 'id'): Promise<string[]> {
    return (await db.query<{ it: string }[]>(`SELECT ${column} AS it FROM ${table} ORDER BY 1`)).map(({ it }) => it);
  }
  const ascending = (ids: readonly string[]): string[] => [...ids].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));

  it('keeps everything where no rule says otherwise', async () => {
    const ids = [await execution('a', 'completed', 900), await execution('a', 'failed', 900)];
    expect(await retention('').apply()).toEqual({ executions: 0, idempotencyKeys: 0, bulkOperations: 0, partitions: [] });
    expect(await left()).toEqual(ascending(ids));
  });

  it('removes by age and status, never what is open, with all that belongs to it', async () => {
    const kept = [
      await execution('a', 'completed', 29),
      await execution('a', 'failed', 40),
      await execution('a', 'cancelled', 400),
      await execution('a', 'running', 400),
      await execution('a', 'paused', 400),
      await execution('a', 'completed', 10, 300), // ran for long: the end counts
    ];
    for (const [status, days] of [
      ['completed', 31],
      ['failed', 91],
      ['completed', 500],
    ] as const)
      await execution('a', status, days);
    expect((await retention('completed=30d, failed=90d').apply()).executions).toBe(3);
    for (const [table, column] of [
      ['execution', 'id'],
      ['execution_event', 'execution_id'],
      ['execution_payload', 'execution_id'],
    ])
      expect(await left(table, column)).toEqual(ascending(kept));
  });

  it('the rule with the most specific path decides, whether it keeps longer or shorter', async () => {
    const gone = [
      await execution('x', 'completed', 31),
      await execution('billing', 'completed', 31),
      await execution('billing/a', 'completed', 8),
      await execution('billing/audit/b', 'failed', 31), // the rules below are about completed ones
    ];
    const kept = [
      await execution('x', 'completed', 29),
      await execution('billing/a', 'completed', 6),
      await execution('billing/audit/b', 'completed', 900),
      await execution('billing/audit2/b', 'completed', 6),
      await execution('billing/close', 'completed', 99),
    ];
    const text = 'completed=30d, failed=30d, billing/*:completed=7d, billing/audit/*:completed=forever, billing/close:completed=100d';
    expect((await retention(text).apply()).executions).toBe(gone.length);
    expect(await left()).toEqual(ascending(kept));
  });

  it('comes to an end under load: what falls due during a round is left for the next, and later rules get their turn', async () => {
    await execution('busy', 'completed', 1);
    await execution('a', 'failed', 1);
    // As under load: when a batch has removed something, the next falls due in a moment.
    await db.query(`CREATE FUNCTION ends_another() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF old.path = 'busy' THEN
        INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at, ended_at)
        VALUES (old.id + 1000, 'default', 1, 'busy', 'b', '1.0.0', '1.0.0', 'latest', 'playbook', '', 'completed', now(), now(), clock_timestamp() - interval '59.98 seconds');
      END IF;
      RETURN NULL;
    END $$`);
    await db.query('CREATE TRIGGER ends_another AFTER DELETE ON execution FOR EACH ROW EXECUTE FUNCTION ends_another()');
    expect((await retention('completed=1m, failed=1m').apply()).executions).toBe(2);
    expect(await db.query('SELECT path, status FROM execution')).toEqual([{ path: 'busy', status: 'completed' }]);
  });

  it('keys outlive their executions and remember the end; expired ones go', async () => {
    const old = await execution('a', 'completed', 31);
    const open = await execution('a', 'running', 31);
    await key('of the old', old, 1);
    await key('of the open', open, 1);
    await key('expired', old, -1);
    await key('expired, of an open one', open, -1);
    expect(await retention('completed=30d').apply()).toMatchObject({ executions: 1, idempotencyKeys: 2 });
    expect(await db.query(`SELECT key, final_status FROM idempotency_key ORDER BY 1`)).toEqual([
      { key: 'of the old', final_status: 'completed' },
      { key: 'of the open', final_status: null },
    ]);
  });

  it('removes more expired keys than a batch holds', async () => {
    await db.query(
      `INSERT INTO idempotency_key (tenant_id, key, fingerprint, execution_id, expires_at) SELECT 'default', n::text, '', n, now() FROM generate_series(1, 2300) n`,
    );
    expect((await retention('').apply()).idempotencyKeys).toBe(2300);
  });

  it('old bulk operations go, open ones never', async () => {
    const operation = (id: number, status: string, endedDaysAgo: number | null): Promise<unknown> =>
      db.query(
        `INSERT INTO bulk_operation (id, tenant_id, action, filter, status, total, up_to_id, created_by, scopes, created_at, ended_at)
         VALUES ($1, 'default', 'cancel', '{}', $2, 0, 0, 'me', '{}', now() - interval '200 days', now() - $3::int * interval '1 day')`,
        [id, status, endedDaysAgo],
      );
    await operation(1, 'completed', 91);
    await operation(2, 'aborted', 91);
    await operation(3, 'completed', 89);
    await operation(4, 'running', null);
    expect((await retention('').apply()).bulkOperations).toBe(2);
    expect(await left('bulk_operation')).toEqual(['3', '4']);
  });

  it('drops the partitions of which nothing is left, and those alone', async () => {
    const week = async (table: string, daysAgo: number): Promise<string> => {
      const [name, from] = [`${table}_t${daysAgo}`, Date.now() - daysAgo * DAY_MS];
      await db.query(
        `CREATE TABLE ${name} PARTITION OF ${table} FOR VALUES FROM (${firstIdAt(from)}) TO (${firstIdAt(from + 7 * DAY_MS)})`,
      );
      return name;
    };
    const partitions: string[] = [];
    for (const table of ['execution_event', 'execution_payload'])
      for (const daysAgo of [100, 80, 60, 16, 7]) partitions.push(await week(table, daysAgo));
    await execution('a', 'completed', 98);
    const open = await execution('a', 'running', 78);
    const retained = await execution('audit', 'completed', 58);
    const report = await retention('completed=30d, audit:completed=forever').apply();
    // Nothing ran in the week that began 16 days ago; the one that ends now may still get rows.
    expect(report).toMatchObject({ executions: 1, partitions: partitions.filter((name) => /_t(100|16)$/.test(name)).sort() });
    expect(await left('execution_event_t80', 'execution_id')).toEqual([open]);
    expect(await left('execution_payload_t60', 'execution_id')).toEqual([retained]);
  });

  it('a partition that somebody reads just now stays until the next round, which goes on', async () => {
    await db.query(`CREATE TABLE execution_event_old PARTITION OF execution_event FOR VALUES FROM (1) TO (1000)`);
    const reader = db.createQueryRunner();
    await reader.startTransaction();
    await reader.query('SELECT FROM execution_event_old');
    expect((await retention('completed=30d').apply()).partitions).toEqual([]);
    await reader.rollbackTransaction();
    await reader.release();
    expect((await retention('completed=30d').apply()).partitions).toEqual(['execution_event_old']);
  });

  it('one node at a time: while another one holds the lock nothing is removed', async () => {
    const id = await execution('a', 'completed', 31);
    await key('expired', id, -1);
    const other = db.createQueryRunner();
    await other.startTransaction();
    await other.query(`SELECT pg_advisory_xact_lock(${RETENTION_LOCK})`);
    expect(await retention('completed=30d').apply()).toMatchObject({ executions: 0, idempotencyKeys: 0 });
    expect(await left()).toEqual([id]);
    await other.rollbackTransaction();
    await other.release();
    expect(await retention('completed=30d').apply()).toMatchObject({ executions: 1, idempotencyKeys: 1 });
  });

  it('stops between two batches', async () => {
    await db.query(
      `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at, ended_at)
       SELECT n, 'default', 1, 'p', 'p', '1.0.0', '1.0.0', 'latest', 'playbook', '', 'completed', 'epoch', 'epoch', 'epoch' FROM generate_series(1, 2500) n`,
    );
    const stopping = retention('completed=30d');
    stopping.start();
    for (; (await left()).length > 1500;) await new Promise((done) => setTimeout(done, 1));
    await stopping.stop();
    const remaining = (await left()).length;
    expect(remaining % 500).toBe(0);
    await new Promise((done) => setTimeout(done, 200));
    expect((await left()).length).toBe(remaining);
  });
});
