import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JsonObject } from '../../src/engine/values.js';
import { hasBubblewrap, runStep } from '../support/code-runs.js';
import { startTestService, type TestService } from '../support/service.js';
import { DuckDbProcesses } from '../../src/sandbox/duckdb-processes.js';

const MODES = ['process', ...(hasBubblewrap() ? ['bubblewrap'] : [])] as const;

/** T23: none of these may succeed. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['a copy to elsewhere', "COPY (SELECT 1) TO '/tmp/showrunner-duckdb.csv'"],
  ['a copy to the parent', "COPY (SELECT 1) TO '../escape.csv'"],
  ['a copy to another execution', "COPY (SELECT 1) TO '../../1/files/escape.csv'"],
  ['an export', "EXPORT DATABASE '/tmp/showrunner-duckdb'"],
  ['an import', "IMPORT DATABASE '/tmp/showrunner-duckdb'"],
  ['read_csv', "SELECT * FROM read_csv('/etc/passwd')"],
  ['read_text', "SELECT content FROM read_text('/etc/passwd')"],
  ['read_blob of a process', "SELECT content FROM read_blob('/proc/self/environ')"],
  ['a file as table', "SELECT * FROM '/etc/passwd.csv'"],
  ['glob', "SELECT * FROM glob('/etc/*')"],
  ['another database', "ATTACH '/tmp/other.duckdb' AS other"],
  ['its neighbours', "SELECT * FROM glob('../../*')"],
  ['getenv', "SELECT getenv('HOME')"],
  ['more memory', "SET memory_limit = '64GB'"],
  ['external access', 'SET enable_external_access = true'],
  ['another directory', "SET allowed_directories = ['/']"],
  ['an unlocked configuration', 'SET lock_configuration = false'],
  ['a reset', 'RESET memory_limit'],
  ['a pragma', 'PRAGMA threads = 64'],
  ['a library', "LOAD '/tmp/evil.duckdb_extension'"],
  ['an extension from the network', 'INSTALL httpfs'],
  ['an extension of the community', 'INSTALL h3 FROM community'],
  ['an http address', "SELECT * FROM 'http://127.0.0.1/x.csv'"],
  ['an s3 address', "SELECT * FROM 's3://bucket/x.parquet'"],
  ['a PostgreSQL database', "ATTACH 'host=127.0.0.1 user=postgres' AS pg (TYPE postgres)"],
  ['a scan of one', "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 'execution')"],
  ['a kept secret', "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')"],
];

describe.each(MODES)('duckdb steps under the isolation %s', (isolation) => {
  let service: TestService;
  let dataDir: string;
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'showrunner-duckdb-'));
    // So that another user may walk there, as with the default folder.
    chmodSync(dataDir, 0o755);
    service = await startTestService({ ISOLATION: isolation, DATA_DIR: dataDir, DUCKDB_MEMORY_MB: '128' });
  });
  afterAll(async () => {
    await service.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const run = (command: string | string[], fields: JsonObject = {}, options: { timeout?: number; parameters?: JsonObject } = {}) =>
    runStep(service, 'duckdb', { command, ...fields }, options);

  it('gives every statement a result in the shape of postgres', async () => {
    const { result, message } = await run(`
      -- a comment; not a statement
      CREATE TABLE t (a INTEGER, b TEXT);
      INSERT INTO t VALUES (1, 'x;y'), (2, NULL);
      SELECT * FROM t ORDER BY a`);
    expect([message, result]).toEqual([
      expect.anything(),
      {
        command_0: { status: 'success', row_count: 0, message: 'done' },
        command_1: { status: 'success', row_count: 2, message: '2 rows' },
        command_2: {
          status: 'success',
          rows: [
            { a: 1, b: 'x;y' },
            { a: 2, b: null },
          ],
          row_count: 2,
          columns: ['a', 'b'],
        },
      },
    ]);
  });

  it('keeps the contract of tables and views that it leaves in its database', async () => {
    const assert = { returns: ['Flat', 'main.agg', 'command_0'] };
    const made = await run('CREATE TABLE flat (a INTEGER); CREATE VIEW agg AS SELECT sum(a) AS s FROM flat', { assert });
    expect([made.message, Object.keys(made.result as object)]).toEqual([expect.anything(), ['command_0', 'command_1']]);
    expect(await run('CREATE TABLE flat (a INTEGER)', { assert })).toMatchObject({
      code: 'assert_returns',
      message: expect.stringContaining('lacks main.agg.') as string,
    });
  });

  it('maps the types', async () => {
    const { result, message } = await run(`SELECT 170141183460469231731687303715884105727::HUGEINT h, 9007199254740993 big, 5::BIGINT small,
      1.50::DECIMAL(10,2) d, 12345678901234567.89::DECIMAL(30,2) exact, TIMESTAMP '2024-01-02 03:04:05.6' t,
      TIMESTAMPTZ '2024-01-02 03:04:05+02' tz, DATE '2024-01-02' AS "day", TIME '01:02:03' tm, INTERVAL 1 DAY i, [1, NULL] l,
      {'a': 1, 'b': [DATE '2024-01-02']} s, MAP {'k': 1} m, 'hi'::BLOB bl, '{"a": [1]}'::JSON j, 'NaN'::DOUBLE n, 0.5 half,
      true AS "yes", NULL AS "no", '01234567-89ab-cdef-0123-456789abcdef'::UUID u`);
    expect(result ?? message).toHaveProperty('command_0.rows', [
      {
        h: '170141183460469231731687303715884105727', big: '9007199254740993', small: 5, d: 1.5, exact: '12345678901234567.89',
        t: '2024-01-02T03:04:05.6', tz: '2024-01-02T01:04:05Z', day: '2024-01-02', tm: '01:02:03', i: '1 day', l: [1, null],
        s: { a: 1, b: ['2024-01-02'] }, m: { k: 1 }, bl: 'aGk=', j: { a: [1] }, n: 'NaN', half: 0.5, yes: true, no: null,
        u: '01234567-89ab-cdef-0123-456789abcdef',
      },
    ]); // prettier-ignore
  });

  it.each(['BEGIN', '/* now */ start transaction'])(
    'fails where the SQL leaves the transaction open that it began itself (%s)',
    async (begin) => {
      const failed = await run(['CREATE TABLE t (a INTEGER)', begin, 'INSERT INTO t VALUES (1)']);
      expect(failed.message).toContain('ends with its own transaction open: it was rolled back');
      const ended = await run(['CREATE TABLE t (a INTEGER)', begin, 'INSERT INTO t VALUES (1)', 'COMMIT', 'FROM t']);
      expect(ended.result).toHaveProperty('command_4.row_count', 1);
    },
  );

  it('writes values in the form of their place, whatever they hold', async () => {
    const hostile = `'; DROP TABLE t; -- " $$ \\ é`;
    const { result, message } = await run(
      [
        "CREATE TABLE t AS SELECT '{{ workload.x }}' AS quoted, {{ workload.x }} AS bare, {{ workload.n }} AS n",
        'INSERT INTO t VALUES ($1, :2, 3)'.replace(':2', '$2'),
        'SELECT * FROM t ORDER BY n',
      ],
      { parameters: ['{{ workload.x }}', 'b'] },
      { parameters: { x: hostile, n: 1 } },
    );
    expect([message, (result as JsonObject)?.['command_2']]).toMatchObject([
      expect.anything(),
      {
        rows: [
          { quoted: hostile, bare: hostile, n: 1 },
          { quoted: hostile, bare: 'b', n: 3 },
        ],
      },
    ]);
  });

  it('shares the database and the files of an execution among its steps, and nothing with others', async () => {
    await service.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: shared, path: shared }
workflow:
  - { step: start, next: make }
  - step: make
    type: duckdb
    files: { "in.csv": "a,b\\n1,x\\n2,y\\n", "in.json": [{ c: 3 }] }
    commands: |
      INSTALL json; LOAD json;
      CREATE TABLE t AS SELECT * FROM read_csv('in.csv');
      COPY (SELECT sum(a) AS total FROM t) TO 'out.parquet' (FORMAT parquet);
    next: use
  - step: use
    type: duckdb
    commands: "SELECT (SELECT count(*) FROM t) AS n, total, c FROM 'out.parquet', read_json('in.json')"
    next: end
  - { step: end, result: { rows: "{{ use.rows }}", count: "{{ use.row_count }}" } }
`);
    const id = await service.execute('shared');
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { rows: [{ n: 2, total: 3, c: 3 }], count: 1 } });
    expect(await run('SELECT * FROM t')).toMatchObject({ status: 'failed', code: 'sql_error' });
    await service.app.get(DuckDbProcesses).sweep();
    expect(existsSync(join(dataDir, 'duckdb', 'executions', id))).toBe(false);
  });

  it('lets parallel branches into the database of their execution one after the other', async () => {
    const branches = ['a', 'b', 'c', 'd'];
    const steps = branches.map((name) => `  - { step: ${name}, type: duckdb, command: "INSERT INTO t VALUES ('${name}')", next: count }`);
    await service.register(
      `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: parallel, path: parallel }
workflow:
  - { step: start, type: duckdb, command: CREATE TABLE t (a TEXT), next: [${branches.join(', ')}] }
${steps.join('\n')}
  - { step: count, type: duckdb, command: SELECT string_agg(a ORDER BY a) AS joined FROM t, next: end }
  - { step: end, result: "{{ count.rows[0].joined }}" }
`,
    );
    const id = await service.execute('parallel');
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: 'a,b,c,d' });
  });

  it('says without a path of this machine that a file is no database', async () => {
    await run('SELECT 1', { database: 'broken' });
    const file = join(dataDir, 'duckdb', 'databases', 'default', 'broken');
    writeFileSync(file, 'x'.repeat(8192));
    const failed = await run('SELECT 1', { database: 'broken' });
    expect(failed).toMatchObject({ status: 'failed', code: 'sql_error' });
    expect(failed.message).toContain('The database could not be opened');
    expect(failed.message).not.toContain(dataDir);
  });

  it('keeps a named database, and refuses names that lead elsewhere', async () => {
    await run('CREATE TABLE IF NOT EXISTS kept (a INTEGER); INSERT INTO kept VALUES (7)', { database: 'reports/kept.duckdb' });
    const { result } = await run('SELECT a FROM kept', { database: 'reports/kept.duckdb' });
    expect(result).toMatchObject({ command_0: { rows: [{ a: 7 }] } });
    for (const database of ['/etc/x', '../x', 'a/../../x', 'a\\b', '.', 'a//b', '{{ workload.name }}'])
      expect([database, await run('SELECT 1', { database }, { parameters: { name: 'a\u0001b' } })]).toMatchObject([
        database,
        { status: 'failed', code: 'invalid_parameters' },
      ]);
  });

  it('undoes everything before a statement that fails, and says which one', async () => {
    await run('CREATE TABLE t (a INTEGER)', { database: 'undo' });
    const failed = await run("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); SELECT 'secret-value'::INTEGER; SELECT 1", {
      database: 'undo',
    });
    expect(failed).toMatchObject({ status: 'failed', code: 'sql_error' });
    expect(failed.message).toContain('Statement 3 of 4 failed: Conversion Error');
    expect(failed.message).toContain('nothing of its transaction was kept');
    const { result } = await run('SELECT count(*) AS n FROM t', { database: 'undo' });
    expect(result).toMatchObject({ command_0: { rows: [{ n: 0 }] } });
    const hidden = await run('SELECT {{ workload.v }}::INTEGER', {}, { parameters: { v: 'canary-in-value' } });
    expect(hidden.message).not.toContain('canary-in-value');
  });

  it('refuses everything outside its folder', async () => {
    const seen: Record<string, unknown> = {};
    for (const [name, command] of REFUSED) {
      const { status, result } = await run(command);
      seen[name] = status === 'failed' ? 'refused' : result;
    }
    expect(seen).toEqual(Object.fromEntries(REFUSED.map(([name]) => [name, 'refused'])));
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('showrunner-duckdb.'))).toEqual([]);
  });

  it('says where an extension is missing', async () => {
    for (const command of [
      'INSTALL postgres; LOAD postgres;',
      'LOAD httpfs',
      "ATTACH '' AS pg_db (TYPE postgres, SECRET pg_db)",
      "COPY (SELECT 1) TO 'gs://bucket/x.parquet'",
    ])
      expect([command, await run(command)]).toMatchObject([command, { status: 'failed', code: 'extension_unavailable' }]);
  });

  it('bounds rows, memory and time', async () => {
    const many = await run('SELECT range AS n FROM range(20000)');
    expect((many.result as JsonObject | null)?.['command_0']).toMatchObject({ row_count: 10_000, truncated: true });
    const wide = await run("SELECT repeat('x', 1000000) AS t FROM range(100)");
    expect([wide.status, wide.code]).toEqual(['failed', 'result_too_large']);
    const hungry = await run("SELECT count(DISTINCT t) FROM (SELECT list(repeat('x', 1000) || range) AS t FROM range(3000000))");
    expect([hungry.status, hungry.code]).toEqual(['failed', 'sql_error']);
    const endless = await run(
      'SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range % 7 = 3',
      {},
      { timeout: 1 },
    );
    expect([endless.status, endless.code]).toEqual(['failed', 'timeout']);
    expect((await run('SELECT 1 AS one')).status).toBe('completed');
  });

  it('saves rows in every mode, with what they hold as values', async () => {
    const hostile = `'); DROP TABLE people; --`;
    await run('CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, tags JSON, age INTEGER)', { database: 'people' });
    const save = async (fields: JsonObject, data: unknown): Promise<void> => {
      const saved = { storage: 'duckdb', table: 'people', spec: { database: 'people' }, data: '{{ result }}', ...fields } as JsonObject;
      const code = `import json\nresult = json.loads(${JSON.stringify(JSON.stringify(data))})`;
      expect(await runStep(service, 'python', { code, save: saved })).toMatchObject({ status: 'completed' });
    };
    const people = async (): Promise<unknown> => {
      const { result } = await run('SELECT id, name, tags, age FROM people ORDER BY id', { database: 'people' });
      return (result as { command_0: { rows: unknown } }).command_0.rows;
    };
    await save({}, [{ id: 1, name: hostile, tags: ['a'], age: '55' }, { id: 2, name: 'b', tags: null, age: 3 }]); // prettier-ignore
    expect(await people()).toEqual([{ id: 1, name: hostile, tags: ['a'], age: 55 }, { id: 2, name: 'b', tags: null, age: 3 }]); // prettier-ignore
    await save({ mode: 'upsert', key: 'id' }, [{ id: 2, name: 'c' }, { id: 3, name: 'd' }]); // prettier-ignore
    await save({ mode: 'update', key: ['id'] }, { id: 1, name: 'e' });
    expect(await people()).toMatchObject([{ id: 1, name: 'e', age: 55 }, { id: 2, name: 'c', age: 3 }, { id: 3, name: 'd' }]); // prettier-ignore
    await save({ mode: 'overwrite' }, [{ id: 1, name: 'z' }]);
    expect(await people()).toEqual([{ id: 1, name: 'z', tags: null, age: null }]);
    await save(
      { table: null, commands: "INSERT INTO people VALUES (9, '{{ data.name }}', NULL, 1); DELETE FROM people WHERE id = 1" },
      { name: hostile },
    );
    expect(await people()).toEqual([{ id: 9, name: hostile, tags: null, age: 1 }]);
  });

  it('fails a save that the database refuses, and says why without values', async () => {
    await run('CREATE TABLE strict (a INTEGER)', { database: 'strict' });
    const failed = await runStep(service, 'python', {
      code: 'result = {"a": "canary-in-value"}',
      save: { storage: 'duckdb', table: 'strict', spec: { database: 'strict' }, data: '{{ result }}' },
    });
    expect(failed).toMatchObject({ status: 'failed', code: 'sql_error' });
    expect(failed.message).not.toContain('canary-in-value');
  });

  it('goes on after its process was killed, with what was committed', async () => {
    await run('CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)', { database: 'killed' });
    const endless =
      'INSERT INTO t VALUES (2); SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range % 7 = 3';
    expect(await run(endless, { database: 'killed' }, { timeout: 1 })).toMatchObject({ code: 'timeout' });
    expect(await run('SELECT * FROM t', { database: 'killed' })).toMatchObject({ result: { command_0: { rows: [{ a: 1 }] } } });
  });
});

it('connects to no database by itself where every call has to go through OUTBOUND_PROXY', async () => {
  let connections = 0;
  const canary = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
  const { port } = canary.address() as AddressInfo;
  const extensions = mkdtempSync(join(tmpdir(), 'showrunner-extensions-'));
  const service = await startTestService({
    DUCKDB_EXTENSION_DIR: extensions,
    OUTBOUND_PROXY: `http://127.0.0.1:${port}`,
    OUTBOUND_ALLOW: `127.0.0.1:${port}`,
  });
  try {
    const data = { db_host: '127.0.0.1', db_port: String(port), db_user: 'u', db_password: 'p', db_name: 'd' };
    await service.post('/credentials', { name: 'warehouse', type: 'postgres', data });
    const command = "ATTACH '' AS w (TYPE postgres, SECRET w_alias); SELECT * FROM w.t";
    const { code, message } = await runStep(service, 'duckdb', { command, auth: { w_alias: { type: 'postgres', key: 'warehouse' } } });
    expect([code, message]).toEqual(['outbound_blocked', expect.stringMatching(/OUTBOUND_PROXY; a transfer or a postgres step can/)]);
    expect(connections).toBe(0);
    // What needs no connection runs.
    expect(await runStep(service, 'duckdb', { command: 'SELECT 1 AS one' })).toMatchObject({
      result: { command_0: { rows: [{ one: 1 }] } },
    });
  } finally {
    await service.stop();
    canary.close();
    rmSync(extensions, { recursive: true, force: true });
  }
});
