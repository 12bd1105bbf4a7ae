import { createHash } from 'node:crypto';
import pg from 'pg';
import { type DataSource } from 'typeorm';
import { nextVersion, versionColumns } from '../../src/catalog/version.js';
import { NO_CONTRACT, type Playbook } from '../../src/engine/playbook/playbook.js';
import { CATALOG_CHANNEL, parseChange, type CatalogChange } from '../../src/storage/catalog-changes.js';
import { type CatalogEntry } from '../../src/storage/catalog-entry.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { PlaybookListingRepository } from '../../src/storage/repositories/playbook-listing.repository.js';
import { type NewEntry, PlaybookRepository, type Registered } from '../../src/storage/repositories/playbook.repository.js';
import { PlaybookTagRepository } from '../../src/storage/repositories/playbook-tag.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const TENANT = 'default';
let database: TestDatabase;
let db: DataSource;
let playbooks: PlaybookRepository;
let tags: PlaybookTagRepository;
let listing: PlaybookListingRepository;
let lastId = 100;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await createDataSource(database.url, { poolSize: 10 }).initialize();
  await db.runMigrations();
  playbooks = new PlaybookRepository(db);
  tags = new PlaybookTagRepository(db);
  listing = new PlaybookListingRepository(db);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

function newEntry(path: string, version: string, source: string, overrides: Partial<NewEntry> = {}): NewEntry {
  lastId += 1;
  const normalised = { apiVersion: 'noetl.io/v1', metadata: { name: path }, workflow: [{ name: 'start' }, { name: 'end' }] };
  return {
    id: String(lastId),
    name: path.split('/').at(-1) ?? path,
    kind: 'Playbook',
    version: versionColumns(version),
    digest: createHash('sha256').update(source).digest('hex'),
    source,
    normalised: normalised as unknown as Playbook,
    description: `about ${source}`,
    warnings: [],
    registeredBy: 'anonymous',
    ...overrides,
  };
}

function add(path: string, version: string, overrides: Partial<NewEntry> = {}, tenantId = TENANT): Promise<Registered> {
  return playbooks.register(tenantId, path, [], 'anonymous', () => ({ add: newEntry(path, version, `${path} ${version}`, overrides) }));
}

describe(PlaybookRepository.name, () => {
  it('numbers 50 registrations of one path at the same time one after the other', async () => {
    const register = (index: number): Promise<Registered> =>
      playbooks.register(TENANT, 'race/one', [], 'anonymous', (versions) => ({
        add: newEntry('race/one', nextVersion(versions.map((each) => each.version)), `text ${index}`),
      }));
    const registered = await Promise.all(Array.from({ length: 50 }, (_, index) => register(index)));
    const expected = Array.from({ length: 50 }, (_, index) => [index + 1, `1.0.${index}`]);
    expect(registered.map(({ entry }) => [entry.revision, entry.version]).sort((a, b) => Number(a[0]) - Number(b[0]))).toEqual(expected);
    const stored = await playbooks.versionsOf(TENANT, 'race/one');
    expect(stored.map((entry) => entry.revision)).toEqual(Array.from({ length: 50 }, (_, index) => 50 - index));
    expect(stored.every((entry, index) => index === 0 || entry.registeredAt <= (stored[index - 1] as CatalogEntry).registeredAt)).toBe(
      true,
    );
  });

  it('lets exactly one of many identical registrations through', async () => {
    const register = (): Promise<Registered> =>
      playbooks.register(TENANT, 'race/same', [], 'anonymous', ([existing]) =>
        existing ? { existing } : { add: newEntry('race/same', '1.0.0', 'text') },
      );
    const registered = await Promise.all(Array.from({ length: 20 }, register));
    expect(registered.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(registered.map(({ entry }) => entry.id)).size).toBe(1);
  });

  it('adds nothing where the decision refuses', async () => {
    const refuse = (): never => {
      throw new Error('refused');
    };
    await expect(playbooks.register(TENANT, 'race/none', ['prod'], 'anonymous', refuse)).rejects.toThrow('refused');
    expect(await playbooks.versionsOf(TENANT, 'race/none')).toEqual([]);
    expect(await tags.tagsOf(TENANT, 'race/none')).toEqual([]);
  });

  it('gives back what was stored, to its tenant only', async () => {
    const warnings = [{ code: 'unreachable_step', message: 'No path leads here.', line: 3, column: 5, pointer: '/workflow/1' }] as const;
    const { entry } = await add('kept/whole', '1.2.0-rc.1', { warnings });
    expect(await playbooks.versionsOf(TENANT, 'kept/whole')).toEqual([entry]);
    expect(await playbooks.entryById(TENANT, entry.id)).toEqual(entry);
    expect(await playbooks.storedById(TENANT, entry.id)).toEqual({
      ...entry,
      warnings,
      source: 'kept/whole 1.2.0-rc.1',
      description: 'about kept/whole 1.2.0-rc.1',
      contract: NO_CONTRACT, // rows of before there were contracts have none
    });
    expect(await playbooks.normalisedById(TENANT, entry.id)).toMatchObject({
      playbook: { metadata: { name: 'kept/whole' }, contract: NO_CONTRACT },
    });
    expect(await playbooks.entryById('other', entry.id)).toBeNull();
    expect(await playbooks.storedById('other', entry.id)).toBeNull();
    expect(await playbooks.normalisedById('other', entry.id)).toBeNull();
    expect(await playbooks.entriesById('other', [entry.id])).toEqual([]);
    expect(await playbooks.versionsOf('other', 'kept/whole')).toEqual([]);
  });

  it('keeps the paths of tenants apart', async () => {
    await add('two/tenants', '1.0.0');
    const { entry } = await add('two/tenants', '1.0.0', {}, 'other');
    expect(entry.revision).toBe(1);
  });

  it('changes a status only from the states named, in the own tenant', async () => {
    const { entry } = await add('state/one', '1.0.0');
    expect(await playbooks.changeStatus('other', entry.id, ['active'], 'yanked', null)).toBe(false);
    expect(await playbooks.changeStatus(TENANT, entry.id, ['deprecated'], 'active', null)).toBe(false);
    expect(await playbooks.changeStatus(TENANT, entry.id, ['active'], 'deprecated', 'too old')).toBe(true);
    expect(await playbooks.entryById(TENANT, entry.id)).toMatchObject({ status: 'deprecated', statusReason: 'too old' });
  });

  it('tells other nodes of registrations, states and tags when they are committed', async () => {
    const heard: (CatalogChange | null)[] = [];
    const listener = new pg.Client({ connectionString: database.url });
    await listener.connect();
    try {
      listener.on('notification', ({ payload }) => heard.push(parseChange(payload ?? '')));
      await listener.query(`LISTEN ${CATALOG_CHANNEL}`);
      const { entry } = await add('heard/one', '1.0.0');
      await playbooks.changeStatus(TENANT, entry.id, ['active'], 'deprecated', null);
      await tags.move({ tenantId: TENANT, path: 'heard/one', tag: 'prod', to: entry.id, subject: 'anonymous' }, null);
      await playbooks.register(TENANT, 'heard/one', [], 'anonymous', () => ({ existing: entry }));
      await listener.query('SELECT 1'); // notices arrive before the answer of a later query
      await listener.query('SELECT 1');
      expect(heard).toEqual(Array(3).fill({ tenantId: TENANT, path: 'heard/one' }));
    } finally {
      await listener.end();
    }
  });
});

describe(PlaybookTagRepository.name, () => {
  const path = 'tags/one';
  let first: CatalogEntry;
  let second: CatalogEntry;
  beforeAll(async () => {
    first = (await add(path, '1.0.0')).entry;
    second = (await add(path, '2.0.0')).entry;
  });
  const command = (to: string | null, tag = 'prod'): Parameters<PlaybookTagRepository['move']>[0] => ({
    tenantId: TENANT,
    path,
    tag,
    to,
    subject: 'anonymous',
  });

  it('moves with a new etag each time, keeps the history, and moves nothing twice', async () => {
    const made = await tags.move(command(first.id), null);
    const same = await tags.move(command(first.id), null);
    expect(same).toEqual(made);
    const moved = await tags.move(command(second.id), null);
    expect(moved).toMatchObject({ kind: 'moved', tag: { catalogId: second.id } });
    expect(moved.kind === 'moved' && made.kind === 'moved' && moved.tag?.etag !== made.tag?.etag).toBe(true);
    expect(await tags.move(command(null), null)).toEqual({ kind: 'moved', tag: null });
    expect(await tags.move(command(null), null)).toEqual({ kind: 'unknown' });
    const moves = await tags.movesOf(TENANT, path, 10, null);
    expect(moves.map(({ from, to }) => [from, to])).toEqual([
      [second.id, null],
      [first.id, second.id],
      [null, first.id],
    ]);
    expect(await tags.movesOf(TENANT, path, 10, moves[1]?.id ?? '')).toEqual([moves[2]]);
    expect(await tags.movesOf('other', path, 10, null)).toEqual([]);
  });

  it('refuses what does not meet the condition', async () => {
    expect(await tags.move(command(first.id, 'canary'), 'any')).toEqual({ kind: 'mismatch' });
    const made = await tags.move(command(first.id, 'canary'), null);
    const etag = made.kind === 'moved' ? (made.tag?.etag ?? '') : '';
    expect(await tags.move(command(second.id, 'canary'), ['00000000-0000-0000-0000-000000000000'])).toEqual({ kind: 'mismatch' });
    expect(await tags.move(command(second.id, 'canary'), [etag])).toMatchObject({ kind: 'moved' });
    expect(await tags.move(command(null, 'canary'), [etag])).toEqual({ kind: 'mismatch' });
    expect(await tags.move(command(null, 'canary'), 'any')).toMatchObject({ kind: 'moved' });
  });

  it('lets one of two writers win who read the same state', async () => {
    const made = await tags.move(command(first.id, 'race'), null);
    const etag = made.kind === 'moved' ? (made.tag?.etag ?? '') : '';
    const outcomes = await Promise.all([tags.move(command(second.id, 'race'), [etag]), tags.move(command(null, 'race'), [etag])]);
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['mismatch', 'moved']);
  });

  it('moves tags with a registration, or not at all', async () => {
    const registered = await playbooks.register(TENANT, path, ['blue', 'green'], 'anonymous', () => ({
      add: newEntry(path, '3.0.0', 'third'),
    }));
    const current = await tags.tagsOf(TENANT, path);
    expect(current.filter(({ catalogId }) => catalogId === registered.entry.id).map(({ tag }) => tag)).toEqual(['blue', 'green']);
  });
});

describe(PlaybookListingRepository.name, () => {
  const tenant = 'lists';
  const list = async (kind: string | null, text: string | null, after: string | null = null, limit = 10): Promise<string[]> =>
    (await listing.list(tenant, { kind, text }, after, limit)).map((entry) => `${entry.path} ${entry.version}`);

  beforeAll(async () => {
    for (const version of ['1.9.0', '1.10.0', '2.0.0-rc.1']) await add('b/releases', version, {}, tenant);
    for (const version of ['1.0.0-rc.10', '1.0.0-rc.9', '1.0.0-beta']) await add('a/previews', version, {}, tenant);
    const old = await add('c/old', '1.0.0', {}, tenant);
    await playbooks.changeStatus(tenant, old.entry.id, ['active'], 'deprecated', null);
    const gone = await add('d/gone', '1.0.0', {}, tenant);
    await playbooks.changeStatus(tenant, gone.entry.id, ['active'], 'yanked', null);
    const high = await add('e/half', '2.0.0', { description: 'about 100%_sure' }, tenant);
    await add('e/half', '1.0.0', { description: 'monthly report' }, tenant);
    await playbooks.changeStatus(tenant, high.entry.id, ['active'], 'deprecated', null);
  });

  it('shows per path what latest means, in the order of paths', async () => {
    expect(await list(null, null)).toEqual(['a/previews 1.0.0-rc.10', 'b/releases 1.10.0', 'c/old 1.0.0', 'e/half 1.0.0']);
  });

  it('goes on after a path', async () => {
    expect(await list(null, null, null, 2)).toEqual(['a/previews 1.0.0-rc.10', 'b/releases 1.10.0']);
    expect(await list(null, null, 'b/releases', 2)).toEqual(['c/old 1.0.0', 'e/half 1.0.0']);
  });

  it('filters by kind and text, taken word for word', async () => {
    expect(await list('playbook', 'MONTHLY')).toEqual(['e/half 1.0.0']);
    expect(await list('tool', null)).toEqual([]);
    expect(await list(null, '100%')).toEqual([]);
    expect(await list(null, 'a_previews')).toEqual([]);
    expect(await list(null, 'elease')).toEqual(['b/releases 1.10.0']);
  });

  it('counts the steps', async () => {
    const [entry] = await listing.list(tenant, { kind: null, text: null }, null, 1);
    expect(entry?.stepCount).toBe(2);
  });

  it('reads what it shows, however many versions there are', async () => {
    await add('many/first', '1.0.0', {}, 'many');
    await db.query(
      `INSERT INTO playbook (id, tenant_id, path, name, kind, version, version_major, version_minor, version_patch, version_prerelease, revision, digest, source,
         normalised, registered_by)
       SELECT 900000 + n, 'many', 'many/first', name, kind, '0.0.' || n, 0, 0, n, '~', n + 1, digest, source, normalised, registered_by
       FROM playbook, generate_series(1, 2000) n WHERE tenant_id = 'many'`,
    );
    const one = await createDataSource(database.url, { poolSize: 1 }).initialize();
    const rowsRead = async (): Promise<number> => {
      await one.query('SELECT pg_stat_force_next_flush()');
      const [row] = await one.query<{ read: string }[]>(
        `SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS read FROM pg_stat_user_tables WHERE relname = 'playbook'`,
      );
      return Number(row!.read);
    };
    const before = await rowsRead();
    const pages = new PlaybookListingRepository(one);
    expect(await pages.list('many', { kind: null, text: null }, null, 10)).toMatchObject([{ path: 'many/first', version: '1.0.0' }]);
    expect(await pages.list('many', { kind: null, text: 'nowhere' }, null, 10)).toEqual([]);
    expect(await pages.below('many', 'many', 10)).toEqual([{ path: 'many/first', version: '1.0.0' }]);
    expect((await rowsRead()) - before).toBeLessThan(100);
    await one.destroy();
  });
});
