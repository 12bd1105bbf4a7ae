import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type Json, type JsonObject } from '../../src/engine/values.js';
import { type DurableServer, startDurableServer } from '../support/database.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

/** The service, a PostgreSQL that belongs to the playbooks, and an HTTP server that answers with what a test puts there. */
let server: DurableServer;
let service: TestService;
let stub: Server;
const answers = new Map<string, string>();
const seen: (string | undefined)[] = [];
beforeAll(async () => {
  server = await startDurableServer();
  stub = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.setHeader('content-type', 'application/json').end(answers.get(request.url ?? '') ?? '{}');
  });
  await new Promise<void>((resolve) => stub.listen(0, '127.0.0.1', resolve));
  const { port } = new URL(server.url);
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${port},127.0.0.1:${stubPort()}`, STEP_DATABASE_POOL: '1' });
  const { hostname, username, password, pathname } = new URL(server.url);
  const data = {
    db_host: hostname,
    db_port: port,
    db_user: username,
    db_password: decodeURIComponent(password),
    db_name: pathname.slice(1),
  };
  await service.post('/credentials', { name: 'shop', type: 'postgres', data });
  await service.post('/credentials', { name: 'reader', type: 'bearer', data: { token: 'rows-please-1' } });
});
afterAll(async () => {
  await service.stop();
  stub.close();
  await server.stop();
});
const stubPort = (): number => (stub.address() as AddressInfo).port;
const sql = (statement: string): Promise<JsonObject[]> => query<JsonObject>(server.url, statement);
const http = (path: string, body: unknown): JsonObject => {
  answers.set(path, typeof body === 'string' ? body : JSON.stringify(body));
  return { type: 'http', url: `http://127.0.0.1:${stubPort()}${path}` };
};
const from = (text: string, more: JsonObject = {}): JsonObject => ({ type: 'postgres', auth: 'shop', query: text, ...more });
const into = (table: string, more: JsonObject = {}): JsonObject => ({ type: 'postgres', auth: 'shop', table, ...more });

const each = (text: string, more: JsonObject = {}): JsonObject => ({ type: 'postgres', auth: 'shop', query: text, ...more });
const duck = (text: string, more: JsonObject = {}): JsonObject => ({ type: 'duckdb', database: 'pond', query: text, ...more });
const pond = (table: string, more: JsonObject = {}): JsonObject => ({ type: 'duckdb', database: 'pond', table, ...more });
/** Rows of the last statement in the kept database. */
async function ducks(command: string): Promise<Json> {
  documents += 1;
  const path = `transfers/t${documents}`;
  const workflow = [
    { step: 'start', type: 'duckdb', database: 'pond', command, next: 'end' },
    { step: 'end', result: '{{ start.rows }}' },
  ];
  await service.register(
    JSON.stringify({ apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: `t${documents}`, path }, workflow }),
  );
  const done = await service.waitDone(await service.execute(path));
  expect(done).toMatchObject({ status: 'completed', error: null });
  return done['result'] as Json;
}

let documents = 0;
function document(step: JsonObject): { path: string; content: string } {
  documents += 1;
  const path = `transfers/t${documents}`;
  const workflow = [
    { step: 'start', next: 'move' },
    { step: 'move', type: 'transfer', next: 'end', ...step },
    { step: 'end', result: '{{ move }}' },
  ];
  return {
    path,
    content: JSON.stringify({ apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: `t${documents}`, path }, workflow }),
  };
}
async function run(step: JsonObject, parameters: JsonObject = {}) {
  const { path, content } = document(step);
  await service.register(content);
  return service.waitDone(await service.execute(path, { parameters }));
}
async function moved(step: JsonObject, parameters: JsonObject = {}): Promise<JsonObject> {
  const done = await run(step, parameters);
  expect(done).toMatchObject({ status: 'completed', error: null });
  return done['result'] as JsonObject;
}
async function failed(step: JsonObject): Promise<JsonObject> {
  const done = await run(step);
  expect(done.status).toBe('failed');
  return done['error_details'] as JsonObject;
}
const sumOf = async (table: string): Promise<JsonObject> =>
  (await sql(`SELECT count(*)::int AS n, md5(string_agg(t::text, E'\\n' ORDER BY t::text)) AS digest FROM ${table} t`))[0]!;

describe('from a query into a table', () => {
  it('moves 100,000 rows of every kind of value unchanged', async () => {
    await sql(`
CREATE TABLE wide (id bigint PRIMARY KEY, note text, at timestamptz, price numeric, raw bytea, tags text[], doc jsonb, ok boolean, gap int);
INSERT INTO wide SELECT 9007199254740000 + n, CASE n % 5 WHEN 0 THEN E'tab\\t back\\\\slash \\\\N\\nline\\r' WHEN 1 THEN '' WHEN 2 THEN NULL ELSE 'ünï😀' || n END,
  timestamptz '2020-01-01 00:00:00.123456+02' + n * interval '1 second', n * 1.000000000000000000001, decode(md5(n::text), 'hex'),
  ARRAY['a"b', NULL, n::text], jsonb_build_object('n', n, 'q', '"\\'), n % 2 = 0, NULL FROM generate_series(1, 100000) n;
CREATE TABLE wide_copy (LIKE wide INCLUDING ALL);`);
    const value = await moved({ source: from('SELECT * FROM wide'), target: into('wide_copy'), chunk_size: 700 });
    expect(value).toEqual({
      ...{ status: 'success', rows_transferred: 100_000, chunks: 143, source: 'postgres', target: 'postgres' },
      ...{ table: 'wide_copy', mode: 'append' },
    });
    expect(await sumOf('wide_copy')).toEqual(await sumOf('wide'));
    expect(await sumOf('wide_copy')).toMatchObject({ n: 100_000 });
  });

  it('maps columns, takes templates and parameters, and appends', async () => {
    await sql('CREATE TABLE "Named" ("Key" int, label text, extra text DEFAULT \'kept\')');
    const source = from('SELECT n AS id, {{ workload.word }} || n AS word, 1 AS unused FROM generate_series(1, %s) n', { parameters: [3] });
    const target = into('"Named"', { mapping: { Key: 'id', label: 'word' }, mode: 'insert' });
    for (const word of ["it's ", 'b']) await moved({ source, target }, { word });
    expect(await sql('SELECT * FROM "Named" ORDER BY label')).toEqual(
      ['b1', 'b2', 'b3', "it's 1", "it's 2", "it's 3"].map((label) => ({ Key: Number(label.at(-1)), label, extra: 'kept' })),
    );
  });

  it('replaces all rows, also by none', async () => {
    await sql('CREATE TABLE replaced (n int); INSERT INTO replaced VALUES (1), (2)');
    await moved({ source: from('SELECT 7 AS n'), target: into('replaced', { mode: 'replace' }) });
    expect(await sql('SELECT n FROM replaced')).toEqual([{ n: 7 }]);
    const value = await moved({ source: from('SELECT 7 AS n WHERE false'), target: into('replaced', { mode: 'replace' }) });
    expect(value).toMatchObject({ rows_transferred: 0, chunks: 0 });
    expect(await sql('SELECT n FROM replaced')).toEqual([]);
  });

  it('upserts by key, the last of several rows with one key', async () => {
    await sql(
      "CREATE TABLE kept (id int PRIMARY KEY, v text, other int DEFAULT 5); INSERT INTO kept VALUES (1, 'old', 9), (3000, 'far', 9)",
    );
    const source = from("SELECT n / 2 AS id, 'v' || n AS v FROM generate_series(0, 4999) n ORDER BY n");
    expect(await moved({ source, target: into('kept', { mode: 'upsert', key: 'id' }) })).toMatchObject({ rows_transferred: 5_000 });
    const [sums] = await sql("SELECT count(*)::int AS n, count(*) FILTER (WHERE v = 'v' || (2 * id + 1))::int AS last FROM kept");
    expect(sums).toEqual({ n: 2_501, last: 2_500 });
    expect(await sql('SELECT * FROM kept WHERE id IN (1, 3000) ORDER BY id')).toEqual([
      { id: 1, v: 'v3', other: 9 },
      { id: 3000, v: 'far', other: 9 },
    ]);
  });

  it('inserts where the target takes no COPY', async () => {
    await sql(`CREATE TABLE behind (n int, big text); CREATE VIEW before AS SELECT n, big FROM behind`);
    await moved({ source: from("SELECT n, 'x' AS big FROM generate_series(1, 2500) n"), target: into('before') });
    expect(await sql('SELECT count(*)::int AS n, sum(n)::int AS sum FROM behind')).toEqual([{ n: 2_500, sum: 3_126_250 }]);
  });

  it('makes smaller chunks of wide rows', async () => {
    await sql('CREATE TABLE heavy (n int, big text)');
    const source = from("SELECT n, repeat('x', 100000) AS big FROM generate_series(1, 300) n");
    const { chunks } = await moved({ source, target: into('heavy'), chunk_size: 10_000 });
    expect(chunks).toBeGreaterThanOrEqual(5);
    expect(await sql('SELECT count(*)::int AS n, sum(n)::int AS sum, sum(length(big))::int AS l FROM heavy')).toEqual([
      { n: 300, sum: 45_150, l: 30_000_000 },
    ]);
  });

  it('runs side by side, each with two connections of one login', async () => {
    await sql('CREATE TABLE beside (n int)');
    const { path, content } = document({ source: from('SELECT n FROM generate_series(1, 3000) n'), target: into('beside') });
    await service.register(content);
    const ids = await Promise.all(Array.from({ length: 6 }, () => service.execute(path)));
    for (const id of ids) expect((await service.waitDone(id)).status).toBe('completed');
    expect(await sql('SELECT count(*)::int AS n FROM beside')).toEqual([{ n: 18_000 }]);
  });
});

describe('from an HTTP answer', () => {
  it('takes the list at data_path, maps fields below fields, sends the credential', async () => {
    await sql('CREATE TABLE people (id bigint, city text, doc jsonb)');
    const people = Array.from({ length: 2_345 }, (_, id) => ({ id, address: { city: id % 2 ? `c'${id}` : null }, tags: ['a', id] }));
    const source = {
      ...http('/people?page=1', { data: [{ items: people }] }),
      auth: { type: 'bearer', key: 'reader' },
      data_path: 'data[0].items',
    };
    seen.length = 0;
    const target = into('people', { mapping: { id: 'id', city: 'address.city', doc: 'tags' } });
    expect(await moved({ source, target })).toMatchObject({ rows_transferred: 2_345, chunks: 3, source: 'http' });
    expect(seen).toEqual(['Bearer rows-please-1']);
    expect(await sql('SELECT count(*)::int AS n, count(city)::int AS cities, sum((doc->>1)::int)::int AS sum FROM people')).toEqual([
      { n: 2_345, cities: 1_172, sum: (2_344 * 2_345) / 2 },
    ]);
  });

  it('takes a body that is a list, whose items may differ in their fields, and keeps large numbers', async () => {
    await sql('CREATE TABLE mixed (a bigint, b text, c int DEFAULT 8)');
    const source = http('/mixed', '[{"a": 9007199254740993}, {"a": 2, "b": "x"}, {"b": "y", "a": 3}, {"a": 4}]');
    expect(await moved({ source, target: into('mixed') })).toMatchObject({ rows_transferred: 4, chunks: 3 });
    expect(await sql('SELECT a::text, b, c FROM mixed ORDER BY mixed.a')).toEqual([
      ...[
        { a: '2', b: 'x', c: 8 },
        { a: '3', b: 'y', c: 8 },
        { a: '4', b: null, c: 8 },
        { a: '9007199254740993', b: null, c: 8 },
      ],
    ]);
  });

  it.each<[string, unknown, JsonObject, string, RegExp]>([
    ['a mapping for a body', { items: [] }, {}, 'invalid_transfer', /no list; data_path/],
    ['no list at the path', { items: 1 }, { data_path: 'items' }, 'invalid_transfer', /no list at items/],
    ['text', 'hello', {}, 'invalid_transfer', /not JSON/],
    ['an item that is no mapping', [{ n: 1 }, 2], {}, 'invalid_transfer', /Item 2 of the source.*nothing was kept/],
  ])('%s fails', async (_name, body, more, code, message) => {
    await sql('CREATE TABLE IF NOT EXISTS untouched (n int)');
    const error = await failed({ source: { ...http('/bad', body), ...more }, target: into('untouched') });
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(await sql('SELECT n FROM untouched')).toEqual([]);
  });
});

describe('from and into DuckDB', () => {
  const COLUMNS =
    'id BIGINT PRIMARY KEY, note VARCHAR, seen TIMESTAMPTZ, price DECIMAL(38, 21), raw BLOB, doc JSON, ok BOOLEAN, gap INTEGER';

  it('moves 100,000 rows there and back unchanged', async () => {
    await sql(`
CREATE TABLE flock (id bigint PRIMARY KEY, note text, seen timestamptz, price numeric(38, 21), raw bytea, doc json, ok boolean, gap int);
INSERT INTO flock SELECT 9007199254740000 + n, CASE n % 5 WHEN 0 THEN E'tab\\t back\\\\slash \\\\N\\nline\\r' WHEN 1 THEN '' WHEN 2 THEN NULL ELSE 'ünï😀''' || n END,
  timestamptz '2020-01-01 00:00:00.123456+02' + n * interval '1 second', n * 1.000000000000000000001, decode(md5(n::text), 'hex'),
  json_build_object('n', n, 'q', '"\\'), n % 2 = 0, NULL FROM generate_series(1, 100000) n;
CREATE TABLE flock_back (LIKE flock INCLUDING ALL);`);
    await ducks(`CREATE TABLE flock (${COLUMNS})`);
    const value = await moved({ source: from('SELECT * FROM flock'), target: pond('flock'), chunk_size: 700 });
    expect(value).toEqual({
      ...{ status: 'success', rows_transferred: 100_000, chunks: 143, source: 'postgres', target: 'duckdb' },
      ...{ table: 'flock', mode: 'append' },
    });
    expect(
      await ducks(
        "SELECT count(*) AS n, sum(octet_length(raw))::INT AS bytes, count(note)::INT AS notes FROM flock WHERE typeof(price) LIKE 'DEC%'",
      ),
    ).toEqual([{ n: 100_000, bytes: 1_600_000, notes: 80_000 }]);
    const back = await moved({ source: duck('SELECT * FROM flock ORDER BY id'), target: into('flock_back'), chunk_size: 10_000 });
    expect(back).toMatchObject({ rows_transferred: 100_000, chunks: 10, source: 'duckdb', target: 'postgres' });
    expect(await sumOf('flock_back')).toEqual(await sumOf('flock'));
  });

  it('rows that are more than a process may answer at once go in smaller pieces', async () => {
    await sql('CREATE TABLE swans (n int, big text)');
    const source = duck("SELECT n, repeat('x', 100000) AS big FROM range(1, 301) r(n)");
    const { chunks } = await moved({ source, target: into('swans'), chunk_size: 10_000 });
    expect(chunks).toBeGreaterThanOrEqual(5);
    expect(await sql('SELECT count(*)::int AS n, sum(n)::int AS sum, sum(length(big))::int AS l FROM swans')).toEqual([
      { n: 300, sum: 45_150, l: 30_000_000 },
    ]);
    await ducks('CREATE TABLE swans (n INTEGER, big VARCHAR)');
    expect(
      (await moved({ source: from('SELECT * FROM swans'), target: pond('swans'), chunk_size: 10_000 }))['chunks'],
    ).toBeGreaterThanOrEqual(5);
    expect(await ducks('SELECT count(*) AS n, sum(n)::INT AS sum, sum(length(big))::INT AS l FROM swans')).toEqual([
      { n: 300, sum: 45_150, l: 30_000_000 },
    ]);
  });

  it('replaces, maps, upserts the last of several rows with one key, from one database into itself or another', async () => {
    await ducks(
      "CREATE TABLE kept (id INTEGER PRIMARY KEY, v VARCHAR, other INTEGER DEFAULT 5); INSERT INTO kept VALUES (1, 'old', 9), (3000, 'far', 9)",
    );
    const source = duck("SELECT n // 2 AS name, 'v' || n AS v FROM range(0, 5000) r(n) ORDER BY n");
    const target = pond('kept', { mode: 'upsert', key: 'id', mapping: { id: 'name', v: 'v' } });
    expect(await moved({ source, target })).toMatchObject({ rows_transferred: 5_000, source: 'duckdb', target: 'duckdb' });
    expect(await ducks("SELECT count(*) AS n, count(*) FILTER (v = 'v' || (2 * id + 1)) AS last FROM kept")).toEqual([
      { n: 2_501, last: 2_500 },
    ]);
    expect(await ducks('SELECT * FROM kept WHERE id IN (1, 3000) ORDER BY id')).toEqual([
      { id: 1, v: 'v3', other: 9 },
      { id: 3000, v: 'far', other: 9 },
    ]);
    await moved({ source: duck("SELECT 1 AS id, 'new' AS v"), target: pond('kept', { mode: 'replace' }) });
    expect(await ducks('SELECT * FROM kept')).toEqual([{ id: 1, v: 'new', other: 5 }]);

    // The private database of the execution is another file; lists and structures are JSON.
    const content = JSON.stringify({
      ...{ apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: 'private', path: 'transfers/private' } },
      workflow: [
        { step: 'start', type: 'duckdb', command: 'CREATE TABLE mine (id INTEGER, doc JSON)', next: 'move' },
        {
          ...{ step: 'move', type: 'transfer', next: 'look' },
          source: duck("SELECT id, {'v': v, 'l': [id, NULL]} AS doc FROM kept WHERE v = {{ workload.v }}"),
          target: { type: 'duckdb', table: 'mine' },
        },
        { step: 'look', type: 'duckdb', command: 'SELECT * FROM mine', next: 'end' },
        { step: 'end', result: '{{ look.rows }}' },
      ],
    });
    await service.register(content);
    expect(await service.waitDone(await service.execute('transfers/private', { parameters: { v: 'new' } }))).toMatchObject({
      status: 'completed',
      result: [{ id: 1, doc: { v: 'new', l: [1, null] } }],
    });
  });

  it('takes an HTTP answer', async () => {
    await ducks('CREATE TABLE web (id BIGINT, city VARCHAR)');
    const source = http('/ducks', [{ id: 1, a: { city: "d'or" } }, { id: '9007199254740993' }]);
    await moved({ source, target: pond('web', { mapping: { id: 'id', city: 'a.city' } }) });
    expect(await ducks('SELECT id::VARCHAR AS id, city FROM web ORDER BY web.id')).toEqual([
      { id: '1', city: "d'or" },
      { id: '9007199254740993', city: null },
    ]);
  });

  it('what fails in the middle leaves nothing, on either side, and shows no value', async () => {
    await ducks('CREATE TABLE strict (n INTEGER); INSERT INTO strict VALUES (-1)');
    const bad = from("SELECT CASE n WHEN 2500 THEN 'hunter2-' || n ELSE n::text END AS n FROM generate_series(1, 5000) n");
    const error = await failed({ source: bad, target: pond('strict', { mode: 'replace' }), retry: 0 });
    expect(error).toMatchObject({
      code: 'sql_error',
      message: expect.stringMatching(/^Chunk 3 \(rows 2001 to 3000\) failed: Conversion Error.*; nothing was kept$/) as string,
      cause: { side: 'target', chunk: 3, rows_before: 2_000 },
    });
    expect(JSON.stringify(error)).not.toContain('hunter2');
    expect(await ducks('SELECT n FROM strict')).toEqual([{ n: -1 }]);

    await sql('CREATE TABLE ducklings (n int); INSERT INTO ducklings VALUES (-1)');
    const source = duck("SELECT CASE WHEN n = 4000 THEN error('hunter2') ELSE n END AS n FROM range(1, 50000) r(n)");
    const broken = await failed({ source, target: into('ducklings', { mode: 'replace' }), retry: 0 });
    expect(broken).toMatchObject({ code: 'sql_error', message: expect.stringMatching(/query of the source failed/) as string });
    expect(await sql('SELECT n FROM ducklings')).toEqual([{ n: -1 }]);
    const unfit = duck("SELECT CASE n WHEN 2500 THEN 'x' ELSE n::VARCHAR END AS n FROM range(1, 5000) r(n)");
    expect(await failed({ source: unfit, target: into('ducklings'), retry: 0 })).toMatchObject({ cause: { sqlstate: '22P02', chunk: 3 } });
    expect(await sql('SELECT n FROM ducklings')).toEqual([{ n: -1 }]);
  });

  it('a cancel in the middle lets the database go, unchanged', async () => {
    await ducks('CREATE TABLE calm (n INTEGER)');
    const slow = from('SELECT n, pg_sleep(CASE WHEN n > 1500 THEN 1000 ELSE 0 END) AS the_slow_one FROM generate_series(1, 3000) n');
    const { path, content } = document({ source: slow, target: pond('calm', { mapping: { n: 'n' } }) });
    await service.register(content);
    const id = await service.execute(path);
    await until(async () => (await lent()).some(({ query: text }) => String(text).includes('the_slow_one')));
    await service.post(`/executions/${id}/cancel`, { force: true });
    expect((await service.waitDone(id)).status).toBe('cancelled');
    expect(await ducks('SELECT count(*) AS n FROM calm')).toEqual([{ n: 0 }]);
  });
});

describe('a query as target', () => {
  it('is performed for each row, with its fields bound by name or by place', async () => {
    await sql("CREATE TABLE totals (day date PRIMARY KEY, sum int, note text); INSERT INTO totals VALUES ('2026-01-01', 10, 'x')");
    const rows = from("SELECT date '2026-01-01' + n / 2 AS day, n AS amount, 'it''s ' || n AS note FROM generate_series(0, 2499) n");
    const upsert =
      'INSERT INTO totals VALUES (:day::date, :amount, {{ workload.word }} || :what) ON CONFLICT (day) DO UPDATE SET sum = totals.sum + EXCLUDED.sum';
    const target = each(upsert, { mapping: { day: 'day', amount: 'amount', what: 'note' } });
    expect(await moved({ source: rows, target }, { word: "'); --" })).toMatchObject({
      rows_transferred: 2_500,
      chunks: 3,
      table: null,
      mode: 'query',
    });
    expect(await sql('SELECT count(*)::int AS n, sum(sum)::int AS sum FROM totals')).toEqual([{ n: 1_250, sum: (2_499 * 2_500) / 2 + 10 }]);
    expect(await sql("SELECT note FROM totals WHERE day = '2026-01-02'")).toEqual([{ note: "'); --it's 2" }]);

    await ducks('CREATE TABLE pairs (a INTEGER, b VARCHAR)');
    await moved({
      source: http('/pairs', [
        { a: 1, b: "'" },
        { a: 2, b: null },
      ]),
      target: { type: 'duckdb', database: 'pond', query: 'INSERT INTO pairs VALUES ($1::INTEGER * 10, $2)' },
    });
    expect(await ducks('SELECT * FROM pairs ORDER BY a')).toEqual([
      { a: 10, b: "'" },
      { a: 20, b: null },
    ]);
    const error = await failed({
      source: from("SELECT CASE n WHEN 7 THEN 'hunter2' ELSE n::text END AS n FROM generate_series(1, 9) n"),
      target: each('INSERT INTO totals (sum) VALUES (:n::int)'),
      retry: 0,
    });
    expect(JSON.stringify(error)).not.toContain('hunter2');
    expect(error).toMatchObject({ code: 'sql_error', cause: { chunk: 1 } });
  });
});

describe('what fails leaves nothing', () => {
  it('a row in the middle that does not fit: rolled back, told by chunk, without the value', async () => {
    await sql('CREATE TABLE strict (n int); INSERT INTO strict VALUES (-1)');
    const source = from("SELECT CASE n WHEN 2500 THEN 'hunter2-' || n ELSE n::text END AS n FROM generate_series(1, 5000) n");
    const error = await failed({ source, target: into('strict', { mode: 'replace' }), retry: 0 });
    expect(error).toMatchObject({
      code: 'sql_error',
      message: 'Chunk 3 (rows 2001 to 3000) failed: invalid input syntax for type integer: "…" (22P02); nothing was kept',
      cause: { sqlstate: '22P02', side: 'target', chunk: 3, rows_before: 2_000 },
    });
    expect(JSON.stringify(error)).not.toContain('hunter2');
    expect(await sql('SELECT n FROM strict')).toEqual([{ n: -1 }]);
  });

  it('a source that fails in the middle', async () => {
    await sql('CREATE TABLE half (n int)');
    const error = await failed({ source: from('SELECT 1 / (4000 - n) AS n FROM generate_series(1, 5000) n'), target: into('half') });
    expect(error).toMatchObject({
      code: 'sql_error',
      message: expect.stringMatching(/query of the source failed: division by zero/) as string,
    });
    expect(await sql('SELECT n FROM half')).toEqual([]);
  });

  it('a constraint that is checked at the commit', async () => {
    await sql('CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)');
    const error = await failed({ source: from('SELECT 1 AS n FROM generate_series(1, 2)'), target: into('late') });
    expect(error).toMatchObject({ code: 'sql_error', message: expect.stringMatching(/^The target failed: duplicate key/) as string });
    expect(await sql('SELECT n FROM late')).toEqual([]);
  });

  it.each<[string, JsonObject, JsonObject, string, RegExp]>([
    ['an unknown table of the target', from('SELECT 1 AS n'), into('no_such'), 'sql_error', /Chunk 1 .*"no_such" does not exist \(42P01\)/],
    ['an unknown table of the source', from('SELECT * FROM missing_one'), into('half'), 'sql_error', /"missing_one" does not exist/],
    ['a column the query lacks', from('SELECT 1 AS n'), into('half', { mapping: { n: 'm' } }), 'invalid_transfer', /no column m/],
    ['an upsert without key', from('SELECT 1 AS n'), into('half', { mode: 'upsert' }), 'invalid_transfer', /needs a key/],
    ['two statements', from('SELECT 1 AS n; SELECT 2 AS n'), into('half'), 'invalid_transfer', /one statement/],
    ['a mode that is none', from('SELECT 1 AS n'), into('half', { mode: 'merge' }), 'invalid_transfer', /mode/],
    ['a credential of another type', from('SELECT 1 AS n', { auth: 'reader' }), into('half'), 'invalid_connection', /not bearer/],
    ['snowflake', { tool: 'snowflake', query: 'SELECT 1' }, into('half'), 'unsupported_transfer', /snowflake/],
    [
      'a query that binds what rows lack',
      from('SELECT 1 AS n'),
      each('INSERT INTO half VALUES (:m)'),
      'invalid_transfer',
      /lack the field m/,
    ],
    [
      'a query that binds too many',
      from('SELECT 1 AS n'),
      each('INSERT INTO half VALUES (%s + %s)'),
      'invalid_transfer',
      /have 1 fields, not 2/,
    ],
    ['a database of DuckDB elsewhere', duck('SELECT 1 AS n', { database: '../x' }), into('half'), 'invalid_parameters', /relative/],
    ['an unknown table of DuckDB', duck('SELECT * FROM no_ducks'), into('half'), 'sql_error', /no_ducks/],
    ['a DuckDB query without rows', duck('CREATE TABLE made_here (n INT)'), into('half'), 'invalid_transfer', /./],
  ])('%s', async (_name, source, target, code, message) => {
    const error = await failed({ source, target });
    expect([error['code'], error['message']]).toEqual([code, expect.stringMatching(message)]);
  });

  it('a cancel ends both sides', async () => {
    await sql('CREATE TABLE cancelled (n int)');
    const { path, content } = document({
      source: from('SELECT n, pg_sleep(CASE WHEN n > 1500 THEN 1000 ELSE 0 END) AS the_cancelled_one FROM generate_series(1, 3000) n'),
      target: into('cancelled', { mapping: { n: 'n' } }),
    });
    await service.register(content);
    const id = await service.execute(path);
    await until(async () => (await lent()).some(({ query: text }) => String(text).includes('COPY "cancelled"')));
    await service.post(`/executions/${id}/cancel`, { force: true });
    expect((await service.waitDone(id)).status).toBe('cancelled');
    await until(async () => (await lent()).length === 0);
    expect(await sql('SELECT n FROM cancelled')).toEqual([]);
  });
});

describe('what registration says', () => {
  it.each<[string, JsonObject, number, string]>([
    ['a side without a type', { source: { query: 'SELECT 1' }, target: into('t') }, 422, 'missing_field'],
    ['a type that is none', { source: from('SELECT 1'), target: { type: 'mysql', table: 't' } }, 422, 'invalid_value'],
    ['no query', { source: { type: 'postgres', auth: 'shop' }, target: into('t') }, 422, 'missing_field'],
    ['no table', { source: from('SELECT 1'), target: { type: 'postgres', auth: 'shop' } }, 422, 'missing_field'],
    [
      'credentials of which none is meant',
      { auth: { a: { key: 'shop' }, b: { key: 'reader' } }, source: { type: 'postgres', query: 'SELECT 1' }, target: into('t') },
      422,
      'ambiguous_field',
    ],
    [
      'a table and a query',
      { source: from('SELECT 1'), target: { ...into('t'), query: 'INSERT INTO t VALUES (:n)' } },
      422,
      'ambiguous_field',
    ],
    ['snowflake', { source: { type: 'snowflake' }, target: into('t') }, 201, 'unsupported_type'],
  ])('%s', async (_name, step, status, code) => {
    const answer = await service.post('/catalog/register', { content: document(step).content });
    const found = (answer.json[status === 201 ? 'warnings' : 'errors'] ?? []) as JsonObject[];
    expect([answer.status, found.map((issue) => issue['code'])]).toEqual([status, expect.arrayContaining([code])]);
  });

  it('takes aliases and the one credential of the step', async () => {
    await sql('CREATE TABLE aliased (n int)');
    const source = { tool: 'postgres', query: 'SELECT 1 AS n' };
    const target = { type: 'postgres', table: 'aliased' };
    await moved({ auth: 'shop', source, target });
    await moved({ auth: { type: 'postgres', key: 'shop' }, source, target });
    await moved({
      auth: { db: { key: 'shop' }, web: { key: 'reader' } },
      source: { ...source, auth: 'db' },
      target: { ...target, auth: 'db' },
    });
    await moved(
      { source: { ...source, auth: '{{ workload.login }}' }, target: { ...target, auth: { db: { type: 'postgres', key: 'shop' } } } },
      { login: 'shop' },
    );
    expect(await sql('SELECT n FROM aliased')).toHaveLength(4);
  });
});

it.each<[string, Json, JsonObject]>([
  ['needs', 'shop', {}],
  ['names', { db: { type: 'postgres', key: 'shop' } }, { auth: 'db' }],
])('does not send the login that the target %s with an HTTP call', async (what, auth, target) => {
  await sql(`CREATE TABLE open_${what} (n int)`);
  seen.length = 0;
  const step = { auth, source: http('/open', [{ n: 1 }]), target: { type: 'postgres', table: `open_${what}`, ...target } };
  expect(await moved(step)).toMatchObject({ rows_transferred: 1 });
  expect(seen).toEqual([undefined]);
});

/** What steps do on the server or hold open there. */
const lent = (): Promise<JsonObject[]> =>
  sql("SELECT query FROM pg_stat_activity WHERE application_name = 'showrunner:step' AND (state <> 'idle' OR xact_start IS NOT NULL)");
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
