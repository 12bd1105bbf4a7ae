import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type JsonObject } from '../../src/engine/values.js';
import { type SeenEvent } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let server: Server;
let url: string;
/** Requests to /slow/<name> are never answered: who asked, and who hung up. */
const asked: string[] = [];
const hungUp: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? '/';
    asked.push(path);
    if (!path.startsWith('/slow/')) return void response.setHeader('content-type', 'application/json').end(JSON.stringify({ path }));
    response.once('close', () => hungUp.push(path));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  url = `http://127.0.0.1:${port}`;
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${port}` });
  await service.register(
    document('calls/waits', [
      { step: 'start', type: 'wait_for', name: 'go', next: 'end' },
      { step: 'end', result: 'went' },
    ]),
  );
});
afterAll(async () => {
  await service.stop();
  server.closeAllConnections();
  server.close();
});

function document(path: string, workflow: readonly JsonObject[]): string {
  return JSON.stringify({
    apiVersion: 'noetl.io/v1',
    kind: 'Workflow',
    metadata: { name: path.split('/').at(-1)!, path, version: '1.0.0' },
    workflow: workflow as JsonObject[],
  });
}
async function start(name: string, workflow: readonly JsonObject[], parameters: JsonObject = {}): Promise<string> {
  await service.register(document(`joins/${name}`, workflow));
  return service.execute(`joins/${name}`, { execution_type: 'workflow', parameters });
}
const slow = (name: string, more: JsonObject = {}): JsonObject => ({
  type: 'http',
  endpoint: `${url}/slow/${name}`,
  timeout: 600,
  ...more,
});
const quick = (name: string): JsonObject => ({ type: 'http', endpoint: `${url}/quick/${name}` });
const gate = (name: string): JsonObject => ({ type: 'wait_for', name });
const skipped = (events: readonly SeenEvent[]): unknown[] =>
  events.filter(({ event_type }) => event_type === 'step_skipped').map(({ node_name, status, meta }) => [node_name, status, meta.reason]);

/** Resolves once it holds; what it waits for comes by itself. */
async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 30_000; !holds(); await new Promise((done) => setTimeout(done, 10)))
    if (performance.now() > end) throw new Error('it never came to hold');
}

describe('join: any', () => {
  it('goes on with the first arrival, and really ends the others: an http call, a called execution, a wait, what has not begun', async () => {
    const id = await start('any', [
      { step: 'start', next: ['first', 'call', 'child', 'wait', 'longer'] },
      { step: 'first', ...gate('go'), next: [{ step: 'won', data: { by: '{{ first.name }}' } }] },
      { step: 'call', ...slow('any'), retry: 5, next: 'won' },
      { step: 'child', type: 'workflow', path: 'calls/waits', next: 'won' },
      { step: 'wait', type: 'wait', duration: '9d', next: 'won' },
      { step: 'longer', ...slow('longer'), next: 'after' },
      { step: 'after', next: 'won' },
      { step: 'won', join: 'any', next: [{ step: 'end', data: { by: '{{ by }}', call: '{{ call is defined }}' } }] },
      { step: 'end' },
    ]);
    await service.waitEvent(id, ({ event_type }) => event_type === 'child_started');
    await until(() => asked.includes('/slow/any') && asked.includes('/slow/longer'));
    await service.post(`/executions/${id}/signal`, { name: 'go', payload: { name: 'first' } });
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { by: 'first', call: false } });
    await until(() => hungUp.includes('/slow/any') && hungUp.includes('/slow/longer'));

    const events = await service.events(id);
    expect(skipped(events).sort()).toEqual(['call', 'child', 'longer', 'wait'].map((name) => [name, 'SKIPPED', 'join']));
    expect(events.some(({ node_name }) => node_name === 'after')).toBe(false);
    const { json } = await service.get(`/executions?parent_execution_id=${id}`);
    const [child] = json as unknown as JsonObject[];
    expect(await service.waitDone(String(child!.execution_id))).toMatchObject({ status: 'cancelled' });
    const { json: steps } = await service.get(`/executions/${id}/steps`);
    expect(steps).toMatchObject({
      steps: expect.arrayContaining([expect.objectContaining({ step: 'call', status: 'SKIPPED' })]) as unknown,
    });
  });

  it('leaves alone what may lead elsewhere, and drops its arrival', async () => {
    const id = await start('elsewhere', [
      { step: 'start', next: ['first', 'second'] },
      { step: 'first', ...quick('elsewhere'), next: 'won' },
      { step: 'second', ...gate('go'), next: ['won', 'own'] },
      { step: 'own', next: 'end' },
      { step: 'won', join: 1, next: 'end' },
      { step: 'end', result: { won: '{{ won is defined }}', own: '{{ own is defined }}' } },
    ]);
    await service.waitEvent(id, ({ event_type, node_name }) => event_type === 'step_completed' && node_name === 'won');
    await service.post(`/executions/${id}/signal`, { name: 'go', payload: {} });
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { won: true, own: true } });
    const events = await service.events(id);
    expect(events.filter(({ node_name }) => node_name === 'won')).toHaveLength(1);
    expect(skipped(events)).toEqual([]);
  });
});

describe('join: 2', () => {
  it('of 3 fires at the second arrival, with the data of both', async () => {
    const id = await start('two', [
      { step: 'start', next: ['a', 'b', 'c'] },
      { step: 'a', ...quick('a'), next: [{ step: 'quorum', data: { a: true } }] },
      { step: 'b', ...slow('two'), next: [{ step: 'quorum', data: { b: true } }] },
      { step: 'c', ...gate('go'), next: [{ step: 'quorum', data: { c: true } }] },
      { step: 'quorum', join: 2, next: 'end' },
      { step: 'end', result: '{{ quorum }}' },
    ]);
    await service.waitEvent(id, ({ event_type, node_name }) => event_type === 'step_completed' && node_name === 'a');
    expect((await service.events(id)).some(({ node_name }) => node_name === 'quorum')).toBe(false);
    await service.post(`/executions/${id}/signal`, { name: 'go', payload: {} });
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { a: true, c: true } });
    expect(skipped(await service.events(id))).toEqual([['b', 'SKIPPED', 'join']]);
  });

  it('fails where two can no longer arrive; on_error applies', async () => {
    const steps = (onError: JsonObject): JsonObject[] => [
      { step: 'start', next: ['a', 'b', 'c'] },
      { step: 'a', ...quick('a'), next: 'quorum' },
      { step: 'b', ...quick('b'), next: [{ when: '{{ false }}', step: 'quorum' }] },
      { step: 'c', ...quick('c'), next: [{ when: '{{ false }}', step: 'quorum' }] },
      { step: 'quorum', join: 2, next: 'end', ...onError },
      { step: 'rescue', next: [{ step: 'end', data: { code: '{{ error.code }}' } }] },
      { step: 'end' },
    ];
    const failed = await service.waitDone(await start('short', steps({})));
    expect(failed).toMatchObject({ status: 'failed', error_details: { code: 'join_unreachable', step: 'quorum' } });
    const events = (await service.events(failed.id)).filter(({ node_name }) => node_name === 'quorum');
    expect(events.map(({ event_type }) => event_type)).toEqual(['step_failed']);
    expect(await service.waitDone(await start('rescued', steps({ on_error: 'rescue' })))).toMatchObject({
      status: 'completed',
      result: { code: 'join_unreachable' },
    });
  });
});

it('a loop that leads through a join again begins a new count', async () => {
  const id = await start('loop', [
    { step: 'start', next: 'round' },
    { step: 'round', data: { n: '{{ (round.n | default(0)) + 1 }}' }, next: ['a', 'b', 'c'] },
    { step: 'a', ...quick('loop'), next: 'quorum' },
    { step: 'b', ...quick('loop'), next: 'quorum' },
    { step: 'c', ...slow('loop'), next: 'quorum' },
    { step: 'quorum', join: 2, next: [{ when: '{{ round.n < 3 }}', step: 'round' }, { else: 'end' }] },
    { step: 'end', result: '{{ round.n }}' },
  ]);
  expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: 3 });
  const events = await service.events(id);
  const waves = (name: string, type: string): unknown[] =>
    events.filter(({ node_name, event_type }) => node_name === name && event_type === type).map(({ meta }) => meta.reason ?? null);
  expect(waves('quorum', 'step_completed')).toHaveLength(3);
  expect(waves('c', 'step_skipped')).toEqual(['join', 'join', 'join']);
});

it('a retry of what failed behind a join keeps the join as it went', async () => {
  const failing = { type: 'http', endpoint: `${url}/quick/retry`, method: 'GET', when: '{{ true }}' };
  const id = await start('retried', [
    { step: 'start', next: ['a', 'b'] },
    { step: 'a', ...quick('retried'), next: 'won' },
    { step: 'b', ...gate('never'), next: 'won' },
    { step: 'won', join: 'any', next: 'broken' },
    { step: 'broken', ...failing, assert: { returns: ['nothing_of_this_name'] }, next: 'end' },
    { step: 'end' },
  ]);
  expect(await service.waitDone(id)).toMatchObject({ status: 'failed', error_details: { step: 'broken' } });
  const { json } = await service.post(`/executions/${id}/retry`, {});
  const again = await service.waitDone(String(json.execution_id));
  expect(again).toMatchObject({ status: 'failed', error_details: { step: 'broken' } });
  const fresh = (await service.events(again.id)).map(({ event_type, node_name }) => `${event_type} ${node_name ?? ''}`);
  expect(fresh.filter((event) => event.endsWith(' b'))).toEqual([]);
});

describe('registration', () => {
  const three = (join: unknown, onStep = 'quorum'): JsonObject[] =>
    [
      { step: 'start', next: ['a', 'b', 'c'] },
      { step: 'a', next: 'quorum' },
      { step: 'b', next: 'quorum' },
      { step: 'c', next: 'quorum' },
      { step: 'quorum', next: 'end' },
      { step: 'end' },
    ].map((step) => (step.step === onStep ? { ...step, join } : step) as JsonObject);

  it.each<[string, unknown, string, number]>([
    ['more than lead there', 4, 'quorum', 4],
    ['none', 0, 'quorum', 4],
    ['less than none', -1, 'quorum', 4],
    ['a part of one', 1.5, 'quorum', 4],
    ['a template', '{{ workload.n }}', 'quorum', 4],
    ['another word', 'most', 'quorum', 4],
    ['a list', [1], 'quorum', 4],
    ['on the entry', 'any', 'start', 0],
  ])('refuses a join of %s', async (_name, join, step, at) => {
    const { json } = await service.post('/catalog/playbooks/validate', { content: document('joins/refused', three(join, step)) });
    expect(json).toMatchObject({ valid: false, errors: [{ code: 'invalid_join', pointer: `/workflow/${at}/join` }] });
    const { status } = await service.post('/catalog/register', { content: document('joins/refused', three(join, step)) });
    expect(status).toBe(422);
  });

  it.each(['all', 'any', 1, 3])('takes %s', async (join) => {
    const { json } = await service.post('/catalog/playbooks/validate', { content: document('joins/taken', three(join)) });
    expect(json).toMatchObject({ valid: true });
  });
});
