import { type JsonObject } from '../../src/engine/values.js';
import { streamEvents } from '../support/event-source.js';
import { type FaultProxy, faultProxyBefore } from '../support/fault-proxy.js';
import { type SeenEvent, type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';

const MEBIBYTE = 1024 * 1024;
/** The budget of a page and the row that passes it, twice: a step that passes its inputs on has them as its value, which is stored once. */
const LARGEST_PAGE = 10 * MEBIBYTE;
const LONG = 180_000;
const STEPS = 40;

let service: TestService;
let proxy: FaultProxy;
let long: string;

/** Steps that pass a text on, one after the other. */
const chain = (path: string, steps: number): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: chain, path: ${path} }
workload: { text: '' }
workflow:
  - { step: start, next: [{ step: s0 }] }
${Array.from({ length: steps }, (_, n) => `  - { step: s${n}, type: noop, data: { text: "{{ workload.text }}", n: ${n} }, next: [{ step: ${n + 1 < steps ? `s${n + 1}` : 'end'} }] }\n`).join('')}  - { step: end }
`;

beforeAll(async () => {
  service = await startTestService({}, undefined, async (url) => {
    const before = await faultProxyBefore(url);
    proxy = before.proxy;
    return before.url;
  });
  await service.register(chain('pages/long', STEPS));
  await service.register(chain('pages/short', 1));
  long = await service.execute('pages/long', { parameters: { text: 'x'.repeat(250_000) } });
  expect(await service.waitDone(long)).toMatchObject({ status: 'completed' });
}, LONG);
afterEach(() => {
  proxy.bytesPerSecond = Infinity;
});
afterAll(async () => {
  await service.stop();
  await proxy.close();
});

/** All pages of a list, each of which must be small; `next` says where the following one is. */
async function walk(first: string, next: (answer: TestAnswer) => string | null): Promise<TestAnswer[]> {
  const pages: TestAnswer[] = [];
  for (let path: string | null = first; path !== null; path = next(pages.at(-1)!)) {
    const answer = await service.get(path);
    expect([answer.status, answer.text.length < LARGEST_PAGE]).toEqual([200, true]);
    pages.push(answer);
  }
  return pages;
}
const byCursor =
  (path: string) =>
  ({ json }: TestAnswer): string | null =>
    json.next_cursor === null ? null : `${path}&cursor=${json.next_cursor as string}`;
const byLink = ({ headers }: TestAnswer): string | null => /<([^>]+)>; rel="next"/.exec(headers.get('link') ?? '')?.[1] ?? null;
const listed = async (path: string): Promise<{ pages: number; ids: string[] }> => {
  const pages = await walk(path, byLink);
  return { pages: pages.length, ids: pages.flatMap(({ json }) => (json as unknown as { id: string }[]).map(({ id }) => id)) };
};

describe('pages end where their rows are large, and go on', () => {
  it(
    'of events',
    async () => {
      const path = `/executions/${long}/events?limit=1000`;
      const pages = await walk(path, byCursor(path));
      const seqs = pages.flatMap(({ json }) => (json.events as unknown as SeenEvent[]).map(({ seq }) => seq));
      expect(seqs).toEqual(seqs.map((_, index) => index + 1));
      expect(seqs.length).toBeGreaterThan(STEPS);
      expect(pages.length).toBeGreaterThan(1);
      expect((pages.at(-1)!.json.events as unknown as SeenEvent[]).at(-1)).toMatchObject({ event_type: 'execution_completed' });
    },
    LONG,
  );

  it(
    'of steps',
    async () => {
      const path = `/executions/${long}/steps?limit=1000`;
      const pages = await walk(path, byCursor(path));
      const steps = pages.flatMap(({ json }) => json.steps as unknown as { step: string; value: unknown }[]);
      expect(steps.map(({ step }) => step)).toEqual(['start', ...Array.from({ length: STEPS }, (_, n) => `s${n}`), 'end']);
      expect(pages.length).toBeGreaterThan(1);
      expect(steps.every(({ value }) => !JSON.stringify(value).includes('$ref'))).toBe(true);
    },
    LONG,
  );

  it('of executions', async () => {
    const metadata = { text: 'y'.repeat(900_000) };
    const started: string[] = [];
    for (let n = 0; n < 12; n++) started.push(await service.execute('pages/short', { metadata }));
    for (const id of started) await service.waitDone(id);
    const { pages, ids } = await listed('/executions?path=pages/short&limit=50');
    expect([ids, pages > 1]).toEqual([started.toReversed(), true]);
    expect((await listed('/executions?path=pages/short&limit=3')).ids).toEqual(ids);
  });

  it('of bulk operations', async () => {
    const created: unknown[] = [];
    for (let n = 0; n < 12; n++) {
      const filter = { path: 'pages/none', metadata: { text: 'z'.repeat(900_000) } };
      created.push((await service.post('/bulk-operations', { action: 'cancel', filter })).json.id);
    }
    const { pages, ids } = await listed('/bulk-operations?limit=50');
    expect([ids, pages > 1]).toEqual([created.toReversed(), true]);
  });

  it('of approvals', async () => {
    await service.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: asks, path: pages/asks }
workflow:
  - { step: start, type: approval, title: Go, approvers: { scopes: [any] }, next: [{ step: end }] }
  - { step: end }
`);
    for (let n = 0; n < 12; n++) {
      const id = await service.execute('pages/asks');
      await service.waitEvent(id, ({ event_type }) => event_type === 'step_waiting');
    }
    const all = await listed('/approvals?limit=50');
    expect([all.pages, all.ids.length]).toEqual([1, 12]);
    for (const id of all.ids) {
      const decided = await service.post(`/approvals/${id}`, { decision: 'approve', data: { text: 'w'.repeat(900_000) } });
      expect(decided.status).toBe(200);
    }
    const { pages, ids } = await listed('/approvals?limit=50');
    expect([ids, pages > 1]).toEqual([all.ids, true]);
  });
});

it('a page by number has all its events: once it is full, values are referred to', async () => {
  const { json, text } = await service.get(`/executions/${long}?page_size=1000`);
  const events = json.events as unknown as (SeenEvent & { context: JsonObject | null })[];
  expect(text.length).toBeLessThan(LARGEST_PAGE);
  expect(events).toHaveLength((json.pagination as { total_events: number }).total_events);
  const contextOf = (step: string): unknown => events.find(({ node_name, context }) => node_name === step && context !== null)?.context;
  expect(contextOf(`s${STEPS - 1}`)).toMatchObject({ n: STEPS - 1 });
  const { $ref } = contextOf('s0') as { $ref: string };
  expect((await service.get($ref)).json).toMatchObject({ n: 0 });
});

it(
  'a stream goes on where a page of the history takes too long to come',
  async () => {
    proxy.bytesPerSecond = MEBIBYTE;
    const seqs: number[] = [];
    for await (const { id } of streamEvents(`${service.url}/executions/${long}/events`)) seqs.push(id);
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    expect(seqs.length).toBeGreaterThan(STEPS);
  },
  LONG,
);

it(
  'executions without rows are kept up to so many bytes',
  async () => {
    const ids: string[] = [];
    for (let n = 0; n < 80; n++) {
      const parameters = { text: 'v'.repeat(950_000) };
      const { status, json } = await service.post('/execute', { path: 'pages/short', sync_to_postgres: false, parameters });
      expect(status).toBe(200);
      ids.push(json.id as string);
    }
    const statuses: number[] = [];
    for (const id of ids) statuses.push((await service.get(`/executions/${id}/status`)).status);
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 404));
    expect(statuses.slice(-30)).toEqual(Array.from({ length: 30 }, () => 200));
  },
  LONG,
);
