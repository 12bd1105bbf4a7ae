import { type Json, type JsonObject } from '../../../src/engine/values.js';
import { hourly } from './routes.js';
import { StepDatabase } from './step-database.js';
import { type EndedRun, eventsOf, World } from './world.js';

const FOLDER = 'tests/fixtures/playbooks/save_storage_test';

let database: StepDatabase;
beforeAll(async () => {
  database = await StepDatabase.start();
});
afterAll(() => database.stop());

async function worldWith(env: Readonly<Record<string, string>> = {}): Promise<World> {
  const world = await World.start({ OUTBOUND_ALLOW: database.address, ...env });
  for (const name of ['pg_local', 'pg_k8s']) await world.credential(name, 'postgres', database.credential);
  await world.credential('gcs_hmac_local', 'gcs_hmac', { key_id: 'GOOG1234567890', secret_key: 'secret-of-gcs-0123456789' });
  await world.credential('aws_s3_backup', 's3', { key_id: 'AKIA1234567890', secret_key: 'secret-of-s3-0123456789', region: 'eu-west-1' });
  return world;
}

const rows = (statement: string): Promise<JsonObject[]> => database.query(statement);
/** What the step's event says of its save. */
const saveOf = (run: EndedRun, step: string): Json | undefined => eventsOf(run, 'step_completed', step)[0]?.meta['save'];

let world: World;
beforeAll(async () => {
  world = await worldWith();
});
afterAll(() => world.stop());
beforeEach(async () => {
  world.standIns.forget();
  await database.empty();
});

describe('real documents that save to every storage', () => {
  it('save_delegation_test', async () => {
    await world.run(`oct2025/${FOLDER}/create_tables.yaml`);
    const run = await world.run(`oct2025/${FOLDER}/save_delegation_test.yaml`);
    const data = { test: 'http_storage', message: 'HTTP storage delegation working' };
    expect(run.ended).toMatchObject({ status: 'completed', error: null, result: { status: 'success', data } });
    expect(await rows('SELECT test_id, test_name, test_value FROM simple_test_flat')).toEqual([
      { test_id: 'delegation_test', test_name: 'postgres_storage', test_value: 123 },
    ]);
    expect(world.standIns.requests).toMatchObject([
      { method: 'POST', url: 'https://httpbin.org/post', headers: { 'content-type': 'application/json' }, body: data },
    ]);
    expect(saveOf(run, 'event_test')).toMatchObject({ status: 'success', storage: 'event_log', data: { test: 'event_storage' } });
    expect(saveOf(run, 'postgres_test')).toMatchObject({ status: 'success', storage: 'postgres', table: 'simple_test_flat', row_count: 1 });
    expect(saveOf(run, 'duckdb_test')).toMatchObject({ status: 'success', storage: 'duckdb' });
    expect(saveOf(run, 'http_test')).toMatchObject({ status: 'success', storage: 'http', status_code: 200 });
  });

  it.each(['oct2025', 'type'])('save_all_storage_types (%s)', async (family) => {
    await world.run(`oct2025/${FOLDER}/create_tables.yaml`);
    const run = await world.run(`${family}/${FOLDER}/save_all_storage_types.yaml`);
    const { id } = run;
    expect(run.ended).toMatchObject({ status: 'completed', error: null });
    expect(run.ended.result).toEqual({
      status: 'success',
      data: {
        test_suite: 'save_storage_comprehensive',
        execution_id: 'unknown', // the step before it does not say it
        storage_types_tested: [
          'event_log',
          'postgres_flat_structure',
          'postgres_nested_structure',
          'postgres_custom_statement',
          'python_custom_code',
          'duckdb_analytics',
          'http_webhook',
        ],
        test_status: 'completed',
        total_save_operations: 7,
        validation: 'All save storage types successfully tested',
      },
    });
    expect(saveOf(run, 'initialize_test_data')).toMatchObject({
      storage: 'event_log',
      data: { execution_id: id, sample_records: [{ id: 1, name: 'Alice' }, { name: 'Bob' }, { name: 'Carol' }] },
    });
    const [kind, by] = ['nested_structure', 'test_execution'];
    expect(await rows('SELECT * FROM simple_test_flat')).toEqual([
      { test_id: id, test_name: 'Test Employee Flat', test_value: 55_000, storage_type: 'flat_structure', [by]: id },
    ]);
    expect(await rows('SELECT * FROM simple_test_nested')).toEqual([
      {
        test_id: `${id}_nested`,
        test_name: 'Test Employee Nested',
        test_data: { value: 58_000, type: kind, meta: { test_phase: 'save_test' } },
        storage_type: kind,
        [by]: id,
      },
    ]);
    // The statement counts the rows of the execution that the data names: nobody's.
    expect(await rows('SELECT id, summary_type, total_records, avg_value, test_execution FROM test_summary')).toEqual([
      { id: 1, summary_type: 'department_stats', total_records: 0, avg_value: null, [by]: 'unknown' },
    ]);
    expect(saveOf(run, 'test_python_save')).toMatchObject({
      status: 'success',
      storage: 'python',
      data: { processed_records: 3, validation_status: 'passed', next_phase: 'analytics' },
    });
    expect(saveOf(run, 'test_duckdb_save')).toMatchObject({ status: 'success', storage: 'duckdb' });
    expect(world.standIns.requests).toMatchObject([
      {
        method: 'POST',
        url: 'https://httpbin.org/post',
        headers: { 'content-type': 'application/json', 'x-test-suite': 'noetl-save-storage', 'x-execution-id': id },
        body: {
          test_completion: true,
          storage_tests_completed: ['event_log', 'postgres_flat', 'postgres_nested', 'postgres_statement', 'python', 'duckdb', 'http'],
          execution_summary: { execution_id: id, total_steps: 7, test_status: 'success' },
        },
      },
    ]);
  });

  describe.each(['oct2025', 'type'])('save_edge_cases (%s)', (family) => {
    const file = `${family}/${FOLDER}/save_edge_cases.yaml`;
    const result = {
      status: 'success',
      data: {
        edge_case_tests_completed: ['mixed_data_types', 'special_characters_unicode', 'empty_null_data', 'large_payload', 'error_recovery'],
        storage_types_tested: ['postgres', 'python', 'duckdb', 'http'],
        test_status: 'completed',
        execution_id: 'unknown',
      },
    };

    it('saves to tables that nobody makes: a failed step', async () => {
      const { ended } = await world.run(file);
      expect(ended).toMatchObject({ status: 'failed', error_details: { code: 'sql_error', step: 'start', cause: { sqlstate: '42P01' } } });
      expect(world.standIns.requests).toEqual([]);
    });

    it('saves every value exactly where there are tables', async () => {
      await rows('CREATE TABLE test_mixed_types (string_field text, integer_field int, float_field float8, boolean_field boolean, null_field text, datetime_field text, list_field jsonb, dict_field jsonb, decimal_field float8)'); // prettier-ignore
      await rows('CREATE TABLE test_special_chars (quotes text, unicode text, sql_injection text, newlines text, backslashes text, json_string text)'); // prettier-ignore
      const run = await world.run(file);
      expect(run.ended).toMatchObject({ status: 'completed', error: null, result });
      expect(await rows('SELECT * FROM test_mixed_types')).toEqual([
        {
          string_field: 'test_string',
          integer_field: 12_345,
          float_field: 3.141_59,
          boolean_field: true,
          null_field: null,
          datetime_field: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+$/) as string,
          list_field: [1, 2, 3, 'mixed', true],
          dict_field: { nested: 'value', count: 42 },
          decimal_field: 99.99,
        },
      ]);
      expect(await rows('SELECT * FROM test_special_chars')).toEqual([
        {
          quotes: `This has 'single' and "double" quotes`,
          unicode: 'Unicode: αβγδε, 中文, 🚀🌟',
          sql_injection: `'; DROP TABLE test; --`,
          newlines: 'Line 1\nLine 2\r\nLine 3',
          backslashes: 'C:\\path\\to\\file',
          json_string: '{"embedded": "json", "value": 123}',
        },
      ]);
      const empty = { empty_string: '', empty_list: [], empty_dict: {}, zero_value: 0, false_value: false, none_value: null };
      expect(saveOf(run, 'test_empty_data')).toMatchObject({ status: 'success', storage: 'python', data: empty });
      expect(saveOf(run, 'test_large_payload')).toMatchObject({ status: 'success', storage: 'duckdb' });
      expect(world.standIns.requests).toMatchObject([
        {
          method: 'POST',
          url: 'https://httpbin.org/status/200',
          headers: { 'x-test-type': 'error-recovery' },
          body: { valid_field: 'this should work', test_execution: 'unknown', recovery_test: true },
        },
      ]);
    });

    it('completes as with NoETL where SAVE_ERRORS is warn', async () => {
      const lenient = await worldWith({ SAVE_ERRORS: 'warn' });
      try {
        const run = await lenient.run(file);
        expect(run.ended).toMatchObject({ status: 'completed', error: null, result });
        for (const step of ['start', 'test_special_characters']) {
          expect(saveOf(run, step)).toMatchObject({
            status: 'error',
            storage: 'postgres',
            error: expect.stringContaining('42P01') as string,
          });
        }
      } finally {
        await lenient.stop();
      }
    });
  });
});

describe('real documents that need a cloud', () => {
  it('http_duckdb_postgres: what comes before the cloud is done', async () => {
    const run = await world.run('oct2025/tests/fixtures/playbooks/http_duckdb_postgres/http_duckdb_postgres.yaml');
    expect(run.ended).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('DUCKDB_EXTENSION_DIR') as string,
      error_details: { code: 'extension_unavailable', step: 'aggregate_with_duckdb', step_type: 'duckdb' },
    });
    const found = await rows(
      'SELECT id, execution_id, iter_index, city, url, payload::jsonb AS payload FROM weather_http_raw ORDER BY iter_index',
    );
    const places = [['London', 51.51, -0.13], ['Paris', 48.85, 2.35], ['Berlin', 52.52, 13.41]] as const; // prettier-ignore
    expect(found).toMatchObject(
      places.map(([city, latitude, longitude], index) => {
        const url = `https://api.open-meteo.com/v1/forecast?latitude=${latitude}&longitude=${longitude}&hourly=temperature_2m&forecast_days=1`;
        const data = { latitude, longitude, hourly: { temperature_2m: hourly(latitude) } };
        return {
          id: `${run.id}:${city}:${index}`,
          execution_id: run.id,
          iter_index: index,
          city,
          url,
          payload: { status_code: 200, url, data },
        };
      }),
    );
    expect(world.standIns.requests).toHaveLength(3);
    expect(run.events.filter(({ node_name }) => node_name === 'ensure_metrics_table' || node_name === 'end')).toEqual([]);
  });

  it('unified_auth_example', async () => {
    const run = await world.run('type/tests/fixtures/playbooks/unified_auth_example.yaml');
    expect(run.ended).toMatchObject({
      status: 'failed',
      error_details: { code: 'extension_unavailable', step: 'multi_credential_duckdb_step', step_type: 'duckdb' },
    });
    expect(await rows('SELECT count(*)::int AS n FROM demo_table')).toEqual([{ n: 0 }]);
    expect(world.standIns.requests).toEqual([]);
    expect(JSON.stringify([run.ended, run.events])).not.toMatch(/secret-of-(?:gcs|s3)/);
  });
});
