import { Global, Module } from '@nestjs/common';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { CatalogModule } from '../../src/catalog/catalog.module.js';
import { loadSettings, Settings } from '../../src/config/settings.js';
import { type JsonObject } from '../../src/engine/values.js';
import { createHttpApp } from '../../src/http-app.js';
import { CompiledPlaybooks, STEP_KINDS } from '../../src/storage/compiled-playbooks.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { IdMint } from '../../src/storage/ids.js';
import { PlaybookListingRepository } from '../../src/storage/repositories/playbook-listing.repository.js';
import { PlaybookTagRepository } from '../../src/storage/repositories/playbook-tag.repository.js';
import { PlaybookRepository } from '../../src/storage/repositories/playbook.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
  readonly json: JsonObject;
}

let database: TestDatabase;
let db: DataSource;
let app: NestFastifyApplication;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await createDataSource(database.url, { poolSize: 10 }).initialize();
  await db.runMigrations();
  const settings = loadSettings({ MAX_DOCUMENT_BYTES: '30000', MAX_PLAYBOOK_STEPS: '20', MAX_JSON_DEPTH: '12', MAX_JSON_NODES: '500' });
  const ids = new IdMint(() => ({ number: 1, highWater: 0, limit: Number.MAX_SAFE_INTEGER }));
  const storage = [PlaybookRepository, PlaybookListingRepository, PlaybookTagRepository, CompiledPlaybooks];
  const values = [
    { provide: DataSource, useValue: db },
    { provide: STEP_KINDS, useValue: new Map() },
    { provide: IdMint, useValue: ids },
    { provide: Settings, useValue: settings },
  ];
  @Global()
  @Module({ providers: [...storage, ...values], exports: [...storage, STEP_KINDS, IdMint, Settings] })
  class TestStorageModule {}
  @Module({ imports: [TestStorageModule, CatalogModule] })
  class TestModule {}
  app = await createHttpApp(TestModule, settings, pino({ level: 'silent' }));
});
afterAll(async () => {
  await app.close();
  await db.destroy();
  await database.drop();
});

async function call(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  url: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await app.inject({ method, url, headers, ...(body ? { payload: body } : {}) });
  const isJson = String(answer.headers['content-type']).includes('json');
  return { status: answer.statusCode, headers: answer.headers, text: answer.body, json: isJson ? answer.json<JsonObject>() : {} };
}

/** A playbook with a router and an end. */
function text(path: string, version: string | null = null, extra = ''): string {
  const name = path.split('/').at(-1);
  const versionLine = version === null ? '' : `  version: ${version}\n`;
  return `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata:\n  name: ${name}\n  path: ${path}\n${versionLine}${extra}workflow:\n  - step: start\n    next:\n      - step: end\n  - step: end\n`;
}

async function registered(path: string, version: string | null = null, extra = ''): Promise<JsonObject> {
  const { status, json } = await call('POST', '/catalog/register', { content: text(path, version, extra) });
  expect({ status, json }).toMatchObject({ status: 201 });
  return json;
}

describe('the limits of documents', () => {
  const padded = (bytes: number): string => `${text('limits/bytes')}#`.padEnd(bytes, 'x');
  const steps = (count: number): string =>
    `${text('limits/steps').trimEnd()}\n${Array.from({ length: count - 2 }, (_none, at) => `  - step: s${at}\n    next: end\n`).join('')}`;
  const nested = (depth: number): string => text('limits/depth', null, `workload: {a: ${'['.repeat(depth - 2)}${']'.repeat(depth - 2)}}\n`);
  /** The document around the list and the list itself are 28 values and keys. */
  const listed = (nodes: number): string => text('limits/nodes', null, `workload: {a: [${'1,'.repeat(nodes - 28)}]}\n`);

  it.each<[string, number, (size: number) => string, string]>([
    ['bytes', 30_000, padded, 'document_too_large'],
    ['steps', 20, steps, 'too_many_steps'],
    ['levels', 12, nested, 'depth_exceeded'],
    ['values', 500, listed, 'too_many_nodes'],
  ])('so many %s and no more', async (_name, limit, build, code) => {
    const [within, beyond] = [build(limit), build(limit + 1)];
    expect(await call('POST', '/catalog/register', { content: within })).toMatchObject({ status: 201 });
    expect(JSON.stringify((await call('POST', '/catalog/register', { content: beyond })).json)).toContain(code);
  });
});

describe('POST /catalog/register', () => {
  it('registers a document, and the same text once', async () => {
    const content = text('register/one', 'v1.2');
    const first = await call('POST', '/catalog/register', { content });
    expect(first).toMatchObject({
      status: 201,
      json: { status: 'success', path: 'register/one', version: '1.2.0', revision: 1, kind: 'Playbook', warnings: [] },
    });
    expect(first.json.catalog_id).toMatch(/^\d+$/);
    expect(first.json.digest).toMatch(/^[0-9a-f]{64}$/);
    const again = await call('POST', '/catalog/register', {
      content_base64: Buffer.from(content).toString('base64'),
      resource_type: 'Playbook',
    });
    expect(again).toMatchObject({ status: 200, json: { catalog_id: first.json.catalog_id, revision: 1 } });
  });

  it('counts versions up where none is named, and takes one from the request', async () => {
    expect(await registered('register/auto')).toMatchObject({ version: '1.0.0', revision: 1 });
    expect(await registered('register/auto', null, 'workload: {a: 1}\n')).toMatchObject({ version: '1.0.1', revision: 2 });
    const named = await call('POST', '/catalog/register', { content: text('register/auto'), version: 3 });
    expect(named).toMatchObject({ status: 201, json: { version: '3.0.0', revision: 3 } });
    const same = await call('POST', '/catalog/register', { content: text('register/auto') });
    expect(same).toMatchObject({ status: 200, json: { version: '3.0.0' } });
  });

  it('gives registrations at the same time versions of their own', async () => {
    const bodies = Array.from({ length: 10 }, (_, index) => ({ content: text('register/race', null, `workload: {n: ${index}}\n`) }));
    const answers = await Promise.all(bodies.map((body) => call('POST', '/catalog/register', body)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
    expect(new Set(answers.map(({ json }) => json.version)).size).toBe(10);
    expect(answers.map(({ json }) => Number(json.revision)).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('moves tags with the registration', async () => {
    await call('POST', '/catalog/register', { content: text('register/tagged', '1.0.0'), tags: ['prod'] });
    expect((await call('GET', '/catalog/versions?path=register/tagged')).json).toMatchObject({ tags: { prod: '1.0.0' } });
  });

  it.each<[string, JsonObject, number, string]>([
    ['no text', {}, 422, 'missing_field'],
    ['two texts', { content: 'a', content_base64: 'YQ==' }, 422, 'ambiguous_field'],
    ['no base64', { content_base64: 'a*' }, 422, 'invalid_value'],
    ['no UTF-8 inside', { content_base64: '/w==' }, 400, 'invalid_unicode'],
    ['an unknown field', { content: text('refused/one'), surplus: 1 }, 422, 'invalid_request'],
    ['another kind of resource', { content: text('refused/one'), resource_type: 'Credential' }, 422, 'unsupported_kind'],
    ['another kind of document', { content: text('refused/one').replace('Playbook', 'Potion') }, 422, 'unsupported_kind'],
    ['two versions', { content: text('refused/one', '1.0.0'), version: '2.0.0' }, 422, 'version_conflict'],
    ['no semantic version', { content: text('refused/one'), version: 'soon' }, 422, 'invalid_version'],
    ['a tag that reads as a version', { content: text('refused/one'), tags: ['v1'] }, 422, 'invalid_value'],
    ['what is not YAML', { content: 'a: [' }, 400, 'malformed_yaml'],
    ['what is no playbook', { content: 'a: 1' }, 422, 'invalid_document'],
    ['a path with dots', { content: text('refused/../one') }, 422, 'invalid_document'],
    ['a text above the limit', { content: `${text('refused/one')}# ${'x'.repeat(30_000)}` }, 413, 'document_too_large'],
  ])('refuses %s', async (_name, body, status, code) => {
    const answer = await call('POST', '/catalog/register', body);
    expect(answer).toMatchObject({ status, json: { status, code } });
    expect((await call('GET', '/catalog/versions?path=refused/one')).status).toBe(404);
  });

  it('says where a document is wrong', async () => {
    const version = await call('POST', '/catalog/register', { content: text('refused/two', 'soon') });
    expect(version).toMatchObject({ status: 422, json: { code: 'invalid_version', errors: [{ pointer: '/metadata/version', line: 6 }] } });
    const step = await call('POST', '/catalog/register', {
      content: text('refused/two').replace('      - step: end', '      - step: nowhere'),
    });
    expect(step).toMatchObject({ status: 422, json: { code: 'invalid_document', errors: [{ code: 'unknown_step', line: 9 }] } });
  });

  it('warns of what cannot run here, with its place in the text', async () => {
    const content = text('register/warned').replace('- step: start\n', '- step: start\n    type: container\n');
    const answer = await call('POST', '/catalog/register', { content });
    expect(answer).toMatchObject({ status: 201, json: { warnings: [{ code: 'unsupported_type', line: 7 }] } });
    const saving = text('register/saving').replace('- step: start\n', '- step: start\n    save: { storage: s3 }\n');
    const saved = await call('POST', '/catalog/register', { content: saving });
    expect(saved).toMatchObject({ status: 201, json: { warnings: [{ code: 'unsupported_storage', line: 8 }] } });
    const strict = await call('POST', '/catalog/register', { content, strict: true, version: '9.0.0' });
    expect(strict).toMatchObject({ status: 422, json: { errors: [{ code: 'unsupported_type' }] } });
    const entry = await call('GET', `/catalog/entries/${String(answer.json.catalog_id)}`);
    expect(entry.json.warnings).toEqual(answer.json.warnings);
  });

  it('never gives a version another text', async () => {
    await registered('register/fixed', '1.0.0');
    const other = await call('POST', '/catalog/register', { content: text('register/fixed', '1.0.0', 'workload: {a: 1}\n') });
    expect(other).toMatchObject({ status: 409, json: { code: 'version_exists' } });
  });
});

describe('POST /catalog/playbooks/validate', () => {
  it('answers 200 whatever it finds', async () => {
    const good = await call('POST', '/catalog/playbooks/validate', { content: text('valid/one') });
    expect(good).toMatchObject({ status: 200, json: { valid: true, errors: [], warnings: [] } });
    const bad = await call('POST', '/catalog/playbooks/validate', { content: 'a: [' });
    expect(bad).toMatchObject({ status: 200, json: { valid: false } });
    expect(bad.json.errors).toEqual([expect.objectContaining({ code: 'malformed_yaml', line: expect.any(Number) as number })]);
    const unversioned = await call('POST', '/catalog/playbooks/validate', {
      content: text('valid/one').replace('apiVersion: noetl.io/v1\n', ''),
    });
    expect(unversioned.json).toMatchObject({ valid: true, warnings: [{ code: 'missing_api_version' }] });
    const strict = await call('POST', '/catalog/playbooks/validate', {
      content: text('valid/one').replace('apiVersion: noetl.io/v1\n', ''),
      strict: true,
    });
    expect(strict.json).toMatchObject({ valid: false, errors: [{ code: 'missing_api_version' }] });
    expect((await call('GET', '/catalog/versions?path=valid/one')).status).toBe(404);
  });
});

describe('reading the catalog', () => {
  let first: JsonObject;
  beforeAll(async () => {
    first = await registered('reading/alpha', '1.0.0');
    await registered('reading/alpha', '1.1.0');
    await registered('reading/beta', '0.1', '  description: Closes the month.\n');
  });

  it('pages through one entry per path', async () => {
    const found: string[] = [];
    let url: string | null = '/catalog/list?limit=2';
    while (url !== null) {
      const page: Answer = await call('GET', url);
      const entries = page.json.entries as JsonObject[];
      expect(entries.length).toBeLessThanOrEqual(2);
      found.push(...entries.map((entry) => `${String(entry.path)} ${String(entry.version)}`));
      const cursor: unknown = page.headers['x-next-cursor'];
      expect(page.headers.link === undefined).toBe(cursor === undefined);
      url = typeof cursor === 'string' ? `/catalog/list?limit=2&cursor=${cursor}` : null;
    }
    expect(found).toEqual([...found].sort());
    expect(found).toEqual(expect.arrayContaining(['reading/alpha 1.1.0', 'reading/beta 0.1.0']));
    expect(new Set(found.map((line) => line.split(' ')[0])).size).toBe(found.length);
  });

  it('lists for clients that post, and refuses a foreign cursor', async () => {
    const posted = await call('POST', '/catalog/list', { resource_type: 'Playbook' });
    expect(posted.status).toBe(200);
    expect((posted.json.entries as JsonObject[]).length).toBeGreaterThan(1);
    expect((await call('POST', '/catalog/list')).status).toBe(200);
    expect((await call('GET', '/catalog/list?resource_type=Tool')).json).toEqual({ entries: [] });
    expect(await call('GET', '/catalog/list?cursor=nonsense')).toMatchObject({ status: 400, json: { code: 'invalid_cursor' } });
    expect((await call('GET', '/catalog/list?limit=501')).status).toBe(422);
  });

  it('a list that was posted goes on by its link with what the body asked for', async () => {
    const posted = await call('POST', '/catalog/list', { kind: 'Playbook', limit: 1 });
    const next = /^<([^>]+)>; rel="next"$/.exec(String(posted.headers.link))?.[1] ?? '';
    const asked = Object.fromEntries(new URLSearchParams(next.split('?')[1]));
    expect(asked).toEqual({ resource_type: 'Playbook', limit: '1', cursor: posted.headers['x-next-cursor'] });
    const both = (await call('GET', '/catalog/list?limit=2')).json.entries as JsonObject[];
    expect((await call('GET', next)).json).toEqual({ entries: both.slice(1) });
  });

  it('searches', async () => {
    const { json } = await call('GET', '/catalog/search?q=MONTH&kind=playbook');
    expect(json.entries).toEqual([expect.objectContaining({ path: 'reading/beta', description: 'Closes the month.' })]);
    const bare = await call('GET', '/catalog/playbooks/search?q=reading/alpha');
    expect(bare.json).toEqual([expect.objectContaining({ name: 'alpha', version: '1.1.0', tasks_count: 2 })]);
    for (const url of ['/catalog/playbooks', '/playbooks']) expect(Array.isArray((await call('GET', url)).json)).toBe(true);
  });

  it('shows versions and explains a choice', async () => {
    const versions = await call('GET', '/catalog/versions?path=%2Freading%2Falpha.yaml');
    expect(versions.json).toMatchObject({
      path: 'reading/alpha',
      tags: {},
      versions: [
        { version: '1.1.0', revision: 2 },
        { version: '1.0.0', revision: 1 },
      ],
    });
    const resolution = await call('GET', '/catalog/resolve?path=reading/alpha&version=~1.0');
    expect(resolution.json).toEqual({
      path: 'reading/alpha',
      chosen: '1.0.0',
      candidates: [
        { version: '1.1.0', chosen: false, why: 'does not satisfy ~1.0' },
        { version: '1.0.0', chosen: true, why: 'the highest that satisfies ~1.0' },
      ],
    });
    expect((await call('GET', '/catalog/resolve?path=reading/alpha&version=9')).json).toMatchObject({ chosen: null });
  });

  it('gives an entry and its text', async () => {
    const entry = await call('GET', `/catalog/entries/${String(first.catalog_id)}`);
    expect(entry.json).toMatchObject({
      path: 'reading/alpha',
      version: '1.0.0',
      status: 'active',
      content: text('reading/alpha', '1.0.0'),
      warnings: [],
    });
    const content = await call('GET', `/catalog/entries/${String(first.catalog_id)}/content`);
    expect(content.headers['content-type']).toBe('application/yaml; charset=utf-8');
    expect(content.text).toBe(text('reading/alpha', '1.0.0'));
    const resource = await call('GET', '/catalog/resource?resource_path=reading/alpha');
    expect(resource.json).toMatchObject({ version: '1.1.0', content: text('reading/alpha', '1.1.0') });
    const posted = await call('POST', '/catalog/resource', { path: 'reading/alpha', version: 1 });
    expect(posted.json).toMatchObject({ version: '1.0.0' });
  });

  it.each([
    ['/catalog/entries/1', 404],
    ['/catalog/entries/abc', 404],
    ['/catalog/entries/99999999999999999999/content', 404],
    ['/catalog/versions?path=none', 404],
    ['/catalog/versions?path=../none', 422],
    ['/catalog/versions', 422],
    ['/catalog/resource?resource_path=reading/alpha&version=9.9.9', 404],
    ['/catalog/resource?resource_path=reading/alpha&version=1.2.3.4', 422],
  ])('%s: %i', async (url, status) => expect((await call('GET', url)).status).toBe(status));

  it('serves the words of earlier clients', async () => {
    const content = await call('GET', '/catalog/playbook/content?playbook_id=reading/alpha');
    expect(content.json).toEqual({ path: 'reading/alpha', version: '1.1.0', content: text('reading/alpha', '1.1.0') });
    expect((await call('GET', `/catalog/playbook?playbook_id=${String(first.catalog_id)}`)).json).toMatchObject({ version: '1.0.0' });
    const put = await call('PUT', '/catalog/playbook/content?playbook_id=reading/beta', { content: text('reading/beta') });
    expect(put).toMatchObject({ status: 200, json: { version: '0.1.1', revision: 2 } });
    const moved = await call('PUT', '/catalog/playbook/content?playbook_id=reading/beta', { content: text('reading/gamma') });
    expect(moved).toMatchObject({ status: 422, json: { code: 'invalid_path' } });
  });
});

describe('tags and states', () => {
  it('moves a tag only from the state the caller knows', async () => {
    await registered('tags/api', '1.0.0');
    await registered('tags/api', '2.0.0');
    const made = await call('PUT', '/catalog/tags/prod?path=tags/api', { version: '1.x' });
    expect(made).toMatchObject({ status: 200, json: { tag: 'prod', version: '1.0.0' } });
    expect(made.headers.etag).toBe(made.json.etag);
    const etag = String(made.json.etag);
    expect((await call('PUT', '/catalog/tags/prod?path=tags/api', { version: '2.0.0' }, { 'if-match': '"else"' })).status).toBe(412);
    const moved = await call('PUT', '/catalog/tags/prod?path=tags/api', { version: '2.0.0' }, { 'if-match': `"else", ${etag}` });
    expect(moved).toMatchObject({ status: 200, json: { version: '2.0.0' } });
    expect((await call('DELETE', '/catalog/tags/prod?path=tags/api', undefined, { 'if-match': etag })).status).toBe(412);
    expect((await call('DELETE', '/catalog/tags/prod?path=tags/api', undefined, { 'if-match': 'x' })).status).toBe(400);
    expect((await call('GET', '/catalog/resource?resource_path=tags/api&version=prod')).json).toMatchObject({ version: '2.0.0' });
    expect((await call('DELETE', '/catalog/tags/prod?path=tags/api', undefined, { 'if-match': '*' })).status).toBe(204);
    expect((await call('DELETE', '/catalog/tags/prod?path=tags/api')).json).toMatchObject({ code: 'unknown_tag' });
    const page = await call('GET', '/catalog/tags?path=tags/api&limit=2');
    expect(page.json).toMatchObject({
      tags: [],
      history: [
        { from_version: '2.0.0', to_version: null },
        { from_version: '1.0.0', to_version: '2.0.0' },
      ],
    });
    const rest = await call('GET', `/catalog/tags?path=tags/api&limit=2&cursor=${String(page.headers['x-next-cursor'])}`);
    expect(rest.json.history).toEqual([expect.objectContaining({ from_version: null, to_version: '1.0.0' })]);
    expect((await call('PUT', '/catalog/tags/latest?path=tags/api', { version: '1' })).status).toBe(422);
  });

  it('takes entries out of use and back', async () => {
    const { catalog_id: id } = await registered('states/api', '1.0.0');
    const deprecated = await call('POST', `/catalog/entries/${String(id)}/deprecate`, { reason: 'old' });
    expect(deprecated).toMatchObject({ status: 200, json: { status: 'deprecated', status_reason: 'old' } });
    const found = await call('GET', '/catalog/resource?resource_path=states/api');
    expect(found.headers.warning).toBe('299 - "states/api 1.0.0 is deprecated: old"');
    expect((await call('DELETE', `/catalog/playbooks/${String(id)}`)).status).toBe(204);
    expect((await call('POST', `/catalog/entries/${String(id)}/yank`, { reason: 'again' })).json).toMatchObject({
      status: 'yanked',
      status_reason: null,
    });
    expect((await call('GET', '/catalog/resource?resource_path=states/api')).json).toMatchObject({ code: 'unknown_version' });
    expect((await call('GET', '/catalog/resource?resource_path=states/api&version=1.0.0')).json).toMatchObject({ status: 'yanked' });
    expect(await call('POST', `/catalog/entries/${String(id)}/deprecate`)).toMatchObject({
      status: 409,
      json: { code: 'entry_state_conflict' },
    });
    expect(await call('POST', `/catalog/entries/${String(id)}/restore`)).toMatchObject({
      status: 200,
      json: { status: 'active', status_reason: null },
    });
    expect((await call('POST', '/catalog/entries/1/yank')).status).toBe(404);
  });

  it('a registration moves no tag to an entry that is yanked, and leaves the tag where it is', async () => {
    const document = (version: string): string => text('states/tagged', version);
    await call('POST', '/catalog/register', { content: document('1.0.0'), tags: ['prod'] });
    const { catalog_id: id } = (await call('POST', '/catalog/register', { content: document('1.1.0') })).json;
    await call('POST', `/catalog/entries/${String(id)}/yank`);
    expect(await call('POST', '/catalog/register', { content: document('1.1.0'), tags: ['prod'] })).toMatchObject({
      status: 409,
      json: { code: 'entry_state_conflict' },
    });
    expect((await call('GET', '/catalog/resolve?path=states/tagged&version=prod')).json).toMatchObject({ chosen: '1.0.0' });
    expect((await call('POST', '/catalog/register', { content: document('1.1.0') })).status).toBe(200);
  });
});
