import { type JsonObject } from '../../../src/engine/values.js';
import { StepDatabase } from './step-database.js';
import { World } from './world.js';

const SHORT = 'tests/fixtures/playbooks';

let world: World;
let database: StepDatabase;
beforeAll(async () => {
  database = await StepDatabase.start();
  world = await World.start({ OUTBOUND_ALLOW: `${database.address},localhost:30543` });
  for (const name of ['pg_local', 'pg_k8s']) await world.credential(name, 'postgres', database.credential);
});
afterAll(async () => {
  await world.stop();
  await database.stop();
});
const rows = (statement: string): Promise<JsonObject[]> => database.query(statement);

describe('x', () => {
  it.each(['oct2025', 'tool'])('composition %s', async (family) => {
    await world.register(`${family}/${SHORT}/playbook_composition/user_profile_scorer.yaml`);
    const run = await world.run(`${family}/${SHORT}/playbook_composition/playbook_composition.yaml`);
    console.log(JSON.stringify(run.ended), JSON.stringify(await rows('SELECT * FROM user_profile_results').catch(String)));
  });
  it('tool save_simple', async () => {
    await world.register(`tool/${SHORT}/save_storage_test/create_tables.yaml`);
    const run = await world.run(`tool/${SHORT}/save_storage_test/save_simple_test.yaml`);
    console.log(
      JSON.stringify(run.ended),
      JSON.stringify(await rows('SELECT * FROM simple_test_flat').catch(String)),
      JSON.stringify(await rows('SELECT * FROM simple_test_nested').catch(String)),
    );
  });
  it.each([
    'oct2025/examples/weather/weather_loop_example.yaml',
    'oct2025/examples/batch/multi_playbook_example.yaml',
    `tool/${SHORT}/script_execution/python_http_example.yaml`,
    `tool/${SHORT}/pagination/basic/test_pagination_basic.yaml`,
    `tool/${SHORT}/pagination/cursor/test_pagination_cursor.yaml`,
    `tool/${SHORT}/pagination/retry/test_pagination_retry.yaml`,
  ])('%s', async (file) => {
    await world.register('oct2025/examples/weather/city_process.yaml');
    world.standIns.forget();
    const run = await world.run(file);
    console.log(JSON.stringify(run.ended), JSON.stringify(world.standIns.requests.map(({ method, url, query }) => [method, url, query])));
  });
});
