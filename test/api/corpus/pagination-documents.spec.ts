import { eventsOf, World } from './world.js';

const SHORT = 'tool/tests/fixtures/playbooks/pagination';
const API = 'http://paginated-api.test-server.svc.cluster.local:5555/api/v1';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());
beforeEach(() => world.standIns.forget());

const asked = (): readonly object[] => world.standIns.requests.map(({ url, query }) => ({ url, ...query }));
const ids = (from: number, to: number): { id: number; name: string }[] =>
  Array.from({ length: to - from + 1 }, (_each, index) => ({ id: from + index, name: `Item ${from + index}` }));

describe('real documents that read page after page', () => {
  it('test_pagination_basic: by number', async () => {
    const run = await world.run(`${SHORT}/basic/test_pagination_basic.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed', error: null });
    expect(run.ended.result).toEqual({ status: 'success', total_items: 35, first_id: 1, last_id: 35 });
    expect(asked()).toEqual(['1', '2', '3', '4'].map((page) => ({ url: `${API}/assessments`, page, pageSize: '10' })));
    expect(eventsOf(run, 'step_completed', 'fetch_all_assessments').map(({ result }) => result)).toEqual([ids(1, 35)]);
  });

  it('test_pagination_cursor', async () => {
    const run = await world.run(`${SHORT}/cursor/test_pagination_cursor.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed', error: null });
    expect(run.ended.result).toEqual({ status: 'success', total_events: 35 });
    expect(asked()).toEqual([
      { url: `${API}/events`, limit: '10' },
      ...['10', '20', '30'].map((cursor) => ({ url: `${API}/events`, limit: '10', cursor })),
    ]);
  });

  it('test_pagination_retry: a page that fails is asked for again, not those before it', async () => {
    const run = await world.run(`${SHORT}/retry/test_pagination_retry.yaml`);
    expect(run.ended).toMatchObject({ status: 'completed', error: null });
    expect(run.ended.result).toEqual({ status: 'success', total_items: 35, retry_worked: true });
    expect(asked()).toEqual(['1', '2', '2', '3', '4'].map((page) => ({ url: `${API}/flaky`, page, fail_on: '2' })));
  });
});
