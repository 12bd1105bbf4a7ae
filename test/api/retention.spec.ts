import { routingPlaybook } from '../support/documents.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
const nodes: TestService[] = [];
beforeAll(async () => {
  service = await startTestService();
  await service.register(routingPlaybook('retention/route'));
});
afterAll(async () => {
  for (const node of nodes) await node.stop();
  await service.stop();
});

it('a node removes by itself what its rules say, and a key whose execution is gone says how it ended', async () => {
  const start = (): ReturnType<TestService['post']> =>
    service.post('/execute', { path: 'retention/route' }, { 'idempotency-key': 'kept', prefer: 'wait=10' });
  const old = (await start()).json.execution_id as string;
  const young = await service.execute('retention/route');
  await service.waitDone(young);
  // As if it had run two hours ago; ids tell when an execution began.
  await query(
    service.databaseUrl,
    `UPDATE execution SET id = id - (7200000::bigint << 22), ended_at = ended_at - interval '2 hours' WHERE id = $1`,
    [old],
  );
  await query(service.databaseUrl, `UPDATE idempotency_key SET execution_id = execution_id - (7200000::bigint << 22)`);

  nodes.push(await startTestService({ RETENTION: 'completed=1h' }, service));
  for (const until = performance.now() + 30_000; ;) {
    const ids = (await query<{ id: string }>(service.databaseUrl, 'SELECT id FROM execution')).map(({ id }) => id);
    if (ids.length === 1) {
      expect(ids).toEqual([young]);
      break;
    }
    if (performance.now() > until) throw new Error('nothing was removed');
    await new Promise((done) => setTimeout(done, 50));
  }
  const again = await start();
  expect([again.status, again.json.code]).toEqual([409, 'execution_removed']);
  expect(again.json.detail).toContain('completed');
});
