import { pythonPlaybook, routingPlaybook } from '../support/documents.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
let other: TestService;
beforeAll(async () => {
  service = await startTestService();
  other = await startTestService({}, service);
  await service.register(routingPlaybook('pause/route'));
  await service.register(
    pythonPlaybook('pause/work', {
      first: ['import time', 'time.sleep(0.8)', 'return {"done": 1}'],
      second: ['return {"done": 2}'],
    }),
  );
  await service.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: both, path: pause/both }
workflow:
  - step: start
    type: wait_for
    name: go
    next: [{ step: nap }]
  - { step: nap, type: wait, duration: "{{ start.naps }}", next: [{ step: end, data: { naps: "{{ start.naps }}" } }] }
  - step: end
`);
});
afterAll(async () => {
  await other.stop();
  await service.stop();
});

const started = (id: string, step: string) =>
  service.waitEvent(id, ({ event_type, node_name }) => event_type === 'step_started' && node_name === step);
const event = (id: string, type: string) => service.waitEvent(id, ({ event_type }) => event_type === type);

it('lets the running step end, starts no other, holds no lease, and goes on when resumed', async () => {
  const id = await service.execute('pause/work');
  await started(id, 'first');
  expect(await service.post(`/executions/${id}/pause`, { reason: 'maintenance' })).toMatchObject({ status: 202, json: { id } });
  await event(id, 'execution_paused');
  const paused = (await service.get(`/executions/${id}`)).json;
  expect(paused).toMatchObject({ status: 'paused', result: null, end_time: null, waiting_for: null });
  const [row] = await query(service.databaseUrl, `SELECT lease_token, wake_at, attempts FROM execution WHERE id = ${id}`);
  expect(row).toEqual({ lease_token: null, wake_at: null, attempts: 0 });
  const types = (await service.events(id)).map(({ event_type, node_name }) => `${event_type} ${String(node_name)}`);
  expect(types).toContain('step_completed first');
  expect(types).not.toContain('step_started second');
  expect((await service.events(id)).find(({ event_type }) => event_type === 'pause_requested')?.error).toBe('maintenance');

  expect(await other.post(`/executions/${id}/pause`)).toMatchObject({ status: 200, json: { status: 'paused' } });
  expect(await other.post(`/executions/${id}/resume`)).toMatchObject({ status: 202, json: { id } });
  expect(await service.waitDone(id)).toMatchObject({ status: 'completed' });
  const ends = (await service.events(id)).map(({ event_type }) => event_type);
  expect(ends.filter((type) => type === 'execution_paused' || type === 'execution_resumed')).toEqual([
    'execution_paused',
    'execution_resumed',
  ]);
  expect(await service.post(`/executions/${id}/resume`)).toMatchObject({ status: 409, json: { code: 'already_completed' } });
});

it('a wait whose time comes while paused, and a signal that comes then, are looked at when it is resumed', async () => {
  const id = await service.execute('pause/both');
  await event(id, 'step_waiting');
  await service.post(`/executions/${id}/pause`);
  await event(id, 'execution_paused');
  await other.post(`/executions/${id}/signal`, { name: 'go', payload: { naps: '100ms' } });
  await event(id, 'signal_received');
  const [row] = await query(service.databaseUrl, `SELECT status FROM execution WHERE id = ${id}`);
  expect(row).toEqual({ status: 'paused' });
  await service.post(`/executions/${id}/resume`);
  expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { naps: '100ms' } });
});

it('a paused execution can be cancelled; a resume right after a pause leaves it running', async () => {
  const [cancelled, resumed] = [await service.execute('pause/both'), await service.execute('pause/both')];
  await service.post(`/executions/${cancelled}/pause`);
  await event(cancelled, 'execution_paused');
  expect((await service.post(`/executions/${cancelled}/cancel`)).status).toBe(202);
  expect(await service.waitDone(cancelled)).toMatchObject({ status: 'cancelled' });
  expect(await service.post(`/executions/${cancelled}/pause`)).toMatchObject({ status: 409, json: { code: 'already_cancelled' } });

  await service.post(`/executions/${resumed}/pause`);
  await other.post(`/executions/${resumed}/resume`);
  expect(await service.post(`/executions/${resumed}/resume`)).toMatchObject({ status: 200 });
  await service.post(`/executions/${resumed}/signal`, { name: 'go', payload: { naps: 0 } });
  expect(await service.waitDone(resumed)).toMatchObject({ status: 'completed' });
});

it.each(['pause', 'resume'])('%s of an unknown execution is 404, of a completed one 409', async (verb) => {
  expect(await service.post(`/executions/4611686018427387903/${verb}`)).toMatchObject({ status: 404, json: { code: 'unknown_execution' } });
  const id = await service.execute('pause/route');
  await service.waitDone(id);
  expect(await service.post(`/executions/${id}/${verb}`)).toMatchObject({ status: 409, json: { code: 'already_completed' } });
  const unknownField = await service.post(`/executions/${id}/pause`, { why: 1 });
  expect(unknownField).toMatchObject({ status: 422, json: { code: 'invalid_request' } });
});
