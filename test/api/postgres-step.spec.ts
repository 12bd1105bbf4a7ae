import { createServer, type Server } from 'node:net';
import { type AddressInfo } from 'node:net';
import { type JsonObject } from '../../src/engine/values.js';
import { type DurableServer, startDurableServer } from '../support/database.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

/** The service, and a second PostgreSQL that belongs to the playbooks. */
let server: DurableServer;
let service: TestService;
/** Accepts connections and says nothing; counts them. */
let silent: Server;
let silentConnections = 0;
beforeAll(async () => {
  server = await startDurableServer();
  silent = createServer((socket) => {
    silentConnections += 1;
    socket.on('error', () => undefined).resume();
  }).listen(0, '127.0.0.1');
  const { port } = new URL(server.url);
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${port},127.0.0.1:${closedPort}`, SQL_MAX_ROWS: '100' });
  await sql('CREATE TABLE canary (n int); INSERT INTO canary VALUES (1)');
});
afterAll(async () => {
  await service.stop();
  silent.close();
  await server.stop();
});
const closedPort = 1;
const sql = (statement: string, values: readonly unknown[] = []): Promise<JsonObject[]> => query<JsonObject>(server.url, statement, values);

/** How the document says where its database is; in YAML flow style, so that it fits anywhere. */
function connection(): string {
  const { hostname, port, username, password, pathname } = new URL(server.url);
  const fields = { db_host: hostname, db_port: port, db_user: decodeURIComponent(username), db_password: decodeURIComponent(password) };
  return Object.entries({ ...fields, db_name: pathname.slice(1) })
    .map(([name, value]) => `    ${name}: ${JSON.stringify(value)}`)
    .join('\n');
}

const indented = (text: string): string =>
  text
    .trim()
    .split('\n')
    .map((line) => `      ${line}`)
    .join('\n');
let documents = 0;
const document = (command: string, { extra = '', where = connection(), next = '' } = {}): { path: string; content: string } => {
  documents += 1;
  const path = `sql/d${documents}`;
  const content = `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: d${documents}, path: ${path} }
workflow:
  - step: start
    next: run
  - step: run
    type: postgres
${where}
${extra}
    command: |
${indented(command)}
    next: end
${next}  - step: end
    result: { value: "{{ run }}", rows: "{{ run.rows }}", count: "{{ run.row_count }}", first: "{{ run.command_0[0] }}", columns: "{{ run.columns }}" }
`;
  return { path, content };
};
async function run(command: string, parameters: JsonObject = {}, options: Parameters<typeof document>[1] = {}) {
  const { path, content } = document(command, options);
  await service.register(content);
  return service.waitDone(await service.execute(path, { parameters }));
}
const resultOf = async (...args: Parameters<typeof run>): Promise<JsonObject> => {
  const done = await run(...args);
  expect(done).toMatchObject({ status: 'completed', error: null });
  return done['result'] as JsonObject;
};

describe('what a postgres step does', () => {
  it('keeps the contract of tables that are in its database', async () => {
    const extra = '    assert: { returns: [canary, public.canary, pg_class, command_0] }';
    await resultOf('SELECT 1 AS a', {}, { extra });
    expect(await run('SELECT 1 AS a', {}, { extra: '    assert: { returns: [canary, not_there, public.nor_this] }' })).toMatchObject({
      error_details: { code: 'assert_returns', message: 'The value lacks not_there, public.nor_this.' },
    });
  });

  it('runs statements in order and gives each its result, types as the language says', async () => {
    const result = await resultOf(
      `
-- comment only; nothing is sent
CREATE TABLE people (id bigserial PRIMARY KEY, name text, born date, at timestamptz, tags text[], profile jsonb, photo bytea, big bigint, price numeric);
INSERT INTO people (name, born, at, tags, profile, photo, big, price) VALUES
  ('{{ workload.name }}', '1815-12-10', '2026-01-02T03:04:05.5+02:00', {{ workload.tags }}::text[], '{{ workload.profile | tojson }}', '\\x00ff', 9007199254740993, 1.50),
  ({{ workload.name }}, NULL, NULL, '{}', $\${{ workload.profile }}$$::jsonb, NULL, {{ workload.n }}, 12345678901234567890.5);
SELECT *, 0.1::float8 AS real, true AS yes, ARRAY[[1,2],[3,NULL]] AS grid, '{"n": 9007199254740993}'::json AS exact FROM people ORDER BY id;
UPDATE people SET name = 'x' WHERE id = {{ workload.n }};
`,
      { name: "O'Brien; -- \\", tags: ['a"b', "c'd", 'e,f'], profile: { "k'": ['$$', null, 1.5] }, n: 42 },
    );
    const zone = /Z$|[+-]\d\d:\d\d$/;
    expect(result['value']).toEqual({
      command_0: { status: 'success', row_count: 0, message: 'CREATE TABLE' },
      command_1: { status: 'success', row_count: 2, message: 'INSERT 0 2' },
      command_2: {
        status: 'success',
        row_count: 2,
        columns: ['id', 'name', 'born', 'at', 'tags', 'profile', 'photo', 'big', 'price', 'real', 'yes', 'grid', 'exact'],
        rows: [
          {
            ...{ id: 1, name: "O'Brien; -- \\", born: '1815-12-10', at: expect.stringMatching(zone) as string, tags: ['a"b', "c'd", 'e,f'] },
            ...{ profile: { "k'": ['$$', null, 1.5] }, photo: 'AP8=', big: '9007199254740993', price: 1.5, real: 0.1, yes: true },
            ...{ grid: [[1, 2], [3, null]], exact: { n: '9007199254740993' } },
          }, // prettier-ignore
          {
            ...{ id: 2, name: "O'Brien; -- \\", born: null, at: null, tags: [], profile: { "k'": ['$$', null, 1.5] }, photo: null, big: 42 },
            ...{ price: '12345678901234567890.5', real: 0.1, yes: true, grid: [[1, 2], [3, null]], exact: { n: '9007199254740993' } },
          }, // prettier-ignore
        ],
      },
      command_3: { status: 'success', row_count: 0, message: 'UPDATE 0' },
    });
    const [first] = result['rows'] as JsonObject[];
    expect(new Date(String(first!['at'])).toISOString()).toBe('2026-01-02T01:04:05.500Z');
    // The last statement that returned rows is not the last statement.
    expect(result).toMatchObject({ count: 2, columns: expect.arrayContaining(['grid']) as string[] });
  });

  it('reads rows by subscript, takes bound parameters of every kind', async () => {
    const hostile = "'; DROP TABLE canary; --";
    const list = await resultOf(
      "SELECT %s AS a, '%s' AS b, $3::int AS c, 7 %% 4 AS d",
      { hostile },
      { extra: "    parameters: ['{{ workload.hostile }}', 1, 5]" },
    );
    expect(list['first']).toEqual({ a: hostile, b: '%s', c: 5, d: 3 });
    const named = await resultOf(
      'SELECT :a::text AS a, :b::jsonb AS b',
      { hostile },
      { extra: '    parameters: { a: "{{ workload.hostile }}", b: { x: [1] } }' },
    );
    expect(named['first']).toEqual({ a: hostile, b: { x: [1] } });
    expect(await sql('SELECT n FROM canary')).toEqual([{ n: 1 }]);
  });

  it('takes the connection from the inputs, as a text, or in parts', async () => {
    const { hostname, port, username, password, pathname } = new URL(server.url);
    const inputs = await resultOf(
      'SELECT current_schema() AS s',
      { url: server.url },
      { where: '    data: { db_conn_string: "{{ workload.url }}", db_schema: pg_temp }' },
    );
    expect(inputs['count']).toBe(1);
    const words = `host=${hostname} port=${port} user='${decodeURIComponent(username)}' password='${decodeURIComponent(password)}' dbname=${pathname.slice(1)} sslmode=disable`;
    expect((await resultOf('SELECT 1 AS n', { words }, { where: '    connection: "{{ workload.words }}"' }))['rows']).toEqual([{ n: 1 }]);
  });

  it('runs what no transaction can hold outside of it', async () => {
    const result = await resultOf(`
CREATE TABLE alone (n int);
INSERT INTO alone VALUES (1);
CREATE INDEX CONCURRENTLY alone_n ON alone (n);
VACUUM alone;
CREATE PROCEDURE twice() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO alone VALUES (2); COMMIT; INSERT INTO alone VALUES (3); END $$;
CALL twice();
SELECT count(*) AS n FROM alone;
`);
    expect(result['rows']).toEqual([{ n: 3 }]);
  });

  it('forgets everything between steps: settings, temporary tables, open transactions', async () => {
    await resultOf(
      'CREATE TEMP TABLE left_over (n int); SET search_path = pg_catalog; SET standard_conforming_strings = off; SELECT pg_advisory_lock(7)',
    );
    const result = await resultOf(
      "SELECT to_regclass('left_over') AS t, current_setting('search_path') AS p, current_setting('standard_conforming_strings') AS s, (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS l",
    );
    expect(result['rows']).toEqual([{ t: null, p: '"$user", public', s: 'on', l: 0 }]);
  });

  it('leaves out rows above the limit and says so', async () => {
    const result = await resultOf('SELECT generate_series(1, 1000000) AS n');
    expect(result['value']).toMatchObject({ command_0: { row_count: 100, truncated: true } });
    expect(result['rows']).toHaveLength(100);
    expect((await resultOf('SELECT generate_series(1, 100) AS n'))['value']).not.toHaveProperty('command_0.truncated');
  });

  it('runs a command that is a template as a whole, and raw text where it says so', async () => {
    expect((await resultOf('{{ workload.query }}', { query: 'SELECT 1 AS n; SELECT 2 AS n' }))['rows']).toEqual([{ n: 2 }]);
    expect((await resultOf('SELECT {{ workload.columns | sql_raw }}', { columns: '1 AS a, 2 AS b' }))['rows']).toEqual([{ a: 1, b: 2 }]);
  });

  it('may be made stricter', async () => {
    const strict = await startTestService({ OUTBOUND_ALLOW: '127.0.0.1', UNSAFE_SQL: 'explicit' });
    try {
      const { path, content } = document('{{ workload.query }}');
      await strict.register(content);
      const done = await strict.waitDone(await strict.execute(path, { parameters: { query: 'SELECT 1' } }));
      expect(done).toMatchObject({ status: 'failed', error_details: { code: 'unsafe_sql', step: 'run', retryable: false } });
    } finally {
      await strict.stop();
    }
  });
});

describe('hostile values', () => {
  it.each([
    ["'; DROP TABLE canary; --"],
    ["\\'; DROP TABLE canary; --"],
    ['$$; DROP TABLE canary; $$'],
    ['"; DROP TABLE canary; --'],
    ['*/ DROP TABLE canary; /*'],
    ["\n'; DROP TABLE canary;\n"],
    ['Ünï 😀 \u2028 {{ workload }}'],
  ])('%j comes out as it went in, wherever it stands', async (v) => {
    const result = await resultOf(
      `
CREATE TEMP TABLE h (a text, b text, c text, d text, "{{ workload.v }}" text);
INSERT INTO h /* {{ workload.v }} */ VALUES ('{{ workload.v }}', {{ workload.v }}, E'{{ workload.v }}', $x\${{ workload.v }}$x$, %s); -- {{ workload.v }}
SELECT *, '{{ workload.list }}'::jsonb AS list, {{ workload.list }}::text[] AS items FROM h WHERE a = {{ workload.v }} AND a = ANY({{ workload.list }});
`,
      { v, list: [v, v] },
      { extra: '    parameters: ["{{ workload.v }}"]' },
    );
    expect(result['rows']).toEqual([{ a: v, b: v, c: v, d: v, [v]: v, list: [v, v], items: [v, v] }]);
    expect(await sql('SELECT n FROM canary')).toEqual([{ n: 1 }]);
  });

  it('a NUL fails the step before anything is sent', async () => {
    // No request may hold one, but code can make one.
    const { path, content } = document("SELECT '{{ workload.v | b64decode }}' AS v");
    await service.register(content);
    const done = await service.waitDone(await service.execute(path, { parameters: { v: Buffer.from('a\0b').toString('base64') } }));
    expect(done).toMatchObject({ status: 'failed', error_details: { step: 'run' } });
  });
});

describe('bad input, and what it gets', () => {
  const failed = async (...args: Parameters<typeof run>): Promise<JsonObject> => {
    const done = await run(...args);
    expect(done.status).toBe('failed');
    return done['error_details'] as JsonObject;
  };

  it('an error in the third of five statements: nothing of the five remains, no value is told', async () => {
    const error = await failed(
      `
CREATE TABLE five (n int);
INSERT INTO five VALUES (1);
INSERT INTO five VALUES ('{{ workload.secret }}');
INSERT INTO five VALUES (4);
INSERT INTO five VALUES (5);
`,
      { secret: 'hunter2-and-more' },
    );
    expect(error).toMatchObject({
      code: 'sql_error',
      step: 'run',
      message: expect.stringMatching(
        /^Statement 3 of 5 failed: invalid input syntax for type integer: "…" \(22P02\); nothing of its transaction was kept$/,
      ) as string,
      cause: { sqlstate: '22P02', statement: 3 },
    });
    expect(JSON.stringify(error)).not.toContain('hunter2');
    expect(await sql("SELECT to_regclass('five') AS t")).toEqual([{ t: null }]);
  });

  it('transaction: false keeps what came before', async () => {
    const error = await failed(
      'CREATE TABLE kept (n int);\nINSERT INTO kept VALUES (1);\nINSERT INTO kept VALUES (1 / 0);',
      {},
      { extra: '    transaction: false' },
    );
    expect(error).toMatchObject({ code: 'sql_error', cause: { sqlstate: '22012', statement: 3 } });
    expect(await sql('SELECT n FROM kept')).toEqual([{ n: 1 }]);
  });

  it('a transaction of its own that is left open is rolled back', async () => {
    const error = await failed('BEGIN;\nCREATE TABLE half_done (n int);');
    expect(error).toMatchObject({ code: 'sql_error', message: expect.stringContaining('rolled back') as string });
    expect(await sql("SELECT to_regclass('half_done') AS t")).toEqual([{ t: null }]);
  });

  it.each([
    ['a table that does not exist', 'SELECT * FROM {{ workload.t }}', { t: 'no_such' }, '42P01'],
    ['a syntax error', 'SELEC 1', {}, '42601'],
    ['COPY from a client', 'COPY canary FROM STDIN', {}, '57014'],
  ])('%s', async (_name, command, parameters, sqlstate) => {
    expect(await failed(command, parameters)).toMatchObject({ code: 'sql_error', cause: { sqlstate, statement: 1 } });
  });

  it('a time-out cancels the statement on the server', async () => {
    const error = await failed("SELECT pg_sleep(1000), 'the slow one'", {}, { extra: '    timeout: 1' });
    expect(error).toMatchObject({ code: 'timeout', step: 'run' });
    await untilIdle('the slow one');
  });

  it('a cancelled execution cancels it too', async () => {
    const { path, content } = document("SELECT pg_sleep(1000), 'the cancelled one'");
    await service.register(content);
    const id = await service.execute(path);
    await untilActive('the cancelled one');
    await service.post(`/executions/${id}/cancel`, { force: true });
    expect((await service.waitDone(id)).status).toBe('cancelled');
    await untilIdle('the cancelled one');
  });

  it('more than a value may hold', async () => {
    expect(await failed("SELECT repeat('x', 1000000) FROM generate_series(1, 90)")).toMatchObject({ code: 'result_too_large' });
  });

  it('a session that dies in the middle', async () => {
    const error = await failed('SELECT pg_terminate_backend(pg_backend_pid())');
    expect(error).toMatchObject({ code: 'connection_error', retryable: true });
    expect((await resultOf('SELECT 1 AS n'))['rows']).toEqual([{ n: 1 }]);
  });

  it.each<[string, () => string, string, RegExp]>([
    ['nobody listens', () => at(`127.0.0.1`, closedPort), 'connection_error', /127\.0\.0\.1:1 could not be reached: nobody listens/],
    [
      'a wrong password',
      () => connection().replace(/db_password: .*/, 'db_password: wrong'),
      'invalid_connection',
      /wrong user or password \(28P01\)/,
    ],
    ['no such database', () => connection().replace(/db_name: .*/, 'db_name: no_such'), 'invalid_connection', /no such database/],
    ['no connection at all', () => '', 'invalid_connection', /neither auth/],
    ['no user', () => '    db_host: 127.0.0.1', 'invalid_connection', /no user/],
    ['a socket file', () => at('/var/run/postgresql', 5432), 'invalid_connection', /neither a name nor an address/],
    ['a port that is none', () => at('127.0.0.1', 99999), 'invalid_connection', /port/],
    ['a TLS mode that is none', () => `${at('127.0.0.1', 1)}\n    sslmode: perhaps`, 'invalid_connection', /sslmode/],
    ['TLS where the server has none', () => `${connection()}\n    sslmode: require`, 'connection_error', /does not speak TLS/],
    ['a credential that is not there', () => '    auth: pg_local', 'unknown_credential', /pg_local/],
  ])('%s', async (_name, where, code, message) => {
    const error = await failed('SELECT 1', {}, { where: where() });
    expect([error['code'], error['message']]).toEqual([code, expect.stringMatching(message)]);
    expect(JSON.stringify(error)).not.toContain(decodeURIComponent(new URL(server.url).password));
  });

  it('blocked addresses are not connected to, and the own database never', async () => {
    const own = new URL(service.databaseUrl);
    const { port } = silent.address() as AddressInfo;
    for (const host of ['127.0.0.1', 'localhost', '0.0.0.0', '::1', '::ffff:127.0.0.1', '127.1', '0x7f000001', '2130706433']) {
      const error = await failed('SELECT 1', {}, { where: at(host, port) });
      expect([host, error['code']]).toEqual([host, expect.stringMatching(/^(outbound_blocked|connection_error)$/)]);
      if (error['code'] === 'connection_error') expect(error['message']).toContain('could not be resolved');
    }
    expect((await failed('SELECT 1', {}, { where: at('169.254.169.254', 80) }))['code']).toBe('outbound_blocked');
    expect(silentConnections).toBe(0);
    const open = await startTestService({ OUTBOUND_ALLOW: '0.0.0.0/0,::/0' });
    try {
      const { path, content } = document('SELECT 1', { where: `    connection: ${JSON.stringify(open.databaseUrl)}` });
      await open.register(content);
      const done = await open.waitDone(await open.execute(path));
      expect(done).toMatchObject({
        status: 'failed',
        error_details: { code: 'outbound_blocked', message: expect.stringContaining('the database of this service') as string },
      });
    } finally {
      await open.stop();
    }
    expect(own.port).not.toBe(new URL(server.url).port);
  });

  it.each([
    ['SQL that does not end', "SELECT 'a", 'sql_context'],
    ['a template that cannot be parsed', 'SELECT {{ x', 'template_syntax'],
    ['a value in the body of a function', "DO $$ BEGIN RAISE '{{ workload.x }}'; END $$", 'sql_context'],
    ['a value that begins a statement', '{{ workload.x }} FROM t', 'sql_context'],
  ])('%s is refused at registration', async (_name, command, code) => {
    const { status, json } = await service.post('/catalog/register', { content: document(command).content });
    expect(status).toBe(422);
    expect((json['errors'] as JsonObject[]).map((issue) => issue['code'])).toContain(code);
  });

  it('a command that is missing or a mapping', async () => {
    const { content } = document('SELECT 1');
    const missing = await service.post('/catalog/register', { content: content.replace(/ {4}command: \|\n.*\n/, '') });
    expect([missing.status, (missing.json['errors'] as JsonObject[])[0]!['code']]).toEqual([422, 'missing_field']);
    const mapping = await service.post('/catalog/register', { content: content.replace(/command: \|\n.*\n/, 'command: { a: 1 }\n') });
    expect([mapping.status, (mapping.json['errors'] as JsonObject[])[0]!['code']]).toEqual([422, 'invalid_type']);
  });
});

function at(host: string, port: number): string {
  return `    db_host: ${JSON.stringify(host)}\n    db_port: ${port}\n    db_user: u\n    db_password: p`;
}

async function activeWith(text: string): Promise<number> {
  const found = await sql("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1", [
    `%${text}%`,
  ]);
  return found.length;
}
async function untilIdle(text: string): Promise<void> {
  while ((await activeWith(text)) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
}
async function untilActive(text: string): Promise<void> {
  while ((await activeWith(text)) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}
