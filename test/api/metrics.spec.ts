import { routingPlaybook } from '../support/documents.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
let queueing: TestService;
beforeAll(async () => {
  service = await startTestService({ LEASE_SECONDS: '1' });
  queueing = await startTestService({ ROLE: 'api' }, service);
  await service.register(routingPlaybook('metrics/route'));
});
afterAll(async () => {
  await queueing.stop();
  await service.stop();
});

/** The samples of a node, by name and labels. */
async function scrape(node: TestService = service): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${node.url}/metrics`, {
    headers: { accept: 'application/openmetrics-text;q=0.9, text/plain;version=0.0.4;q=0.5' },
  });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, series, value] = /^([a-z_]+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? [];
      expect([line, Number.isFinite(Number(value))]).toEqual([line, true]);
      return [series!, Number(value)];
    }),
  );
}
const until = async (series: string, wanted: (value: number) => boolean, node = service): Promise<void> => {
  for (const end = performance.now() + 30_000; performance.now() < end;)
    if (wanted((await scrape(node)).get(`showrunner_${series}`) ?? NaN)) return;
  throw new Error(`${series} did not get there`);
};

it('counts requests by route and status, batches, units and commits', async () => {
  const before = await scrape();
  for (let n = 0; n < 5; n++) await service.waitDone(await service.execute('metrics/route'));
  await service.get('/executions/1');
  await service.get('/no/such/route');
  const after = await scrape();
  const grown = (series: string): number => (after.get(`showrunner_${series}`) ?? NaN) - (before.get(`showrunner_${series}`) ?? 0);
  expect(grown('http_requests_total{method="POST",route="/execute",status="202"}')).toBe(5);
  expect(grown('http_requests_total{method="GET",route="/executions/:execution_id",status="200"}')).toBe(5);
  expect(grown('http_requests_total{method="GET",route="/executions/:execution_id",status="404"}')).toBe(1);
  expect(grown('http_requests_total{method="GET",route="none",status="404"}')).toBe(1);
  expect(grown('units_total')).toBeGreaterThanOrEqual(5);
  expect(grown('commits_total')).toBe(grown('batches_total'));
  expect(grown('batch_units_count')).toBe(grown('commits_total'));
  expect(grown('batch_units_sum')).toBe(grown('units_total'));
  expect(after.get('showrunner_batch_seconds_sum')).toBeGreaterThan(0);
});

it('says how late the event loop is, and what the process takes', async () => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const end = Date.now() + 300; Date.now() < end;);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const samples = await scrape();
  const delay = (quantile: string): number => samples.get(`showrunner_event_loop_delay_seconds{quantile="${quantile}"}`)!;
  expect(delay('1')).toBeGreaterThan(0.2);
  expect(delay('0.99')).toBeLessThanOrEqual(delay('1'));
  expect(delay('0.5')).toBeLessThanOrEqual(delay('0.99'));
  expect(samples.get('showrunner_memory_bytes{kind="resident"}')).toBeGreaterThan(10_000_000);
  expect(samples.get('showrunner_cpu_seconds_total')).toBeGreaterThan(0);
});

it('counts what is held, claimed, renewed, taken over and expired, and who waits', async () => {
  await queueing.execute('metrics/route');
  await until('claims_total', (value) => value >= 1);
  await queueing.execute('metrics/route', { delay: '1h', expires_in: '1h' });
  await query(service.databaseUrl, `UPDATE execution SET expires_at = now() WHERE status = 'pending'`);
  for (const end = performance.now() + 30_000; performance.now() < end;) {
    const [here, there] = [await scrape(), await scrape(queueing)];
    if (here.get('showrunner_expired_total')! + there.get('showrunner_expired_total')! === 1) break;
  }
  expect((await scrape()).get('showrunner_expired_total')! + (await scrape(queueing)).get('showrunner_expired_total')!).toBe(1);

  await service.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: nap, path: metrics/nap }
workflow:
  - step: start
    type: python
    code: |
      def main():
        import time
        time.sleep(20)
    next: end
  - step: end
`);
  const id = await service.execute('metrics/nap');
  const waiting = service.get(`/executions/${id}`, { prefer: 'wait=60' });
  await until('waiting_requests', (value) => value === 1);
  await until('runs_held', (value) => value === 1);
  await until('runs_in_memory', (value) => value === 1);
  await until('lease_renewals_total', (value) => value >= 1);
  await service.post(`/executions/${id}/cancel`, { force: true });
  expect((await waiting).json).toMatchObject({ status: 'cancelled' });
  await until('runs_held', (value) => value === 0);
  const samples = await scrape();
  expect(samples.get('showrunner_runs_in_memory')).toBe(0);
  expect(samples.get('showrunner_waiting_requests')).toBe(0);

  const lost = await queueing.execute('metrics/route', { delay: '1h' });
  await query(
    service.databaseUrl,
    `UPDATE execution SET lease_token = gen_random_uuid(), lease_until = '2020-01-01', wake_at = NULL WHERE id = $1`,
    [lost],
  );
  await until('takeovers_total', (value) => value === 1);
});
