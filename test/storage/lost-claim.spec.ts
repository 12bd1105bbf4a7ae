import pg from 'pg';
import { claimDue, UnreadableClaim } from '../../src/storage/claiming/claim.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { LeaseTerm } from '../../src/storage/lease-term.js';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { type TestDatabase } from '../support/database.js';
import { query } from '../support/sql.js';
import { createMigratedDatabase } from '../support/storage.js';

describe('a claim whose connection is lost while it reads its rows', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createMigratedDatabase();
  });
  afterAll(() => database.drop());

  it('says that the database is away, not that the rows cannot be read', async () => {
    await query(
      database.url,
      `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status,
         created_at, updated_at, wake_at)
       VALUES (1, 'default', 1, 'p', 'p', '1.0.0', '1.0.0', 'latest', 'playbook', 'd', 'pending', now(), now(), now())`,
    );
    const proxy = await CuttingProxy.before(database.url);
    const db = createDataSource(proxy.url, { poolSize: 1 });
    await db.initialize();
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query('BEGIN; LOCK TABLE execution_payload IN ACCESS EXCLUSIVE MODE');
    const claim = claimDue(db, new LeaseTerm(60_000), 10, []).catch((error: unknown) => error);
    while (
      (
        await query(
          database.url,
          `SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        )
      ).length === 0
    )
      await new Promise((done) => setTimeout(done, 10));
    proxy.arm('reply');
    await other.query('COMMIT');
    const error = await claim;
    await other.end();
    await db.destroy();
    await proxy.close();
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(UnreadableClaim);
    expect(await query(database.url, 'SELECT lease_token FROM execution')).toEqual([{ lease_token: null }]);
  });
});
