import { type DataSource } from 'typeorm';
import { BulkLeases } from '../../src/storage/bulk-leases.js';
import { type BulkOperationRecord, type BulkProgress } from '../../src/storage/bulk-operation-record.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { LeaseTerm } from '../../src/storage/lease-term.js';
import { BulkOperationRepository } from '../../src/storage/repositories/bulk-operation.repository.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase } from '../support/storage.js';

describe(BulkLeases.name, () => {
  let database: TestDatabase;
  let db: DataSource;
  let leases: BulkLeases;
  let operations: BulkOperationRepository;

  beforeEach(async () => {
    database = await createMigratedDatabase();
    db = await createDataSource(database.url, { poolSize: 4 }).initialize();
    leases = new BulkLeases(db, new LeaseTerm(60_000));
    operations = new BulkOperationRepository(db);
  });
  afterEach(async () => {
    await db.destroy();
    await database.drop();
  });

  const create = (id: string): Promise<BulkOperationRecord> =>
    operations.create({
      id,
      tenantId: 'default',
      action: 'cancel',
      filter: { path: 'a' },
      reason: null,
      total: 9,
      createdBy: 'ann',
      scopes: ['executions:control'],
      idempotency: null,
    });
  const expire = (id: string): Promise<unknown> =>
    db.query(`UPDATE bulk_operation SET lease_until = now() - interval '1 second' WHERE id = $1`, [id]);
  const progress = (done: number, lastId = String(done)): BulkProgress => ({
    total: 9,
    done,
    succeeded: done,
    skipped: 0,
    failed: 0,
    errors: [],
    lastId,
  });

  it('gives each operation to one holder, the oldest first', async () => {
    for (const id of ['3', '1', '2']) await create(id);
    const held = await Promise.all([1, 2, 3, 4].map(() => leases.claim()));
    expect(held.flatMap((each) => each?.id ?? []).sort()).toEqual(['1', '2', '3']);
    expect(await leases.claim()).toBeNull();
    const [one] = held.filter((each) => each?.id === '1');
    expect(one).toMatchObject({ status: 'running', attempts: 0, scopes: ['executions:control'], createdBy: 'ann' });
  });

  it('an expired lease is taken over where it was, and its former holder writes nothing any more', async () => {
    await create('1');
    const first = (await leases.claim())!;
    expect(await leases.record('1', first.token, progress(4), 'held')).toBe('held');
    await expire('1');
    const second = (await leases.claim())!;
    expect(second).toMatchObject({ done: 4, lastId: '4', attempts: 1 });
    for (const next of ['held', 'released', 'completed', 'failed'] as const)
      expect(await leases.record('1', first.token, progress(9), next)).toBe('lost');
    expect(await operations.byId('default', '1')).toMatchObject({ status: 'running', done: 4 });
    expect(await leases.record('1', second.token, progress(5), 'completed')).toBe('held');
    expect(await operations.byId('default', '1')).toMatchObject({ status: 'completed', done: 5, endedAt: expect.any(Number) as number });
    expect(await leases.claim()).toBeNull();
  });

  it('counts lost holders until somebody gets on; one that gives it back is not counted', async () => {
    await create('1');
    let held = (await leases.claim())!;
    for (const attempts of [1, 2]) {
      await leases.record('1', held.token, progress(0, '0'), 'held'); // alive, and no further
      await expire('1');
      held = (await leases.claim())!;
      expect(held.attempts).toBe(attempts);
    }
    await leases.record('1', held.token, progress(1), 'released');
    held = (await leases.claim())!;
    expect(held).toMatchObject({ attempts: 0, lastId: '1', status: 'running' });
    await leases.record('1', held.token, progress(1), 'released');
    expect((await leases.claim())!.attempts).toBe(0);
  });

  it.each(['held', 'released', 'completed', 'failed'] as const)(
    'what was aborted stays so, whatever its holder says next (%s), and still counts',
    async (next) => {
      await create('1');
      const { token } = (await leases.claim())!;
      const aborted = (await operations.abort('default', '1'))!;
      expect(await leases.record('1', token, progress(7), next)).toBe('aborted');
      expect(await operations.byId('default', '1')).toMatchObject({ status: 'aborted', done: 7, endedAt: aborted.endedAt });
      await expire('1');
      expect(await leases.claim()).toBeNull();
    },
  );

  it('is about what was there when it was asked for, also where the ids of other nodes are ahead', async () => {
    await db.query(
      `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at)
       SELECT n, CASE n WHEN 900 THEN 'other' ELSE 'default' END, 1, 'a', 'a', '1.0.0', '1.0.0', 'latest', 'playbook', '', 'running', now(), now() FROM unnest('{5, 70, 900}'::int[]) n`,
    );
    await create('50');
    expect((await leases.claim())!.upToId).toBe('70');
    await create('80');
    expect((await leases.claim())!.upToId).toBe('80');
  });
});
