import { problemOf } from '../../src/common/problem.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { query } from '../support/sql.js';

describe('a transaction whose connection is lost', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  it('between two statements says that the database is away, not that the service has a fault', async () => {
    const db = createDataSource(database.url, { poolSize: 1 });
    await db.initialize();
    const error: unknown = await db
      .transaction(async (tx) => {
        const [{ pid }] = await tx.query<[{ pid: number }]>('SELECT pg_backend_pid() AS pid');
        await query(database.url, `SELECT pg_terminate_backend(${pid})`);
        while (tx.queryRunner?.isReleased === false) await new Promise((resolve) => setTimeout(resolve, 10));
      })
      .catch((reason: unknown) => reason);
    await db.destroy();
    expect(problemOf(error)).toMatchObject({ status: 503, code: 'database_unavailable', unexpected: false });
  });
});
