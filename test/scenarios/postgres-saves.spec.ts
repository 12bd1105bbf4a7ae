import { type Save } from '../../src/engine/playbook/playbook.js';
import { type ResolvedCredential, type StepContext, StepFailure } from '../../src/engine/step-executor.js';
import { type StepServices } from '../../src/engine/step-services.js';
import { Rendering } from '../../src/engine/template/rendering.js';
import { isObject, type Json, type JsonObject } from '../../src/engine/values.js';
import { parseOutboundAllow } from '../../src/outbound/allow-list.js';
import { DestinationCheck } from '../../src/outbound/destination.js';
import { OwnDatabase } from '../../src/outbound/own-database.js';
import { resolveWithSystem } from '../../src/outbound/resolve.js';
import { PostgresDatabases } from '../../src/sql/postgres-databases.js';
import createPostgresStep from '../../src/steps/postgres/postgres.step.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { query } from '../support/sql.js';

let database: TestDatabase;
const check = new DestinationCheck(parseOutboundAllow('127.0.0.1'), new OwnDatabase([], resolveWithSystem), resolveWithSystem);
const databases = new PostgresDatabases(check, { connections: 2, idleMs: 60_000, pools: 2 });
const kind = createPostgresStep({ databases, sqlPolicy: { unsafe: 'refuse', maxRows: 100 } } as unknown as StepServices);
const storage = kind.save!;
beforeAll(async () => (database = await createTestDatabase()));
afterAll(async () => {
  databases.close();
  await database.drop();
});
beforeEach(async () => {
  await rows(
    "DROP TABLE IF EXISTS t; CREATE TABLE t (id text PRIMARY KEY, n int, price numeric, ok boolean, info jsonb, note text DEFAULT 'none'); CREATE TABLE IF NOT EXISTS canary (n int)",
  );
});
const rows = (statement: string): Promise<JsonObject[]> => query<JsonObject>(database.url, statement);

/** A credential as the engine opens it for an attempt. */
function credential(fields: JsonObject = {}, type = 'postgres'): ReadonlyMap<string, ResolvedCredential> {
  const { hostname, port, username, password, pathname } = new URL(database.url);
  const own = {
    host: hostname,
    port,
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    dbname: pathname.slice(1),
  };
  return new Map([['pg', { alias: 'pg', name: 'pg_local', type, version: '1', fields: { ...own, ...fields } }]]);
}
const contextWith = (auth: StepContext['auth']): StepContext => ({
  ...{ tenantId: 't', executionId: '1', step: 's', wave: 1, attempt: 1, claimNo: 1, idempotencyKey: 'k', timeoutMs: 30_000 },
  signal: AbortSignal.timeout(30_000),
  auth,
  admit: () => Promise.resolve(),
  assertHeld: () => undefined,
  mayAsk: false,
  answered: null,
  secretForms: () => [],
  report: () => undefined,
});
const saveOf = (fields: JsonObject): Save => ({
  ...{ storage: 'postgres', when: null, on: 'success', name: null, data: null, auth: 'pg_local', onError: null },
  fields,
});

/** Parses, renders, records and performs a save as the engine does. */
async function save(fields: JsonObject, data: Json, names: JsonObject = {}, auth = credential()): Promise<JsonObject> {
  const config = storage.parse(saveOf(fields));
  const scope = { lookup: (name: string): Json | undefined => (name === 'data' ? data : names[name]) };
  const request = storage.render(config, data, scope, new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0, nextId: () => '1' }));
  const recorded = JSON.parse(JSON.stringify(request)) as Json;
  return storage.outcome((await kind.execute(recorded, contextWith(auth))).value);
}
async function failure(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await work.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StepFailure)) throw error;
  return { code: error.code, message: error.message };
}

const HOSTILE = "O'Brien \\'; DROP TABLE canary; -- $$ 😀";

describe('saving to a table', () => {
  it('a row: texts into numbers, mappings as JSON, null and booleans', async () => {
    const data = { id: HOSTILE, n: '55000', price: 12.5, ok: true, info: { "k'": [HOSTILE, null] }, note: null };
    expect(await save({ table: 'public.t' }, data)).toEqual({ table: 'public.t', row_count: 1 });
    expect(await rows('SELECT * FROM t')).toEqual([{ ...data, n: 55_000, price: '12.5' }]);
  });

  it('a list of rows, where each has columns of its own', async () => {
    const data: JsonObject[] = [{ id: 'a', n: 1 }, { n: 2, id: 'b' }, { id: 'c', note: 'x' }, { id: 'd' }];
    expect(await save({ table: '{{ name }}', mode: 'insert' }, data, { name: 'T' })).toEqual({ table: 'T', row_count: 4 });
    expect(await rows('SELECT id, n, note FROM t ORDER BY id')).toEqual([
      { id: 'a', n: 1, note: 'none' },
      { id: 'b', n: 2, note: 'none' },
      { id: 'c', n: null, note: 'x' },
      { id: 'd', n: null, note: 'none' },
    ]);
  });

  it('upsert changes the other columns, and takes a key twice in one list', async () => {
    await save({ table: 't' }, { id: 'a', n: 1, note: 'kept' });
    const data = [
      { id: 'a', n: 2 },
      { id: 'b', n: 3 },
      { id: 'a', n: 4 },
    ];
    expect(await save({ table: 't', mode: 'upsert', key: ['id'] }, data)).toEqual({ table: 't', row_count: 3 });
    expect(await rows('SELECT id, n, note FROM t ORDER BY id')).toEqual([
      { id: 'a', n: 4, note: 'kept' },
      { id: 'b', n: 3, note: 'none' },
    ]);
    expect(await save({ table: 't', mode: 'upsert', key: 'id' }, { id: 'a' })).toEqual({ table: 't', row_count: 0 });
  });

  it('update changes what is there', async () => {
    await save({ table: 't' }, [
      { id: 'a', n: 1 },
      { id: 'b', n: 1 },
    ]);
    expect(
      await save({ table: 't', mode: 'update', key: ['id'] }, [
        { id: 'a', n: 5 },
        { id: 'z', n: 5 },
      ]),
    ).toEqual({ table: 't', row_count: 1 });
    expect(await rows('SELECT id, n FROM t ORDER BY id')).toEqual([
      { id: 'a', n: 5 },
      { id: 'b', n: 1 },
    ]);
  });

  it.each(['overwrite', 'replace'])('%s is all or nothing', async (mode) => {
    await save({ table: 't' }, [
      { id: 'a', n: 1 },
      { id: 'b', n: 1 },
    ]);
    const broken = await failure(
      save({ table: 't', mode }, [
        { id: 'c', n: 1 },
        { id: 'd', n: 'no number' },
      ]),
    );
    expect(broken).toEqual({
      code: 'sql_error',
      message: expect.stringContaining('"…" (22P02); nothing of its transaction was kept') as string,
    });
    expect(await rows('SELECT id FROM t ORDER BY id')).toEqual([{ id: 'a' }, { id: 'b' }]);
    expect(await save({ table: 't', mode }, [{ id: 'c', n: 1 }])).toEqual({ table: 't', row_count: 1 });
    expect(await rows('SELECT id FROM t')).toEqual([{ id: 'c' }]);
    expect(await save({ table: 't', mode }, [])).toEqual({ table: 't', row_count: 0 });
    expect(await rows('SELECT id FROM t')).toEqual([]);
  });

  it('thousands of rows', async () => {
    const data = Array.from({ length: 2_500 }, (_, n) => ({ id: `r${n}`, n }));
    expect(await save({ table: 't', mode: 'upsert', key: ['id'] }, data)).toEqual({ table: 't', row_count: 2_500 });
    expect(await rows('SELECT count(*)::int AS c, sum(n)::int AS s FROM t')).toEqual([{ c: 2_500, s: 3_123_750 }]);
  });
});

describe('saving by a statement', () => {
  it('binds names from params and data, and escapes templates', async () => {
    const statement = "INSERT INTO t (id, n, note, info) VALUES (:id, :n, '{{ data.note }}', {{ data.info }})";
    const data = { id: HOSTILE, note: HOSTILE, info: { a: [HOSTILE] } };
    expect(await save({ statement, params: { n: '{{ data.note | length }}' } }, data)).toEqual({ table: null, row_count: 1 });
    expect(await rows('SELECT id, n, note, info FROM t')).toEqual([{ ...data, n: HOSTILE.length - 1 }]);
    expect(await rows('SELECT * FROM canary')).toEqual([]);
  });

  it('runs a script in one transaction', async () => {
    const commands = "INSERT INTO t (id) VALUES ('x'); INSERT INTO t (id) VALUES ('{{ data.id }}');";
    expect((await failure(save({ commands }, { id: 'x' }))).message).toContain('Statement 2 of 2');
    expect(await rows('SELECT id FROM t')).toEqual([]);
    expect(await save({ commands }, { id: 'y' })).toEqual({ table: null, row_count: 2 });
  });
});

describe('what cannot be saved', () => {
  it.each<[string, JsonObject, Json, string]>([
    ['data that is a text', { table: 't' }, 'x', 'inputs_not_mapping'],
    ['a list with a text in it', { table: 't' }, [{ id: 'a' }, 'x'], 'inputs_not_mapping'],
    ['upsert without a key', { table: 't', mode: 'upsert' }, { id: 'a' }, 'invalid_parameters'],
    ['a row without its key', { table: 't', mode: 'update', key: ['id'] }, [{ id: 'a' }, { n: 1 }], 'invalid_parameters'],
    ['a mode that is none', { table: 't', mode: '{{ "merge" }}' }, { id: 'a' }, 'invalid_parameters'],
    ['a table without a name', { table: '{{ missing }}' }, { id: 'a' }, 'invalid_parameters'],
    ['a table that does not exist', { table: 'no"; DROP TABLE canary; --' }, { id: 'a' }, 'sql_error'],
    ['a column that does not exist', { table: 't' }, { 'n") VALUES (1); --': 'a' }, 'sql_error'],
    ['a row that is there', { table: 't', mode: 'append' }, [{ id: 'a' }, { id: 'a' }], 'sql_error'],
    ['NUL', { table: 't' }, { id: 'a\0b' }, 'invalid_unicode'],
  ])('%s', async (_name, fields, data, code) => {
    expect((await failure(save(fields, data))).code).toBe(code);
    expect(await rows('SELECT id FROM t')).toEqual([]);
    expect(await rows('SELECT * FROM canary')).toEqual([]);
  });

  it('a save that names neither a table nor SQL', () => {
    expect(() => storage.parse(saveOf({ mode: 'append' }))).toThrow(/needs "table", "statement" or "commands"/);
  });
});

describe('credentials', () => {
  it('one of another type is refused', async () => {
    expect(await failure(save({ table: 't' }, { id: 'a' }, {}, credential({}, 'bearer')))).toEqual({
      code: 'invalid_connection',
      message: 'A postgres step needs a credential of type postgres, not bearer',
    });
  });

  it('decide where to go: inputs cannot send their password elsewhere', () => {
    const action = { type: 'postgres', fields: { command: 'SELECT 1', db_host: 'evil.example', db_schema: 's' }, auth: 'pg_local' };
    const config = kind.parse({ ...action, data: {}, save: [], assert: null, retry: null, timeout: null, tasks: [] });
    const rendering = new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0, nextId: () => '1' });
    const request = kind.render(
      config,
      { db_host: 'evil.example', connection: 'host=evil.example' },
      { lookup: () => undefined },
      rendering,
    );
    expect(isObject(request) && request['connection']).toEqual({ db_schema: 's' });
  });

  it('a wrong password is not told', async () => {
    const told = await failure(save({ table: 't' }, { id: 'a' }, {}, credential({ password: 'hunter2' })));
    expect(told).toEqual({ code: 'invalid_connection', message: expect.stringContaining('28P01') as string });
    expect(told.message).not.toContain('hunter2');
  });
});
