import { createHash } from 'node:crypto';
import { type DataSource } from 'typeorm';
import { CatalogService, type EntryReference } from '../../src/catalog/catalog.service.js';
import { EntryStatusService } from '../../src/catalog/entry-status.service.js';
import { PathVersions } from '../../src/catalog/path-versions.js';
import { TagService } from '../../src/catalog/tag.service.js';
import { versionColumns } from '../../src/catalog/version.js';
import { ANONYMOUS } from '../../src/common/principal.js';
import { type Playbook } from '../../src/engine/playbook/playbook.js';
import { type CatalogEntry } from '../../src/storage/catalog-entry.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { PlaybookRepository } from '../../src/storage/repositories/playbook.repository.js';
import { PlaybookTagRepository } from '../../src/storage/repositories/playbook-tag.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const TENANT = ANONYMOUS.tenant;
let database: TestDatabase;
let db: DataSource;
let playbooks: PlaybookRepository;
let tags: PlaybookTagRepository;
let lastId = 0;

/** The catalog of one node, with a clock of its own. */
class Node {
  now = 0;
  reads = 0;
  readonly paths = new PathVersions(
    async (tenantId, path) => {
      this.reads += 1;
      const tagged = await tags.tagsOf(tenantId, path);
      return { versions: await playbooks.versionsOf(tenantId, path), tags: new Map(tagged.map((each) => [each.tag, each.catalogId])) };
    },
    () => this.now,
  );
  readonly catalog = new CatalogService(playbooks, this.paths);
  readonly status = new EntryStatusService(playbooks, this.paths);
  readonly tags = new TagService(tags, this.catalog, this.paths);

  async add(path: string, version: string, name = path.split('/').at(-1) ?? path): Promise<CatalogEntry> {
    const source = `${path} ${version}`;
    const entry = {
      id: String((lastId += 1)),
      name,
      kind: 'Playbook',
      version: versionColumns(version),
      digest: createHash('sha256').update(source).digest('hex'),
      source,
      normalised: { metadata: { name, path }, workload: {} } as unknown as Playbook,
      description: null,
      warnings: [],
      registeredBy: 'anonymous',
    };
    const registered = await playbooks.register(TENANT, path, [], 'anonymous', () => ({ add: entry }));
    this.paths.forget(TENANT, path);
    return registered.entry;
  }

  async version(reference: EntryReference): Promise<string> {
    const { entry } = await this.catalog.resolve(TENANT, reference);
    return `${entry.path} ${entry.version}`;
  }
}

const byId = (id: string, version: string | null = null): EntryReference => ({ style: 'id', id, version });
const byPath = (path: string, version: string | null = null): EntryReference => ({ style: 'path', path, version });

beforeAll(async () => {
  database = await createTestDatabase();
  db = await createDataSource(database.url, { poolSize: 5 }).initialize();
  await db.runMigrations();
  playbooks = new PlaybookRepository(db);
  tags = new PlaybookTagRepository(db);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

describe(CatalogService.name, () => {
  let node: Node;
  let first: CatalogEntry;
  beforeAll(async () => {
    node = new Node();
    first = await node.add('demo/hello', '2.0.0');
    await node.add('demo/hello', '1.2.0');
    await node.add('demo/hello', '1.1.0');
  });

  it.each<[string, EntryReference, string]>([
    ['no version by path: the highest', byPath('demo/hello'), '2.0.0'],
    ['no version by id: the last registered', byId('demo/hello'), '1.1.0'],
    ['latest by id: the highest', byId('demo/hello', 'latest'), '2.0.0'],
    ['a version by id', byId('demo/hello', '^1.1'), '1.2.0'],
    ['behind @', byId('demo/hello@1.2'), '1.2.0'],
    ['behind : of a file name', byPath('/demo/hello.yaml:v1.1.0'), '1.1.0'],
    ['behind @, over the default of the field', byPath('demo/hello@1.1.0', 'latest'), '1.1.0'],
    ['a revision', byPath('demo/hello', '2'), '1.2.0'],
    ['the path and the name', byPath('demo/hello/hello', '1.x'), '1.2.0'],
    ['the path and the name by id', byId('demo/hello/hello'), '1.1.0'],
  ])('%s', async (_name, reference, expected) => expect(await node.version(reference)).toBe(`demo/hello ${expected}`));

  it('takes a catalog id, which is a path where there is no such id', async () => {
    expect(await node.version(byId(first.id))).toBe('demo/hello 2.0.0');
    await node.add('777777777', '1.0.0');
    expect(await node.version(byId('777777777'))).toBe('777777777 1.0.0');
    await expect(node.version(byPath(first.id))).rejects.toMatchObject({ code: 'unknown_playbook' });
  });

  it.each<[string, EntryReference, string]>([
    ['an unknown path', byPath('demo/none'), 'unknown_playbook'],
    ['the path and another name', byPath('demo/hello/other'), 'unknown_playbook'],
    ['an unknown id', byId('999'), 'unknown_playbook'],
    ['an unknown version', byPath('demo/hello', '9.9.9'), 'unknown_version'],
    ['an unknown tag', byPath('demo/hello', 'prod'), 'unknown_tag'],
    ['no version', byPath('demo/hello', '1.2.3.4'), 'invalid_version'],
    ['no path', byPath('../etc/passwd'), 'invalid_path'],
    ['two versions', byPath('demo/hello@1.1.0', '1.2.0'), 'ambiguous_field'],
  ])('refuses %s', async (_name, reference, code) => expect(node.version(reference)).rejects.toMatchObject({ code }));

  it('hides what belongs to another tenant', async () => {
    await expect(node.catalog.resolve('other', byPath('demo/hello'))).rejects.toMatchObject({ code: 'unknown_playbook' });
    await expect(node.catalog.resolve('other', byId(first.id))).rejects.toMatchObject({ code: 'unknown_playbook' });
    await expect(node.catalog.stored('other', first.id)).rejects.toMatchObject({ code: 'unknown_playbook' });
  });

  it('shows an exact version as it was written, everything else canonical', async () => {
    const shown = async (version: string | null): Promise<unknown> => {
      const { shownVersion, requestedVersion } = await node.catalog.resolve(TENANT, byPath('demo/hello', version));
      return [shownVersion, requestedVersion];
    };
    expect(await shown('v1.2.0')).toEqual(['v1.2.0', 'v1.2.0']);
    expect(await shown('^1.0')).toEqual(['1.2.0', '^1.0']);
    expect(await shown(null)).toEqual(['2.0.0', 'latest']);
  });

  it('finds by a name only the entries that have it', async () => {
    await node.add('named/parent', '1.0.0', 'child');
    await node.add('named/parent', '2.0.0', 'renamed');
    expect(await node.version(byPath('named/parent/child'))).toBe('named/parent 1.0.0');
    expect(await node.version(byPath('named/parent'))).toBe('named/parent 2.0.0');
  });

  it('warns of what is out of use, and follows tags', async () => {
    const entry = await node.add('state/one', '1.0.0');
    const newer = await node.add('state/one', '1.1.0');
    await node.tags.put(ANONYMOUS, 'state/one', 'prod', '1.0.0', null);
    expect(await node.version(byPath('state/one', 'prod'))).toBe('state/one 1.0.0');
    await node.status.change(ANONYMOUS, newer.id, 'yanked', 'broken');
    expect(await node.version(byPath('state/one'))).toBe('state/one 1.0.0');
    const pinned = await node.catalog.resolve(TENANT, byPath('state/one', '1.1.0'));
    expect(pinned.warnings).toEqual(['state/one 1.1.0 is yanked: broken']);
    expect((await node.catalog.resolve(TENANT, byId(newer.id))).warnings).toHaveLength(1);
    await expect(node.tags.put(ANONYMOUS, 'state/one', 'next', '1.1.0', null)).rejects.toMatchObject({ code: 'entry_state_conflict' });
    await expect(node.status.change(ANONYMOUS, newer.id, 'deprecated', null)).rejects.toMatchObject({ code: 'entry_state_conflict' });
    await node.status.change(ANONYMOUS, newer.id, 'active', null);
    expect(await node.version(byPath('state/one'))).toBe('state/one 1.1.0');
    await node.status.change(ANONYMOUS, entry.id, 'deprecated', null);
    expect((await node.catalog.resolve(TENANT, byPath('state/one', 'prod'))).warnings).toEqual(['state/one 1.0.0 is deprecated']);
  });
});

describe('two nodes', () => {
  it('sees a registration at once here, and within a second elsewhere', async () => {
    const here = new Node();
    const elsewhere = new Node();
    await here.add('two/nodes', '1.0.0');
    expect(await elsewhere.version(byPath('two/nodes'))).toBe('two/nodes 1.0.0');
    expect(await here.version(byPath('two/nodes'))).toBe('two/nodes 1.0.0');
    await here.add('two/nodes', '1.1.0');
    expect(await here.version(byPath('two/nodes'))).toBe('two/nodes 1.1.0');
    elsewhere.now = 999;
    await elsewhere.version(byPath('two/nodes'));
    elsewhere.now = 1000;
    expect(await elsewhere.version(byPath('two/nodes'))).toBe('two/nodes 1.1.0');
  });

  it('refuses nothing as missing that was registered elsewhere before it was asked', async () => {
    const [here, elsewhere] = [new Node(), new Node()];
    await expect(elsewhere.version(byPath('two/late', '1.0.0'))).rejects.toMatchObject({ code: 'unknown_playbook' });
    await here.add('two/late', '1.0.0');
    expect(await elsewhere.version(byPath('two/late', '1.0.0'))).toBe('two/late 1.0.0');
    await here.add('two/late', '1.1.0');
    // Also where a reading is under way that began before.
    const before = elsewhere.paths.of(TENANT, 'two/late');
    expect(await elsewhere.version(byPath('two/late', '1.1.0'))).toBe('two/late 1.1.0');
    await before;
    await expect(elsewhere.version(byPath('two/late', '1.2.0'))).rejects.toMatchObject({ code: 'unknown_version' });
  });

  it('asks the database once for many starts of one path, unknown ones included', async () => {
    const node = new Node();
    await node.add('two/reads', '1.0.0');
    for (let start = 0; start < 20; start += 1) await node.version(byPath('two/reads/reads', '^1'));
    expect(node.reads).toBe(2);
  });
});
