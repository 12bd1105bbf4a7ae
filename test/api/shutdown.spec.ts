import { pythonPlaybook } from '../support/documents.js';
import { startTestService } from '../support/service.js';

it('a node that stops answers who waits, ends its streams, and gives back what it cannot finish', async () => {
  const service = await startTestService();
  await service.register(pythonPlaybook('shutdown/sleep', { nap: ['import time', 'time.sleep(60)', 'return 1'] }));
  const id = await service.execute('shutdown/sleep');
  await service.waitEvent(id, ({ event_type, node_name }) => event_type === 'step_started' && node_name === 'nap');
  const stream = await fetch(`${service.url}/executions/${id}/events`, { headers: { accept: 'text/event-stream' } });
  const streamed = stream.text();
  const waiting = service.request('GET', `/executions/${id}?wait=60`);
  const waitingStart = service.request('POST', '/execute', { path: 'shutdown/sleep' }, { prefer: 'wait=60' });
  // Both have arrived: what is on its way when the door closes may be cut off.
  while (((await service.get('/executions?path=shutdown/sleep')).json as unknown as unknown[]).length < 2) continue;
  const stopped = service.stop();
  expect((await waiting).json).toMatchObject({ status: 'running' });
  expect((await waitingStart).status).toBe(202);
  const text = await streamed;
  expect(text).toContain('event: step_started');
  expect(text).not.toMatch(/event: execution_(completed|failed|cancelled)/);
  await stopped;
}, 60_000);
