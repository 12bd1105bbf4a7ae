import { eventsOf, World } from './world.js';

const SCRIPT = 'https://raw.githubusercontent.com/noetl/noetl/v1.2.0/tests/fixtures/playbooks/script_execution/scripts/hello_world.py';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

it('python_http_script_example runs what a public host gives', async () => {
  const run = await world.run('tool/tests/fixtures/playbooks/script_execution/python_http_example.yaml');
  const greetings = ['Hello, HTTP-Fetched!', 'Hello, HTTP-Fetched!'];
  const result = { status: 'success', script_source: 'file', greetings, total_greetings: 2 };
  expect(run.ended).toMatchObject({ status: 'completed', error: null });
  expect(run.ended.result).toEqual({ status: 'verified', source_type: 'http', result });
  expect(world.standIns.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([`GET ${SCRIPT}`]);
  expect(eventsOf(run, 'step_completed', 'run_python_from_http').map((event) => event.result)).toEqual([result]);
});
