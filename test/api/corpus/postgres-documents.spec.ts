import { type JsonObject } from '../../../src/engine/values.js';
import { POSTS } from './routes.js';
import { StepDatabase } from './step-database.js';
import { eventsOf, World } from './world.js';

const SHORT = 'tests/fixtures/playbooks';

let world: World;
let database: StepDatabase;
beforeAll(async () => {
  database = await StepDatabase.start();
  world = await World.start({
    OUTBOUND_ALLOW: `${database.address},127.0.0.1:1,localhost:${database.port}`,
    ENV_ALLOW: 'POSTGRES_HOST,POSTGRES_PORT',
    POSTGRES_HOST: '127.0.0.1',
    POSTGRES_PORT: database.port,
  });
  for (const name of ['pg_local', 'pg_k8s']) await world.credential(name, 'postgres', database.credential);
});
afterAll(async () => {
  await world.stop();
  await database.stop();
});
beforeEach(async () => {
  world.standIns.forget();
  await database.empty();
});

const rows = (statement: string): Promise<JsonObject[]> => database.query(statement);
const asked = (): readonly string[] => world.standIns.requests.map(({ method, url }) => `${method} ${url}`);
const valueOf = (run: Awaited<ReturnType<World['run']>>, step: string): unknown => eventsOf(run, 'step_completed', step)[0]?.result;

describe('real documents on PostgreSQL', () => {
  it('postgres_test (call): inline connection', async () => {
    const run = await world.run('call/playbook/postgres_test.yaml');
    expect(run.ended).toMatchObject({ status: 'completed', error: null });
    expect(valueOf(run, 'query_data')).toMatchObject({
      command_0: { status: 'success', row_count: 2, rows: [{ id: 1, name: 'Test User', metadata: { age: 30, active: true, tags: ['test', 'example', 'jsonb'] } }, { id: 2, name: 'Another User' }] }, // prettier-ignore
      command_1: { row_count: 1, rows: [{ name: 'Test User' }] },
      command_2: { row_count: 2 },
    });
    expect(run.ended.result).toMatchObject({
      command_0: { rows: [{ id: 1, name: 'Test User', age: '30' }, { id: 2, name: 'Another User', age: '25' }] }, // prettier-ignore
      command_1: { row_count: 1 },
      command_2: { rows: [{ id: 1, name: 'Test User', is_active: 'false' }] },
    });
    expect(await rows('SELECT id, name, email, metadata FROM postgres_test_users ORDER BY id')).toEqual([
      { id: 1, name: 'Test User', email: 'test@example.com', metadata: { age: 30, active: false, tags: ['test', 'example', 'jsonb'] } },
      { id: 2, name: 'Another User', email: 'another@example.com', metadata: { age: 25, active: false, tags: ['another', 'test'] } },
    ]);
    expect(await rows(`SELECT get_json_field('{"a": "b"}', 'a') AS field`)).toEqual([{ field: 'b' }]);
  });

  it('postgres_test (oct2025): a credential by alias', async () => {
    const run = await world.run('oct2025/examples/postgres/postgres_test.yaml');
    expect(run.ended).toMatchObject({
      status: 'completed',
      result: { status: 'completed', message: 'Postgres test workflow completed successfully' },
    });
    expect(valueOf(run, 'update_data')).toMatchObject({ command_2: { rows: [{ id: 1, name: 'Test User', is_active: 'false' }] } });
    expect(await rows('SELECT count(*)::int AS n FROM postgres_test_users')).toEqual([{ n: 2 }]);
  });

  it('postgres_save_simple (rootname)', async () => {
    const { id, ended } = await world.run('rootname/examples/test/postgres_save_simple.yaml');
    expect(ended).toMatchObject({ status: 'completed' });
    expect(ended.result).toEqual({ status: 'ok', saved: 'postgres', table: 'public.postgres_save_demo', message: 'Hello Save' });
    expect(await rows('SELECT id, message FROM postgres_save_demo')).toEqual([{ id, message: 'Hello Save' }]);
  });

  it('postgres_jsonb_test', async () => {
    const run = await world.run(`tool/${SHORT}/data_transfer/postgres_jsonb_test/postgres_jsonb_test.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed' });
    expect(run.ended.result).toEqual({
      status: 'completed',
      validations: { query_commands_executed: true, truncate_commands_executed: true },
      message: 'JSONB test completed successfully',
    });
    expect(valueOf(run, 'query_jsonb_data')).toMatchObject({
      command_0: { row_count: 3, rows: [{ user_id: 1, name: 'Alice Johnson', theme: 'dark' }, { user_id: 2 }, { user_id: 3 }] },
      command_1: { row_count: 3 },
      command_2: {
        rows: [
          { user_id: 1, theme: 'dark', notifications: true },
          { user_id: 3, theme: 'dark', notifications: true },
        ],
      },
      command_3: {
        rows: [
          { user_id: 1, name: 'Alice Johnson' },
          { user_id: 3, name: 'Carol Davis' },
        ],
      },
    });
    expect(valueOf(run, 'test_truncate')).toMatchObject({
      command_1: { rows: [{ count_before_truncate: 4 }] },
      command_2: { rows: [{ count_after_truncate: 4 }] },
    });
    expect(
      await rows(
        `SELECT user_id, profile->'preferences'->>'theme' AS theme, profile->'verified' AS verified, metadata->>'source' AS source FROM postgres_jsonb_test ORDER BY user_id`,
      ),
    ).toEqual([
      // prettier-ignore
      { user_id: 1, theme: 'auto', verified: null, source: 'test' },
      { user_id: 2, theme: 'light', verified: true, source: 'test' },
      { user_id: 3, theme: 'dark', verified: null, source: 'test' },
      { user_id: 99, theme: null, verified: null, source: null },
    ]);
  });

  it('http_iterator_save_postgres', async () => {
    const run = await world.run(`tool/${SHORT}/data_transfer/http_iterator_save_postgres/http_iterator_save_postgres.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed' });
    expect(run.ended.result).toEqual({
      status: 'success',
      validation: { total_records_match: true, unique_cities_match: true, all_cities_saved: true },
      counts: { expected: 3, actual_total: 3, actual_unique: 3 },
      message: 'Validation passed: 3 records saved for 3 cities',
    });
    expect(asked()).toEqual(Array<string>(3).fill('GET https://api.open-meteo.com/v1/forecast'));
    expect(
      await rows(
        'SELECT id, execution_id, city_name, temperature::float8, latitude::text, longitude::text, http_status FROM http_iterator_save_test ORDER BY latitude',
      ),
    ).toEqual(
      // prettier-ignore
      (
        [
          ['Paris', 18.5, '48.8566', '2.3522'],
          ['London', 21.5, '51.5074', '-0.1278'],
          ['Berlin', 22.5, '52.52', '13.405'],
        ] as const
      ).map(([city_name, temperature, latitude, longitude]) => ({
        id: `${run.id}:${city_name}`,
        execution_id: run.id,
        city_name,
        temperature,
        latitude,
        longitude,
        http_status: 200,
      })),
    );
  });

  it('json_serialization_save', async () => {
    const run = await world.run(`tool/${SHORT}/json_serialization_save.yaml`);
    const payload = {
      string_field: 'test_value',
      number_field: 42,
      nested_object: { key1: 'value1', key2: 'value2' },
      array_field: [1, 2, 3, 4, 5],
    };
    expect(run.ended).toMatchObject({ status: 'completed', result: { command_0: { rows: [{ id: 1, payload }] } } });
    expect(await rows('SELECT * FROM json_bug_test')).toEqual([{ id: 1, payload }]);
  });

  it.each(['oct2025', 'tool'])('create_tables (%s), twice', async (family) => {
    for (const _ of [1, 2]) {
      const { ended } = await world.run(`${family}/${SHORT}/save_storage_test/create_tables.yaml`);
      expect(ended).toMatchObject({ status: 'completed', progress: 100 });
    }
    const tables = await rows(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`);
    expect(tables.map(({ table_name }) => table_name)).toEqual(['simple_test_flat', 'simple_test_nested', 'test_summary']);
  });

  it('save_simple_test (oct2025) saves to columns that its tables do not have', async () => {
    await world.run(`oct2025/${SHORT}/save_storage_test/create_tables.yaml`);
    const { ended } = await world.run(`oct2025/${SHORT}/save_storage_test/save_simple_test.yaml`);
    expect(ended).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('test_value') as string,
      error_details: { code: 'sql_error', step: 'postgres_nested_test' },
    });
    expect(await rows('SELECT * FROM simple_test_flat')).toEqual([
      { test_id: '100', test_name: 'Postgres flat structure test', test_value: 42, storage_type: null, test_execution: null },
    ]);
    expect(await rows('SELECT * FROM simple_test_nested')).toEqual([]);
  });

  it('test_storage_structures needs a table that it does not make', async () => {
    const missing = await world.run('oct2025/test_storage_structures.yaml');
    expect(missing.ended).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('42P01') as string,
      error_details: { code: 'sql_error', step: 'test_flat_structure' },
    });
    await rows('CREATE TABLE test_save_structures (id text PRIMARY KEY, execution_id bigint, message text)');
    const { id, ended } = await world.run('oct2025/test_storage_structures.yaml');
    expect(ended).toMatchObject({ status: 'completed' });
    expect(await rows('SELECT * FROM test_save_structures ORDER BY id')).toEqual([
      { id: `${id}_flat`, execution_id: id, message: 'flat test' },
      { id: `${id}_nested`, execution_id: id, message: 'nested test' },
    ]);
  });

  it('http_to_postgres_direct saves the whole answer into one column: `data` is the value of the step', async () => {
    const run = await world.run(`type/${SHORT}/data_transfer/http_to_postgres_direct.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed', result: { command_0: { rows: [{ records: 1 }] } } });
    expect(asked()).toEqual(['GET https://jsonplaceholder.typicode.com/posts']);
    const url = 'https://jsonplaceholder.typicode.com/posts';
    expect(await rows('SELECT data FROM http_posts')).toMatchObject([{ data: { status_code: 200, url, data: POSTS } }]);
  });

  it('http_to_postgres_iterator: every post exactly, whatever is in it', async () => {
    const run = await world.run(`type/${SHORT}/data_transfer/http_to_postgres_iterator.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed', result: { command_0: { rows: [{ records: POSTS.length }] } } });
    expect(await rows('SELECT post_id AS id, user_id AS "userId", title, body FROM http_posts ORDER BY id')).toEqual(POSTS);
  });

  it('http_to_postgres_simple: SQL text made in Python', async () => {
    const run = await world.run(`type/${SHORT}/data_transfer/http_to_postgres_simple.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed' });
    expect(valueOf(run, 'verify_data')).toMatchObject({ command_0: { rows: [{ total_posts: 6, unique_users: 3, max_post_id: 6 }] } });
    expect(run.ended.result).toMatchObject({
      command_0: { row_count: 5, rows: POSTS.slice(0, 5).map(({ id, userId, title, body }) => ({ id, user_id: userId, title, body_preview: `${body.slice(0, 50)}...` })) }, // prettier-ignore
    });
    expect(await rows('SELECT id, user_id AS "userId", title, body FROM http_posts ORDER BY id')).toEqual(POSTS);
  });

  it('broken_sql', async () => {
    const { ended } = await world.run(`type/${SHORT}/broken_sql.yaml`);
    expect(ended).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('42601') as string,
      error_details: { code: 'sql_error', step: 'verify_pg_data', step_type: 'postgres', attempt: 1 },
    });
  });

  it('city_http_to_pg', async () => {
    await rows(
      'CREATE TABLE weather_http_raw (id text PRIMARY KEY, execution_id text, iter_index int, city text, url text, elapsed float8, payload text)',
    );
    const city = { name: "L'Aquila", lat: 42.35, lon: 13.4 };
    const file = `type/${SHORT}/city_http_to_pg.yaml`;
    for (const [index, id] of [
      [3, "parent-1:L'Aquila:3"],
      [null, "parent-1:L'Aquila"],
    ] as const) {
      // prettier-ignore
      const run = await world.run(file, { city, parent_execution_id: 'parent-1', index });
      expect(run.ended).toMatchObject({ status: 'completed', result: { city: "L'Aquila", status: 'saved' } });
      const [row] = await database.query('SELECT *, payload::jsonb AS parsed FROM weather_http_raw WHERE id = $1', [id]);
      const url = 'https://api.open-meteo.com/v1/forecast?latitude=42.35&longitude=13.4&hourly=temperature_2m&forecast_days=1';
      expect(row).toMatchObject({ execution_id: 'parent-1', iter_index: index, city: "L'Aquila", url, parsed: { status_code: 200, url } });
      expect(row?.['elapsed']).toBeGreaterThan(0);
    }
  });

  it('loop_controller_numbers', async () => {
    const { id, ended } = await world.run(`type/${SHORT}/loop_controller_numbers.yaml`);
    expect(ended).toMatchObject({ status: 'completed' });
    const squares = [1, 2, 3, 4].map((value) => ({ value, square: value * value }));
    expect(ended.result).toEqual(squares);
    expect(await rows('SELECT id, execution_id, iter_index, input_val, output_val FROM loop_numbers ORDER BY iter_index')).toEqual(
      squares.map(({ value, square }, index) => ({ id: `${id}:${index}`, execution_id: id, iter_index: index, input_val: value, output_val: square })), // prettier-ignore
    );
    expect(await rows('SELECT execution_id, results_json, count FROM loop_numbers_agg')).toEqual([
      { execution_id: id, results_json: squares, count: 4 },
    ]);
  });

  it('postgres_retry_connection: without its credential, with nobody there, and well', async () => {
    const file = `type/${SHORT}/retry_test/postgres_retry_connection.yaml`;
    const unknown = await world.run(file);
    expect(unknown.ended).toMatchObject({ status: 'failed', error_details: { code: 'unknown_credential', step: 'start' } });
    await world.credential('test_postgres', 'postgres', { ...database.credential, db_port: 1 });
    const refused = await world.run(file);
    expect(refused.ended).toMatchObject({ status: 'failed', error_details: { code: 'connection_error', step: 'start', attempt: 3 } });
    expect(eventsOf(refused, 'action_retry', 'start')).toHaveLength(2);
    await world.service.post('/credentials', { name: 'test_postgres', type: 'postgres', data: database.credential });
    const well = await world.run(file);
    expect(well.ended).toMatchObject({ status: 'completed', result: { command_0: { rows: [{ test_value: 1 }], row_count: 1 } } });
  });
});
