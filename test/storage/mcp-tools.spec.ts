import { type DataSource } from 'typeorm';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { type NotedDefinition, McpToolRepository } from '../../src/storage/repositories/mcp-tool.repository.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase } from '../support/storage.js';

const ROOM = { ofTool: 2, ofServer: 100 };
let database: TestDatabase;
let db: DataSource;
let tools: McpToolRepository;
let lastId = 0;

beforeAll(async () => {
  database = await createMigratedDatabase();
  db = await createDataSource(database.url, { poolSize: 4 }).initialize();
  tools = new McpToolRepository(db);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

const digestOf = (n: number): string => String(n).padStart(64, '0');
const note = (tool: string, n: number): Promise<NotedDefinition> =>
  tools.note(
    {
      ...{ id: String(++lastId), tenantId: 'a', server: 'files', tool, digest: digestOf(n) },
      ...{ definition: { name: tool }, path: `tools/files/${tool}`, subject: 'me' },
    },
    ROOM,
  );

describe(McpToolRepository.name, () => {
  it('keeps the newest of those that find no room, and what somebody has approved', async () => {
    expect(await note('read', 0)).toMatchObject({ hasRoom: true, record: { status: 'approved' } });
    for (const n of [1, 2]) expect(await note('read', n)).toMatchObject({ hasRoom: true, record: { status: 'held' } });
    for (const n of [3, 4]) expect(await note('read', n)).toMatchObject({ hasRoom: false, record: { status: 'held' } });
    const digests = async (): Promise<string[]> => (await tools.definitions('a', 'files', 'read')).map(({ digest }) => digest).sort();
    expect(await digests()).toEqual([0, 1, 2, 4].map(digestOf));
    await tools.approve('a', 'files', 'read', digestOf(4), 'ann');
    expect(await note('read', 5)).toMatchObject({ hasRoom: false });
    expect(await digests()).toEqual([0, 1, 2, 4, 5].map(digestOf));
  });

  it('a definition that is to go stays where it has been approved meanwhile', async () => {
    await note('write', 0);
    const [{ record: decided }, { record: undecided }] = [await note('write', 1), await note('write', 2)];
    await tools.approve('a', 'files', 'write', digestOf(1), 'ann');
    for (const record of [decided, undecided]) await tools.forget(record);
    const left = await tools.definitions('a', 'files', 'write');
    expect(left.map(({ digest, approvedBy }) => [digest, approvedBy]).sort()).toEqual([
      [digestOf(0), 'me'],
      [digestOf(1), 'ann'],
    ]);
  });
});
