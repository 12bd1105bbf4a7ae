import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { sagaDocument, SagaWorld } from '../support/saga-world.js';
import { type ServiceProcess, spawnService } from '../support/service.js';

// Nodes are processes that die of SIGKILL; whoever comes next goes on. What the world saw, and what is recorded, must be one story.
const STEPS = ['a', 'b', 'c', 'd', 'e'] as const;
const LONG = 120_000;
let database: TestDatabase;
let world: SagaWorld;
let node: ServiceProcess;

const start = async (): Promise<ServiceProcess> =>
  (node = await spawnService({ DATABASE_URL: database.url, LEASE_SECONDS: '1', OUTBOUND_ALLOW: `127.0.0.1:${world.port}` }));

beforeAll(async () => {
  [database, world] = [await createTestDatabase(), await SagaWorld.start()];
  await start();
  const chain = STEPS.map((name, at) => world.step(name, STEPS[at + 1] ?? 'end'));
  await node.register(sagaDocument('sagas/five', chain));
}, LONG);
afterAll(async () => {
  world.release();
  await node.end('SIGTERM');
  await world.close();
  await database.drop();
}, LONG);

/** Operations in the order of their first calls; each may have been made again under the key that it had, and only that one. */
function story(id: string): string[] {
  const calls = world.calls.filter(({ execution }) => execution === id);
  const keys = Map.groupBy(calls, ({ op }) => op);
  for (const same of keys.values()) expect(new Set(same.map(({ key }) => key)).size).toBe(1);
  return [...keys.keys()];
}
/** A saga that failed at `e`, or was cancelled, has undone all that it recorded as done, once each, the newest first. */
async function expectUndone(id: string, status: string): Promise<void> {
  expect(await node.waitDone(id)).toMatchObject({ status, waiting_for: null });
  const events = await node.events(id);
  const of = (type: string): string[] => events.filter(({ event_type }) => event_type === type).map(({ node_name }) => String(node_name));
  const done = of('step_completed');
  expect(of('compensation_completed')).toEqual([...done].reverse());
  expect(of('compensation_started')).toEqual([...done].reverse());
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, at) => at + 1));
  expect(events.at(-1)?.event_type).toBe(`execution_${status}`);
  const undos = story(id).filter((op) => op.startsWith('undo '));
  expect(undos).toEqual([...done].reverse().map((name) => `undo ${name}`));
}

it(
  'is killed in the middle of each step and of each compensation: another node goes on from there',
  async () => {
    const forward = STEPS.map((name) => `do ${name}`);
    const back = ['d', 'c', 'b', 'a'].map((name) => `undo ${name}`);
    const points = [...forward, ...back];
    const ids = await Promise.all(points.map((hold) => node.execute('sagas/five', { workload: { fail: ['do e'], hold } })));
    await Promise.all(ids.map((id, at) => world.called(id, points[at]!)));
    const cancelled = await Promise.all(forward.map((hold) => node.execute('sagas/five', { workload: { hold } })));
    await Promise.all(cancelled.map((id, at) => world.called(id, forward[at]!)));
    // What is acknowledged right before a kill is kept.
    for (const id of cancelled) expect((await node.post(`/executions/${id}/cancel`)).status).toBe(202);
    await node.end('SIGKILL');
    await start();
    for (const [at, id] of ids.entries()) {
      await expectUndone(id, 'failed');
      expect(story(id)).toEqual([...forward, ...back]);
      // Only what was under way is done again.
      const repeated = points.filter((op) => world.of(id, op).length > 1);
      expect(repeated.filter((op) => op !== points[at])).toEqual([]);
    }
    for (const id of cancelled) await expectUndone(id, 'cancelled');
  },
  LONG,
);

it(
  'is killed twice at whatever points: each compensation is recorded once, and in reverse',
  async () => {
    const ids: string[] = [];
    for (let round = 0; round < 2; round++) {
      const fresh = await Promise.all(Array.from({ length: 8 }, () => node.execute('sagas/five', { workload: { fail: ['do e'] } })));
      ids.push(...fresh);
      // Somewhere in the middle of their ways, each at another point.
      await world.called(fresh[round * 5]!, ['do c', 'undo c'][round]!);
      await node.end('SIGKILL');
      await start();
    }
    for (const id of ids) await expectUndone(id, 'failed');
  },
  LONG,
);
