import { randomUUID } from 'node:crypto';
import { newRun, ScriptedRun } from '../../src/engine/testing/scripted-run.js';
import { createDataSource, MIGRATIONS } from '../../src/storage/connection/data-source.js';
import { ENTITIES } from '../../src/storage/entities/entities.js';
import { firstIdAt, IdMint, NodeNumberExpired } from '../../src/storage/ids.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { NodeNumberLease } from '../../src/storage/connection/node-number.js';
import { Partitions } from '../../src/storage/upkeep/partitions.js';
import { runMigrations } from '../../src/storage/connection/run-migrations.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, openStorage, readStoredRun } from '../support/storage.js';

let database: TestDatabase;
afterEach(async () => database.drop());

describe(runMigrations.name, () => {
  it('runs once where three nodes start together, and goes down and up again', async () => {
    database = await createTestDatabase();
    const ran = await Promise.all([1, 2, 3].map(() => runMigrations(database.url, SILENT_LOG)));
    expect(ran.flat()).toHaveLength(MIGRATIONS.length);
    const db = await createDataSource(database.url, { poolSize: 1 }).initialize();
    for (let i = 0; i < MIGRATIONS.length; i++) await db.undoLastMigration();
    await db.destroy();
    expect(await runMigrations(database.url, SILENT_LOG)).toHaveLength(MIGRATIONS.length);
  });

  it('makes the columns the entities name', async () => {
    database = await createMigratedDatabase();
    const db = await createDataSource(database.url, { poolSize: 1 }).initialize();
    for (const entity of ENTITIES) {
      const columns = await db.query<{ column_name: string }[]>(
        `SELECT column_name FROM information_schema.columns WHERE table_name = $1`,
        [db.getMetadata(entity).tableName],
      );
      const named = db.getMetadata(entity).columns.map((column) => column.databaseName);
      expect(named.sort()).toEqual(columns.map((column) => column.column_name).sort());
    }
    await db.destroy();
  });
});

describe(NodeNumberLease.name, () => {
  it('gives nodes different numbers, starts above what an earlier owner minted, and mints nothing once it expired', async () => {
    database = await createMigratedDatabase();
    const db = await createDataSource(database.url, { poolSize: 3 }).initialize();
    let monotonic = 0;
    const lease = new NodeNumberLease(
      db,
      SILENT_LOG,
      () => Date.now(),
      () => monotonic,
    );
    const others = Array.from({ length: 5 }, () => new NodeNumberLease(db, SILENT_LOG));
    await Promise.all([lease, ...others].map((each) => each.start()));
    const numbers = [lease, ...others].map((each) => each.current()?.number);
    expect(new Set(numbers).size).toBe(6);
    const mint = new IdMint(lease.current);
    const last = BigInt(mint.next());
    monotonic += 60_001;
    expect(() => mint.next()).toThrow(NodeNumberExpired);

    // Its owner never came back; all other numbers are taken or further ahead.
    await db.query(`UPDATE node SET lease_until = clock_timestamp() - interval '1 second' WHERE number = $1`, [
      lease.current()?.number ?? numbers[0],
    ]);
    await db.query(
      `INSERT INTO node SELECT n, gen_random_uuid(), clock_timestamp() + interval '1 hour', 0 FROM generate_series(0, 1023) n ON CONFLICT DO NOTHING`,
    );
    const heir = new NodeNumberLease(db, SILENT_LOG, () => Date.now() - 3_600_000);
    await heir.start();
    expect(heir.current()?.number).toBe(numbers[0]);
    expect(BigInt(new IdMint(heir.current, () => Date.now() - 3_600_000).next()) > last).toBe(true);

    await lease.renew().catch(() => undefined);
    expect(lease.current()).toBeNull();
    for (const each of [lease, heir, ...others]) await each.stop();
    await db.destroy();
  });
});

describe(Partitions.name, () => {
  it('makes this week and two ahead once, and takes in what DEFAULT caught', async () => {
    database = await createMigratedDatabase();
    const node = await openStorage(database.url);
    const run = new ScriptedRun(node.store, newRun(String(firstIdAt(Date.now()))), randomUUID());
    await run.create();
    const errors: string[] = [];
    const log = { ...SILENT_LOG, error: (_fields: object, message: string) => void errors.push(message) };
    const partitions = new Partitions(node.db, log);
    const made = await Promise.all([partitions.ensure(), new Partitions(node.db, log).ensure()]);
    expect(made.flat()).toHaveLength(9);
    expect(await partitions.ensure()).toEqual([]);
    expect(errors).toEqual([]);
    const tables = await node.db.query<{ t: string }[]>(
      `SELECT tableoid::regclass::text AS t FROM execution_event WHERE execution_id = $1`,
      [run.runId],
    );
    expect(tables[0]?.t).toMatch(/^execution_event_\d{8}$/);
    expect(await readStoredRun(node.db, run.runId)).toMatchObject({ lastSeq: 1 });
    await new ScriptedRun(node.store, newRun('5'), randomUUID()).create();
    await partitions.ensure();
    expect(errors).toHaveLength(2);
    await node.close();
  });

  it('a node starts also where a backup reads history and a week is missing far ahead; the week is made later', async () => {
    database = await createMigratedDatabase();
    const db = await createDataSource(database.url, { poolSize: 3 }).initialize();
    await new Partitions(db, SILENT_LOG).ensure();
    const warnings: string[] = [];
    const log = { ...SILENT_LOG, warn: (_fields: object, message: string) => void warnings.push(message) };
    const inAWeek = new Partitions(db, log, () => Date.now() + 7 * 86_400_000);
    const backup = db.createQueryRunner();
    await backup.startTransaction();
    await backup.query('LOCK TABLE execution_event, execution_payload, execution_blob IN ACCESS SHARE MODE');
    await inAWeek.start();
    inAWeek.stop();
    expect(warnings).toEqual(['partitions are made later: somebody reads history for long']);
    await backup.rollbackTransaction();
    await backup.release();
    expect(await inAWeek.ensure()).toHaveLength(3);
    await db.destroy();
  });
});
