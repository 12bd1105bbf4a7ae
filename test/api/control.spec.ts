import { pythonPlaybook, routingPlaybook } from '../support/documents.js';
import { startTestService, type TestService } from '../support/service.js';
import { countRows } from '../support/sql.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
  await service.register(routingPlaybook('control/route'));
  await service.register(
    pythonPlaybook('control/sleep', { nap: ['import time', 'time.sleep(30)', 'return {"woke": True}'], after: ['return 1'] }),
  );
  await service.register(pythonPlaybook('control/quick', { work: ['return {"done": True}'] }));
  await service.register(pythonPlaybook('control/fail', { work: ['raise ValueError("on purpose")'] }));
  await service.register(pythonPlaybook('control/short', { nap: ['import time', 'time.sleep(0.3)', 'return {"woke": True}'] }));
});
afterAll(() => service.stop());

const napping = async (): Promise<string> => {
  const id = await service.run('control/sleep');
  await service.waitEvent(id, ({ event_type, node_name }) => event_type === 'step_started' && node_name === 'nap');
  return id;
};

describe('cancelling', () => {
  it.each([
    ['cancel', {}],
    ['cancel', { reason: 'no longer needed', force: true }],
    ['stop', {}],
  ])('%s with %j ends a running execution', async (verb, body) => {
    const id = await napping();
    const { status, json } = await service.post(`/executions/${id}/${verb}`, body);
    expect([status, json]).toEqual([202, expect.objectContaining({ cancelled_executions: [id] })]);
    const ended = await service.waitDone(id);
    expect(ended).toMatchObject({ status: 'cancelled', progress: 100, result: null });
    expect(ended.end_time).not.toBeNull();
    const events = await service.events(id);
    const types = events.map(({ event_type }) => event_type);
    expect(types).toContain('cancel_requested');
    expect(types.at(-1)).toBe('execution_cancelled');
    expect(
      events.filter(({ node_name }) => node_name === 'after' || node_name === 'end').map(({ event_type }) => event_type),
    ).not.toContain('step_started');
    if ('reason' in body) expect(events.find(({ event_type }) => event_type === 'cancel_requested')?.error).toBe(body.reason);

    const again = await service.post(`/executions/${id}/${verb}`);
    expect([again.status, again.json]).toEqual([200, expect.objectContaining({ status: 'cancelled', cancelled_executions: [] })]);
    expect(await service.events(id)).toEqual(events);
  });

  it.each([
    ['control/quick', 'completed', 'already_completed'],
    ['control/fail', 'failed', 'already_failed'],
  ])('refuses what has ended: %s', async (path, state, code) => {
    const id = await service.execute(path);
    const before = await service.waitDone(id);
    expect(before.status).toBe(state);
    const answer = await service.post(`/executions/${id}/cancel`);
    expect([answer.status, answer.json.code]).toEqual([409, code]);
    expect((await service.get(`/executions/${id}`)).json).toEqual(before);
  });

  it('that was acknowledged is never followed by a completion', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const id = await service.execute(index % 4 === 0 ? 'control/short' : 'control/route');
        const { status } = await service.post(`/executions/${id}/cancel`);
        return { id, status, ended: (await service.waitDone(id)).status };
      }),
    );
    expect(outcomes.filter(({ status, ended }) => (status === 202) !== (ended === 'cancelled'))).toEqual([]);
    expect(outcomes.filter(({ status }) => status !== 202 && status !== 409)).toEqual([]);
    expect(outcomes.some(({ status }) => status === 202)).toBe(true);
    for (const { id } of outcomes.slice(0, 20)) {
      const terminal = (await service.events(id)).filter(({ event_type }) => /^execution_(completed|failed|cancelled)$/.test(event_type));
      expect(terminal).toHaveLength(1);
    }
  });
});

describe('sync_to_postgres: false', () => {
  it.each(['/executions/run', '/execute'])('%s answers with the end and keeps no rows', async (url) => {
    const before = await countRows(service.databaseUrl);
    const name = url === '/execute' ? 'path' : 'playbook_id';
    const { status, json } = await service.post(url, { [name]: 'control/quick', sync_to_postgres: false });
    expect([status, json]).toEqual([
      200,
      expect.objectContaining({ status: 'completed', progress: 100, durable: false, result: { done: true } }),
    ]);
    expect(await countRows(service.databaseUrl)).toEqual(before);
    const id = json.id as string;
    expect((await service.get(`/executions/${id}`)).json).toMatchObject({
      id,
      status: 'completed',
      durable: false,
      result: { done: true },
    });
    expect((await service.get(`/executions/${id}/status`)).json).toMatchObject({ execution_id: id, status: 'completed', completed: true });
    expect((await service.get('/executions?limit=500')).json).not.toContainEqual(expect.objectContaining({ id }));
    expect((await service.post(`/executions/${id}/cancel`)).json.code).toBe('already_completed');
  });

  it('tells a failure the same way', async () => {
    const { status, json } = await service.post('/execute', { path: 'control/fail', sync_to_postgres: false });
    expect([status, json]).toEqual([
      200,
      expect.objectContaining({ status: 'failed', durable: false, result: null, error: expect.stringContaining('on purpose') as string }),
    ]);
  });
});

describe('waiting for the end', () => {
  it.each([
    ['Prefer: wait=10', { prefer: 'wait=10' }, '', 'wait=10'],
    ['bare Prefer: wait', { prefer: 'wait' }, '', 'wait=30'],
    ['?wait=10', {}, '?wait=10', 'wait=10'],
    ['more than the limit', { prefer: 'wait=900' }, '', 'wait=60'],
  ])('%s answers 200 with the result', async (_name, headers: Record<string, string>, query, applied) => {
    for (const [url, name] of [
      ['/execute', 'path'],
      ['/executions/run', 'playbook_id'],
    ] as const) {
      const { status, headers: answered, json } = await service.post(url + query, { [name]: 'control/quick' }, headers);
      expect([status, json]).toEqual([200, expect.objectContaining({ status: 'completed', progress: 100, result: { done: true } })]);
      expect(answered.get('preference-applied')).toBe(applied);
      expect((await service.get(`/executions/${String(json.id)}`)).json).toMatchObject({ status: 'completed', result: { done: true } });
    }
  });

  it('answers 202 where the end does not come in time', async () => {
    const { status, headers, json } = await service.post('/execute', { path: 'control/sleep' }, { prefer: 'wait=1' });
    expect([status, json]).toEqual([202, expect.objectContaining({ status: 'running', result: null, error: null })]);
    expect(headers.get('preference-applied')).toBe('wait=1');
    expect(headers.get('location')).toBe(`/executions/${String(json.id)}`);
    expect((await service.post(`/executions/${String(json.id)}/cancel`)).status).toBe(202);
  });

  it('answers 200 with a failure', async () => {
    const { status, json } = await service.post('/execute?wait=20', { path: 'control/fail' });
    expect([status, json]).toEqual([
      200,
      expect.objectContaining({
        status: 'failed',
        progress: 100,
        error_details: expect.objectContaining({ code: 'python_error', step: 'work' }) as object,
      }),
    ]);
  });

  it('hears of a cancellation by another request', async () => {
    const id = await napping();
    const waiting = service.get(`/executions/${id}`, { prefer: 'wait=30' });
    await service.post(`/executions/${id}/cancel`);
    expect((await waiting).json).toMatchObject({ id, status: 'cancelled' });
  });

  it.each(['wait=soon', 'wait=-1'])('refuses Prefer: %s', async (prefer) => {
    const before = await countRows(service.databaseUrl);
    const { status, json } = await service.post('/execute', { path: 'control/route' }, { prefer });
    expect([status, json.code]).toEqual([400, 'invalid_header']);
    expect(await countRows(service.databaseUrl)).toEqual(before);
  });
});
