import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EffectServer } from '../support/effect-server.js';
import { type ServiceProcess, spawnService } from '../support/service.js';

const ITEMS = 1_000;
const CONCURRENCY = 8;
const LONG = 240_000;

let dataDir: string;
let world: EffectServer;
let service: ServiceProcess | null = null;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'showrunner-iterator-'));
  world = await EffectServer.start();
  world.release();
});
afterAll(async () => {
  await service?.end('SIGTERM');
  await world.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const start = async (): Promise<ServiceProcess> =>
  (service = await spawnService({ DATA_DIR: dataDir, LEASE_SECONDS: '1', OUTBOUND_ALLOW: `127.0.0.1:${world.port}` }));
const called = (prefix: string): number => world.effects.filter(({ path }) => path.startsWith(prefix)).length;
const until = async (prefix: string, times: number): Promise<void> => {
  for (const end = performance.now() + 120_000; called(prefix) < times;) {
    if (performance.now() > end) throw new Error(`${prefix} was called ${called(prefix)} times, not ${times}`);
    await new Promise((done) => setTimeout(done, 10));
  }
};

it(
  'an iterator that is killed twice goes on with the items that are missing; only what was under way is done again',
  async () => {
    const url = `http://127.0.0.1:${world.port}`;
    const first = await start();
    await first.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: thousand, path: iterator/thousand }
workflow:
  - step: start
    type: iterator
    collection: "{{ range(${ITEMS}) | list }}"
    element: n
    mode: async
    concurrency: ${CONCURRENCY}
    task:
      type: http
      method: GET
      endpoint: "${url}/item/{{ n }}"
      save: { storage: http, endpoint: "${url}/save/{{ n }}", data: { n: "{{ n }}" } }
    next: [{ step: end, data: { count: "{{ start.count }}" } }]
  - step: end
`);
    const id = await first.execute('iterator/thousand');
    await until('/save/', ITEMS / 5);
    await first.end('SIGKILL');
    const between = called('/save/');
    const second = await start();
    await until('/save/', between + ITEMS / 5);
    await second.end('SIGKILL');
    const third = await start();

    expect(await third.waitDone(id, 120)).toMatchObject({ status: 'completed', result: { count: ITEMS } });
    for (const kind of ['/item/', '/save/']) {
      const calls = world.effects.filter(({ path }) => path.startsWith(kind));
      const byPath = Map.groupBy(calls, ({ path }) => path);
      expect(byPath.size).toBe(ITEMS);
      const repeated = [...byPath.values()].filter((each) => each.length > 1);
      expect(repeated.length).toBeLessThanOrEqual(2 * CONCURRENCY);
      // What is done again carries the key it had.
      for (const each of repeated) expect(new Set(each.map(({ key }) => key)).size).toBe(1);
      expect(new Set(calls.map(({ key }) => key)).size).toBe(ITEMS);
    }
    const items: number[] = [];
    for (let after: number | null = 0; after !== null;) {
      const { json } = await third.get(`/executions/${id}/events?limit=1000&after=${after}`);
      const events = json.events as { seq: number; event_type: string; result: { item_index: number }[] }[];
      for (const { event_type, result } of events)
        if (event_type === 'loop_iteration') items.push(...result.map(({ item_index }) => item_index));
      after = events.at(-1)?.seq ?? null;
    }
    expect(items.toSorted((a, b) => a - b)).toEqual(Array.from({ length: ITEMS }, (_, index) => index));
  },
  LONG,
);
