import pg from 'pg';

const TABLES = ['playbook', 'playbook_tag', 'execution', 'execution_payload', 'execution_event', 'execution_inbox'] as const;

/** What a statement finds in a database, outside the service. */
export async function query<Row extends object>(databaseUrl: string, statement: string, values: readonly unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<Row>(statement, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** Rows of every table that requests write to. */
export async function countRows(databaseUrl: string): Promise<Readonly<Record<string, number>>> {
  const counts = TABLES.map((table) => `(SELECT count(*)::int FROM ${table}) AS ${table}`).join(', ');
  const [row] = await query<Record<string, number>>(databaseUrl, `SELECT ${counts}`);
  return row!;
}
