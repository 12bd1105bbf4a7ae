import pg from 'pg';
import { createTestDatabase } from '../support/database.js';

describe(createTestDatabase.name, () => {
  it('makes databases that do not see each other', async () => {
    const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    try {
      await run(one.url, 'CREATE TABLE mine (id int)');
      await expect(run(two.url, 'SELECT * FROM mine')).rejects.toThrow('relation "mine" does not exist');
    } finally {
      await Promise.all([one.drop(), two.drop()]);
    }
    await expect(run(one.url, 'SELECT 1')).rejects.toThrow('does not exist');
  });
});

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
