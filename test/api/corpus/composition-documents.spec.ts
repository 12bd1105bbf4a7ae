import { generateKeyPairSync } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';
import { type JsonObject } from '../../../src/engine/values.js';
import { type SeenExecution } from '../../support/http-client.js';
import { StepDatabase } from './step-database.js';
import { eventsOf, World } from './world.js';

const SHORT = 'tests/fixtures/playbooks';
/** Where weather_loop_example looks for its database. */
const FIXED_PORT = 30_543;

let world: World;
let database: StepDatabase;
let forwarder: Server;
beforeAll(async () => {
  database = await StepDatabase.start();
  forwarder = createServer((client) => {
    const upstream = connect(Number(database.port), '127.0.0.1');
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((listening) => forwarder.listen(FIXED_PORT, '127.0.0.1', listening));
  world = await World.start({ OUTBOUND_ALLOW: `${database.address},localhost:${FIXED_PORT}` });
  for (const name of ['pg_local', 'pg_k8s']) await world.credential(name, 'postgres', database.credential);
});
afterAll(async () => {
  await world.stop();
  await database.stop();
  await new Promise((closed) => forwarder.close(closed));
});
beforeEach(async () => {
  world.standIns.forget();
  await database.empty();
});

const rows = (statement: string): Promise<JsonObject[]> => database.query(statement);

/** The executions that a run called, in the order of their starts. */
async function childrenOf(id: string): Promise<readonly SeenExecution[]> {
  const { json } = await world.service.get(`/executions?parent_execution_id=${id}&limit=50`);
  return (json as unknown as SeenExecution[]).toReversed();
}

describe('real documents that call others', () => {
  it.each(['oct2025', 'tool'])('playbook_composition (%s): one scored user after the other, each saved', async (family) => {
    await world.register(`${family}/${SHORT}/playbook_composition/user_profile_scorer.yaml`);
    const run = await world.run(`${family}/${SHORT}/playbook_composition/playbook_composition.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed', error: null, progress: 100 });
    expect(run.ended.result).toEqual({
      pipeline_status: 'completed',
      users_processed: 4,
      validation_passed: true,
      message: 'Playbook composition test completed successfully',
    });
    // Alice: 15 x 0.4 + 20 x 0.35 + 15 x 0.15 + 10 x 0.1 = 16.25; Bob: 8.4 + 6.125 + 1.2 + 1; Charlie: 4.68 + 7.665 + 2.25 + 1; Diana: 12 + 6.58 + 1.8 + 0.8
    const scores = { Alice: 16.2, Bob: 16.7, Charlie: 15.6, Diana: 21.2 };
    expect(
      await rows('SELECT id, execution_id, user_name, profile_score, score_category FROM user_profile_results ORDER BY user_name'),
    ).toEqual(
      Object.entries(scores).map(([user_name, profile_score]) => ({
        id: `${run.id}:${user_name}`,
        execution_id: run.id,
        user_name,
        profile_score,
        score_category: 'Junior',
      })),
    );
    const validation = eventsOf(run, 'step_completed', 'validate_results').map(({ result }) => result);
    expect(validation).toMatchObject([{ status: 'success', all_valid: true, total_users: 4, valid_users: 4 }]);
    const children = await childrenOf(run.id);
    expect(children.map(({ status, path, parent_step }) => [status, path, parent_step])).toEqual(
      Array(4).fill(['completed', `${SHORT}/playbook_composition/user_profile_scorer`, 'process_users']),
    );
  });

  it('save_simple_test (tool) has its tables made by another document', async () => {
    await world.register(`tool/${SHORT}/save_storage_test/create_tables.yaml`);
    const { id, ended } = await world.run(`tool/${SHORT}/save_storage_test/save_simple_test.yaml`);
    expect(ended).toMatchObject({ status: 'completed', error: null });
    expect(ended.result).toEqual({ status: 'success', data: { message: 'All save storage tests completed successfully' } });
    expect(await rows('SELECT * FROM simple_test_flat')).toEqual([
      { test_id: '100', test_name: 'Postgres flat structure test', test_value: 42, storage_type: 'flat', test_execution: id },
    ]);
    expect(await rows('SELECT * FROM simple_test_nested')).toEqual([
      {
        test_id: '200',
        test_name: 'nested_structure_test',
        test_data: { value: 42.5, nested_indicator: true, test_type: 'nested_structure' },
        storage_type: 'nested',
        test_execution: id,
      },
    ]);
    expect(await childrenOf(id)).toMatchObject([{ status: 'completed', path: `${SHORT}/save_storage_test/create_tables` }]);
  });

  it('weather_loop_example calls city_process for every city', async () => {
    await world.register('oct2025/examples/weather/city_process.yaml');
    const run = await world.run('oct2025/examples/weather/weather_loop_example.yaml');
    expect(run.ended).toMatchObject({ status: 'completed', error: null });
    // The warmest hours: 22.5, 19.5 and 23.5 degrees; the threshold is 12.
    const cities = ['London', 'Paris', 'Berlin'];
    const evaluations = [22.5, 19.5, 23.5].map((max_temp, index) => ({ city: cities[index], max_temp, alert: true }));
    expect(eventsOf(run, 'step_completed', 'debug_results').map(({ result }) => result)).toEqual([
      { debug_complete: true, results: evaluations },
    ]);
    expect(await rows('SELECT alert_cities::jsonb AS alert_cities, alert_count FROM weather_alert_summary')).toEqual([
      { alert_cities: cities, alert_count: 3 },
    ]);
    expect(run.ended.result).toMatchObject({ command_2: { row_count: 1, rows: [{ id: 1, alert_count: 3 }] } });
    expect(world.standIns.requests.map(({ method, url, query }) => [method, url, query['latitude']])).toEqual(
      ['51.51', '48.85', '52.52'].map((latitude) => ['GET', 'https://api.open-meteo.com/v1/forecast', latitude]),
    );
    expect(await childrenOf(run.id)).toHaveLength(3);
  });

  it('multi_playbook_example gets as far as what it calls is there', async () => {
    const file = 'oct2025/examples/batch/multi_playbook_example.yaml';
    const alone = await world.run(file);
    expect(alone.ended).toMatchObject({ status: 'failed', error_details: { code: 'unknown_playbook', step: 'run_secrets_test' } });

    await world.register('oct2025/examples/google_secret_manager/secrets_test.yaml');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await world.credential('secrets_gcp', 'google_service_account', { client_email: 'me@demo', private_key: key });
    const second = await world.run(file);
    expect(eventsOf(second, 'step_completed', 'run_secrets_test').map(({ result }) => result)).toMatchObject([
      { status: 'success', secret_length: 'secret-of-google'.length },
    ]);
    expect(second.ended).toMatchObject({ status: 'failed', error_details: { code: 'unknown_playbook', step: 'run_weather_example' } });

    for (const name of ['weather_example', 'load_dict_test']) {
      const steps = 'workflow:\n  - step: start\n    next: end\n  - step: end\n    result: "{{ workload }}"\n';
      await world.service.register(
        `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: ${name}, path: examples/${name} }\nworkload: { own: ${name} }\n${steps}`,
      );
    }
    const third = await world.run(file);
    expect(eventsOf(third, 'step_completed', 'run_weather_example').map(({ result }) => result)).toMatchObject([
      { own: 'weather_example', cities: [{ name: 'London' }], base_url: 'https://api.open-meteo.com/v1', temperature_threshold: 26 },
    ]);
    // Its last task imports duckdb into Python, which is not there.
    expect(third.ended).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('duckdb') as string,
      error_details: { code: 'python_error', step: 'store_results' },
    });
  });
});
