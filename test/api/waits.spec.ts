import { type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { countRows, query } from '../support/sql.js';

let service: TestService;
let other: TestService;

const document = (path: string, steps: string): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${path.split('/').at(-1)}, path: ${path} }
workload: { naps: 0.2 }
workflow:
${steps}  - step: end
`;
const ORDER = `  - step: start
    type: wait_for
    name: payment
    schema:
      type: object
      required: [amount]
      properties: { amount: { type: number, minimum: 1 }, code: { type: string, pattern: '^(a+)+$' } }
    timeout: "{{ workload.patience | default('7d') }}"
    on_timeout: { step: give_up, data: { why: "{{ error.code }}" } }
    next: [{ step: end, data: { paid: "{{ start.amount }}" } }]
  - step: give_up
    next: [{ step: end, data: { gave_up: "{{ why }}" } }]
`;

beforeAll(async () => {
  service = await startTestService();
  other = await startTestService({}, service);
  await service.register(
    document(
      'waits/nap',
      `  - step: start\n    type: wait\n    duration: "{{ workload.naps }}"\n    data: { slept: true }\n    next: [end]\n`,
    ),
  );
  await service.register(document('waits/until', `  - step: start\n    type: wait\n    until: "{{ workload.until }}"\n    next: [end]\n`));
  await service.register(document('waits/order', ORDER));
  await service.register(
    document(
      'waits/strict',
      `  - step: start\n    type: wait_for\n    name: go\n    timeout: "{{ workload.patience }}"\n    next: [end]\n`,
    ),
  );
  await service.register(
    document(
      'waits/two',
      `  - step: start\n    next: [first, second]\n  - step: first\n    type: wait_for\n    signal: go\n    next: [end]\n  - step: second\n    type: wait_for\n    signal: go\n    next: [end]\n`,
    ),
  );
});
afterAll(async () => {
  await other.stop();
  await service.stop();
});

const typesOf = async (id: string): Promise<string[]> => (await service.events(id)).map(({ event_type }) => event_type);
const signal = (id: string, name: string, payload?: unknown, node = service): Promise<TestAnswer> =>
  node.post(`/executions/${id}/signal`, { name, ...(payload === undefined ? {} : { payload }) });
/** Resolves when the execution waits for something. */
const waiting = async (id: string): Promise<Record<string, unknown>> => {
  await service.waitEvent(id, ({ event_type }) => event_type === 'step_waiting');
  return (await service.get(`/executions/${id}`)).json.waiting_for as Record<string, unknown>;
};

describe('wait', () => {
  it('passes its inputs on when its time has come, never before', async () => {
    const id = await service.execute('waits/nap', { parameters: { naps: '700ms' } });
    expect(await waiting(id)).toMatchObject({ kind: 'timer', name: 'start' });
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { slept: true }, waiting_for: null });
    const events = await service.events(id);
    expect(events.map(({ event_type }) => event_type)).toEqual([
      'execution_started',
      'step_waiting',
      'step_woken',
      'step_completed',
      'step_completed',
      'execution_completed',
    ]);
    const { due_at: dueAt } = events[1]!.meta as { due_at: string };
    expect(Date.parse(events[2]!.created_at)).toBeGreaterThanOrEqual(Date.parse(dueAt));
  });

  it('a long one costs a row: no lease, due at its time, and any node goes on', async () => {
    const id = await service.execute('waits/nap', { parameters: { naps: '1h' } });
    const { until } = await waiting(id);
    const [row] = await query<Record<string, unknown>>(
      service.databaseUrl,
      `SELECT lease_token, status, attempts, wake_at FROM execution WHERE id = ${id}`,
    );
    expect(row).toEqual({ lease_token: null, status: 'running', attempts: 0, wake_at: new Date(until as string) });
    await query(service.databaseUrl, `UPDATE execution SET wake_at = clock_timestamp() WHERE id = ${id}`);
    // Woken by hand an hour too early: whoever claims it sees that, and gives it back.
    for (;;) {
      const [again] = await query<{ claim_no: number; lease_token: string | null; wake_at: Date | null }>(
        service.databaseUrl,
        `SELECT claim_no, lease_token, wake_at FROM execution WHERE id = ${id}`,
      );
      if (again!.claim_no < 2 || again!.lease_token !== null) continue;
      expect(again!.wake_at).toEqual(new Date(until as string));
      break;
    }
    expect((await service.get(`/executions/${id}`)).json.status).toBe('running');
  });

  it.each([
    ['a time that has passed', '2020-01-01T00:00:00Z', 'completed'],
    ['no time', 'tomorrow', 'failed'],
    ['a time after the end of all plans', '2999-01-01T00:00:00Z', 'failed'],
  ])('until %s', async (_name, until, status) => {
    const ended = await service.waitDone(await service.execute('waits/until', { parameters: { until } }));
    expect(ended).toMatchObject({ status, ...(status === 'failed' ? { error_details: { code: 'invalid_value', step: 'start' } } : {}) });
  });
});

describe('signals', () => {
  it('wake the step that waits for them; its value is the payload', async () => {
    const id = await service.execute('waits/order');
    expect(await waiting(id)).toMatchObject({ kind: 'signal', name: 'payment', until: expect.any(String) as string });
    const answer = await signal(id, 'payment', { amount: 100 }, other);
    expect([answer.status, answer.headers.get('location'), answer.json.id]).toEqual([202, `/executions/${id}`, id]);
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { paid: 100 } });
    expect(await typesOf(id)).toEqual([
      'execution_started',
      'step_waiting',
      'signal_received',
      'step_woken',
      'step_completed',
      'step_completed',
      'execution_completed',
    ]);
    expect((await service.get(`/executions/${id}/steps`)).json.steps).toEqual([
      expect.objectContaining({ step: 'start', type: 'wait_for', status: 'COMPLETED', value: { amount: 100 } }),
      expect.objectContaining({ step: 'end' }),
    ]);
  });

  it('that come early are kept, also where the execution has not begun', async () => {
    const id = await service.execute('waits/two');
    await Promise.all([signal(id, 'go', 1), signal(id, 'go', 2, other)]);
    const done = await service.waitDone(id);
    expect(done.status).toBe('completed');
    expect(Object.values(done.result as Record<string, number>).sort()).toEqual([1, 2]);
  });

  it('a thousand signals are a thousand events, in the order they were acknowledged', async () => {
    const id = await service.execute('waits/order');
    const sent: number[] = [];
    for (let n = 0; n < 50; n++) {
      // None fits the step's schema but the last; the door says so.
      expect(await signal(id, 'payment', { amount: 0 })).toMatchObject({ status: 422, json: { code: 'schema_violation' } });
      sent.push(n);
    }
    expect(await typesOf(id)).not.toContain('signal_received');
    await signal(id, 'payment', { amount: sent.length, code: 'aaaa' });
    expect(await service.waitDone(id)).toMatchObject({ result: { paid: 50 } });
  });

  it('too late is on_timeout, or a failure without it', async () => {
    const [handled, failed] = [
      await service.execute('waits/order', { parameters: { patience: '300ms' } }),
      await service.execute('waits/strict', { parameters: { patience: 0.3 } }),
    ];
    expect(await service.waitDone(handled)).toMatchObject({ status: 'completed', result: { gave_up: 'signal_timeout' } });
    expect(await typesOf(handled)).toContain('step_timed_out');
    expect(await service.waitDone(failed)).toMatchObject({ status: 'failed', error_details: { code: 'signal_timeout', step: 'start' } });
    expect(await signal(failed, 'go')).toMatchObject({ status: 409, json: { code: 'already_failed' } });
  });

  it.each([
    ['a name that no step waits for', { name: 'refund' }, 422, 'unknown_signal', '/name'],
    ['a payload that violates the schema', { name: 'payment', payload: { amount: 'much' } }, 422, 'schema_violation', '/payload/amount'],
    ['no payload where the schema wants one', { name: 'payment' }, 422, 'schema_violation', '/payload'],
    ['no name', { payload: 1 }, 422, 'invalid_request', '/name'],
    ['an unknown field', { name: 'payment', signal: 1 }, 422, 'invalid_request', '/signal'],
  ])('%s is refused and changes nothing', async (_name, body, status, code, pointer) => {
    const id = await service.execute('waits/order');
    await waiting(id);
    const before = [await countRows(service.databaseUrl), await service.events(id)];
    const answer = await service.post(`/executions/${id}/signal`, body);
    expect(answer).toMatchObject({ status, json: { code, errors: [{ pointer }] } });
    expect([await countRows(service.databaseUrl), await service.events(id)]).toEqual(before);
  });

  it('a schema whose pattern would explode elsewhere is matched in linear time', async () => {
    const id = await service.execute('waits/order');
    const answer = await signal(id, 'payment', { amount: 1, code: `${'a'.repeat(50_000)}b` });
    expect(answer).toMatchObject({ status: 422, json: { code: 'schema_violation' } });
  });

  it('of an unknown execution are 404', async () => {
    expect(await signal('4611686018427387903', 'payment', {})).toMatchObject({ status: 404, json: { code: 'unknown_execution' } });
  });
});

it.each([
  ['both duration and until', `type: wait, duration: 1, until: '2026-01-01'`, 'ambiguous_field'],
  ['neither', 'type: wait', 'missing_field'],
  ['a duration that is none', 'type: wait, duration: soon', 'invalid_value'],
  ['a signal without a name', 'type: wait_for', 'missing_field'],
  ['a signal whose name is a template', `type: wait_for, name: '{{ workload.x }}'`, 'invalid_value'],
  ['a schema that is none', 'type: wait_for, name: go, schema: { type: strange }', 'invalid_schema'],
  ['on_timeout to nowhere', 'type: wait_for, name: go, on_timeout: nowhere', 'unknown_step'],
])('a document with %s is refused', async (_name, step, code) => {
  const content = document('waits/bad', `  - { step: start, ${step}, next: [end] }\n`);
  const { status, json } = await service.post('/catalog/register', { content });
  expect([status, (json.errors as { code: string }[])[0]?.code]).toEqual([422, code]);
});

describe('without rows', () => {
  it.each([
    ['a short wait', 'waits/nap', {}, 422],
    ['a wait for a signal', 'waits/strict', {}, 422],
  ])('%s whose end is not known is refused', async (_name, path, parameters, status) => {
    const answer = await service.post('/execute', { path, parameters, sync_to_postgres: false });
    expect(answer).toMatchObject({ status, json: { code: 'not_durable_unsupported' } });
  });

  it('a wait that is short in the document itself is fine', async () => {
    await service.register(document('waits/short', `  - step: start\n    type: wait\n    duration: 200ms\n    next: [end]\n`));
    const answer = await service.post('/execute', { path: 'waits/short', sync_to_postgres: false });
    expect(answer).toMatchObject({ status: 200, json: { status: 'completed', durable: false } });
  });
});
