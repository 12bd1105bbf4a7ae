import { createHash } from 'node:crypto';
import { type DataSource } from 'typeorm';
import { versionColumns } from '../../src/catalog/version.js';
import { type Playbook } from '../../src/engine/playbook/playbook.js';
import { type JsonObject } from '../../src/engine/values.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { CatalogHeadRepository } from '../../src/storage/repositories/catalog-head.repository.js';
import { PlaybookRepository } from '../../src/storage/repositories/playbook.repository.js';
import { generatedToolNames } from '../../src/storage/tool-names.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const TENANT = 'default';
let database: TestDatabase;
let db: DataSource;
let playbooks: PlaybookRepository;
let heads: CatalogHeadRepository;
let lastId = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await createDataSource(database.url, { poolSize: 10 }).initialize();
  await db.runMigrations();
  playbooks = new PlaybookRepository(db);
  heads = new CatalogHeadRepository(db);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

async function add(path: string, version: string, contract: JsonObject = {}, description = '', tenant = TENANT): Promise<string> {
  const id = String(++lastId);
  const name = path.split('/').at(-1)!;
  const metadata = { name, path, version, description };
  await playbooks.register(tenant, path, [], 'anonymous', () => ({
    add: {
      id,
      name,
      kind: 'Playbook',
      version: versionColumns(version),
      digest: createHash('sha256').update(`${path} ${version}`).digest('hex'),
      source: 'text',
      normalised: { metadata, workload: {}, workflow: [], contract } as unknown as Playbook,
      description,
      warnings: [],
      registeredBy: 'anonymous',
    },
  }));
  return id;
}

const nameOf = async (path: string, tenant = TENANT): Promise<string | undefined> => (await heads.byPath(tenant, path))?.toolName;
const names = (found: readonly { toolName: string }[]): string[] => found.map(({ toolName }) => toolName);

describe(generatedToolNames.name, () => {
  it.each([
    ['billing/close_month', 'billing_close_month'],
    ['Billing/Close.Month', 'billing_close_month'],
    ['a/very/long/path/of/many/segments/that/ends/here', 'path_of_many_segments_that_ends_here'],
    ['execute', expect.stringMatching(/^execute_[0-9a-f]{8}$/)],
    [`x/${'y'.repeat(60)}`, expect.stringMatching(/^y{31}_[0-9a-f]{8}$/)],
  ])('%s', (path, expected) => {
    const [first, second] = generatedToolNames(path);
    expect(first).toEqual(expected);
    expect(second).toMatch(/^[a-z0-9_-]{1,40}$/);
  });
});

describe('the head of a path', () => {
  it('follows what latest means, and goes with the last version that can be chosen', async () => {
    const first = await add('heads/one', '1.0.0');
    const second = await add('heads/one', '2.0.0', { title: 'Two' });
    await add('heads/one', '1.5.0');
    expect(await heads.byPath(TENANT, 'heads/one')).toMatchObject({ entryId: second, version: '2.0.0', card: { title: 'Two' } });
    await playbooks.changeStatus(TENANT, second, ['active'], 'deprecated', null);
    expect(await heads.byPath(TENANT, 'heads/one')).toMatchObject({ version: '1.5.0' });
    const all = await playbooks.versionsOf(TENANT, 'heads/one');
    for (const { id } of all) await playbooks.changeStatus(TENANT, id, ['active', 'deprecated'], 'yanked', null);
    expect(await heads.byPath(TENANT, 'heads/one')).toBeNull();
    await playbooks.changeStatus(TENANT, first, ['yanked'], 'active', null);
    expect(await heads.byPath(TENANT, 'heads/one')).toMatchObject({ version: '1.0.0' });
  });

  it('keeps a generated name for ever; of two paths that want one, the second gets a hash; tenants share none', async () => {
    await add('names/a_b', '1.0.0');
    await add('names_a/b', '1.0.0');
    await add('names_a/b', '1.0.0', {}, '', 'other');
    await add('names_a/b', '2.0.0');
    expect(await nameOf('names/a_b')).toBe('names_a_b');
    expect(await nameOf('names_a/b')).toBe(generatedToolNames('names_a/b')[1]);
    expect(await nameOf('names_a/b', 'other')).toBe('names_a_b');
  });

  it('twenty paths that want one name at the same time get one each', async () => {
    const paths = Array.from({ length: 20 }, (_unused, index) =>
      `racing/x.${'_'.repeat(index)}y`.replace(/_/g, (_match, at: number) => (at % 2 ? '.' : '_')),
    );
    await Promise.all([...new Set(paths)].map((path) => add(path, '1.0.0')));
    const found = await Promise.all([...new Set(paths)].map((path) => nameOf(path)));
    expect(new Set(found).size).toBe(new Set(paths).size);
  });

  it('an author names a tool, unless it is taken; a status change never fails for a name', async () => {
    await add('authored/one', '1.0.0', { toolName: 'My.Tool' });
    expect(await nameOf('authored/one')).toBe('My.Tool');
    for (const toolName of ['My.Tool', 'execute']) {
      await expect(add('authored/two', '1.0.0', { toolName })).rejects.toMatchObject({ code: 'tool_name_taken', kind: 'conflict' });
    }
    const free = await add('authored/two', '2.0.0');
    await add('authored/two', '1.0.0', { toolName: 'My.Tool' }); // not the latest: nothing to refuse yet
    await playbooks.changeStatus(TENANT, free, ['active'], 'yanked', null);
    expect(await heads.byPath(TENANT, 'authored/two')).toMatchObject({ version: '1.0.0', toolName: 'authored_two' });
  });

  it('is made anew where an older node left it behind', async () => {
    await add('repair/one', '1.0.0');
    await add('repair/two', '1.0.0');
    await db.query(`DELETE FROM catalog_head WHERE path = 'repair/one'`);
    await db.query(`UPDATE catalog_head SET form = 0 WHERE path = 'repair/two'`);
    expect(await heads.repair(new AbortController().signal)).toBe(2);
    expect([await nameOf('repair/one'), await nameOf('repair/two')]).toEqual(['repair_one', 'repair_two']);
    expect(await heads.repair(new AbortController().signal)).toBe(0);
  });
});

describe('lists and searches', () => {
  it('pages by name, also of one list', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await add(`lists/${name}`, '1.0.0', { expose: name === 'c' ? [] : ['set'] }, '', 'lists');
    const filter = { kinds: ['Playbook'], exposedOn: 'set' };
    expect(names(await heads.page('lists', filter, null, 2))).toEqual(['lists_a', 'lists_b']);
    expect(names(await heads.page('lists', filter, 'lists_b', 2))).toEqual(['lists_d']);
    expect(names(await heads.page('lists', { ...filter, exposedOn: null }, 'lists_b', 9))).toEqual(['lists_c', 'lists_d']);
    expect(await heads.page('other', filter, null, 9)).toEqual([]);
  });

  it('finds by beginnings and stems of words, by parts of names and by any of several words, best first', async () => {
    await add('finance/close_month', '1.0.0', {}, 'Closes the books of a month and bills customers', 'search');
    await add('finance/open_month', '1.0.0', {}, 'Opens a month', 'search');
    await add('hr/onboarding', '1.0.0', {}, 'Welcomes people', 'search');
    const found = async (text: string): Promise<string[]> => names(await heads.search('search', text, ['Playbook'], 10));
    expect(await found('billing')).toEqual(['finance_close_month']);
    expect(await found('clos')).toEqual(['finance_close_month']);
    expect(await found('boardin')).toEqual(['hr_onboarding']);
    expect((await found('close the month'))[0]).toBe('finance_close_month');
    expect(await found(`'; DROP TABLE x; --%_\\`)).toEqual([]);
    expect(await found('  ')).toHaveLength(3);
    expect(await found('no_such_thing')).toEqual([]);
  });
});
