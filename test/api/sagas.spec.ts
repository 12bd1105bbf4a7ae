import { sagaDocument, SagaWorld } from '../support/saga-world.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

const STEPS = ['a', 'b', 'c', 'd', 'e'] as const;
let world: SagaWorld;
let service: TestService;

beforeAll(async () => {
  world = await SagaWorld.start();
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${world.port}` });
  const chain = STEPS.map((name, at) => world.step(name, STEPS[at + 1] ?? 'end'));
  await service.register(sagaDocument('sagas/five', chain));
  const retry = { max_attempts: 3, initial_delay: 0.05, jitter: false };
  await service.register(
    sagaDocument('sagas/three', [
      world.step('a', 'b', { compensate: world.undo('a', { retry }) }),
      world.step('b', 'c', { compensate: world.undo('b', { retry: { ...retry, max_attempts: 2 } }) }),
      world.step('c', 'end', { compensate: world.undo('c', { covers: 'started' }) }),
    ]),
  );
});
afterAll(async () => {
  world.release();
  await service.stop();
  await world.close();
});

const done = (count: number): string[] => STEPS.slice(0, count).map((name) => `do ${name}`);
const undone = (count: number): string[] => [...STEPS.slice(0, count)].reverse().map((name) => `undo ${name}`);
/** Types and steps of the events about compensations. */
const compensations = async (id: string): Promise<string[]> =>
  (await service.events(id))
    .filter(({ event_type }) => event_type.startsWith('compensation_'))
    .map(({ event_type, node_name }) => `${event_type.replace('compensation_', '')} ${String(node_name)}`);
const inReverse = (count: number): string[] =>
  [...STEPS.slice(0, count)].reverse().flatMap((name) => [`started ${name}`, `completed ${name}`]);
const row = async (id: string) => (await service.get(`/executions/${id}`)).json;
const stepsOf = async (id: string) => (await service.get(`/executions/${id}/steps`)).json['steps'] as Record<string, unknown>[];

describe('a saga of five steps', () => {
  it.each(STEPS.map((name, at) => [name, at] as const))(
    'fails at %s: what was done before is undone, the newest first',
    async (name, at) => {
      const id = await service.execute('sagas/five', { workload: { fail: [`do ${name}`] } });
      const ended = await service.waitDone(id);
      expect(ended).toMatchObject({
        status: 'failed',
        progress: 100,
        waiting_for: null,
        error_details: { code: 'http_error', step: name, cause: { status_code: 503 } },
      });
      expect(ended['error_details']).not.toHaveProperty('cause.compensation_failed');
      expect(world.ops(id)).toEqual([...done(at + 1), ...undone(at)]);
      expect(await compensations(id)).toEqual(inReverse(at));
      const calls = world.calls.filter(({ execution }) => execution === id);
      expect(new Set(calls.map(({ key }) => key)).size).toBe(calls.length);
      for (const step of STEPS.slice(0, at)) {
        expect(world.of(id, `undo ${step}`)[0]).toMatchObject({
          key: `${id}/${step}.compensate/1/-/action`,
          body: { result: `do ${step} #1`, was: step, why: 'http_error' },
        });
      }
    },
  );

  it('completes: nothing is undone', async () => {
    const id = await service.execute('sagas/five');
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed' });
    expect(world.ops(id)).toEqual(done(5));
    expect((await stepsOf(id)).every(({ compensation }) => compensation === null)).toBe(true);
  });

  it.each(STEPS.map((name, at) => [name, at] as const))('is cancelled in %s: what was done before is undone', async (name, at) => {
    const id = await service.execute('sagas/five', { workload: { hold: `do ${name}` } });
    await world.called(id, `do ${name}`);
    expect((await service.post(`/executions/${id}/cancel`, { reason: 'changed my mind' })).status).toBe(202);
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled', error: null, error_details: null });
    expect(world.ops(id)).toEqual([...done(at + 1), ...undone(at)]);
    expect(await compensations(id)).toEqual(inReverse(at));
    for (const step of STEPS.slice(0, at)) expect(world.of(id, `undo ${step}`)[0]?.body).toMatchObject({ why: null });
  });

  it('is cancelled while it undoes: it undoes all, and ends as cancelled', async () => {
    const id = await service.execute('sagas/five', { workload: { fail: ['do d'], hold: 'undo b' } });
    await world.called(id, 'undo b');
    expect(await row(id)).toMatchObject({ status: 'running', waiting_for: { kind: 'compensation', name: 'b', until: null } });
    expect((await service.post(`/executions/${id}/cancel`)).status).toBe(202);
    await service.waitEvent(id, ({ event_type }) => event_type === 'cancel_requested');
    world.release();
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
    expect(world.ops(id)).toEqual([...done(4), ...undone(3)]);
    expect(await compensations(id)).toEqual(inReverse(3));
  });

  it('force gives up what is left, and says what that is', async () => {
    const id = await service.execute('sagas/five', { workload: { fail: ['do d'], hold: 'undo b' } });
    await world.called(id, 'undo b');
    expect((await service.post(`/executions/${id}/cancel`, { force: true })).status).toBe(202);
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
    expect(world.ops(id)).toEqual([...done(4), 'undo c', 'undo b']);
    const events = await service.events(id);
    const skipped = events.find(({ event_type }) => event_type === 'compensation_skipped');
    expect(skipped).toMatchObject({
      status: 'SKIPPED',
      meta: {
        firings: [
          { step: 'b', wave: 1 },
          { step: 'a', wave: 1 },
        ],
      },
    });
    expect(events.at(-1)?.event_type).toBe('execution_cancelled');
    const steps = (await stepsOf(id)).filter(({ type }) => type === 'http');
    expect(steps.map(({ step, compensation }) => [step, (compensation as Record<string, unknown> | null)?.['status']])).toEqual([
      ['a', undefined],
      ['b', 'SKIPPED'],
      ['c', 'COMPLETED'],
      ['d', undefined],
    ]);
    expect(steps[1]).toMatchObject({ compensation: { attempt: 1, ended_at: expect.any(String) as string, value: null, error: null } });
  });

  it('neither stands still nor runs out of time while it undoes', async () => {
    const late = await service.execute('sagas/five', { workload: { fail: ['do c'], hold: 'undo b' }, timeout: 1 });
    const stuck = await service.execute('sagas/five', { workload: { hold: 'do d' }, timeout: 1 });
    await world.called(late, 'undo b');
    expect(await service.waitDone(stuck)).toMatchObject({ status: 'failed', error_details: { code: 'execution_timeout' } });
    expect(world.ops(stuck)).toEqual([...done(4), ...undone(3)]);
    // Its time is over as well; it goes on undoing.
    expect(await row(late)).toMatchObject({ status: 'running', waiting_for: { kind: 'compensation', name: 'b' } });
    world.release();
    expect(await service.waitDone(late)).toMatchObject({ status: 'failed', error_details: { code: 'http_error', step: 'c' } });
    expect(await compensations(late)).toEqual(inReverse(2));

    const paused = await service.execute('sagas/five', { workload: { fail: ['do c'], hold: 'undo b' } });
    await world.called(paused, 'undo b');
    expect((await service.post(`/executions/${paused}/pause`)).status).toBe(202);
    await service.waitEvent(paused, ({ event_type }) => event_type === 'pause_requested');
    world.release();
    expect(await service.waitDone(paused)).toMatchObject({ status: 'failed' });
    expect(await compensations(paused)).toEqual(inReverse(2));
  });

  it('undoes also where it was paused when it was cancelled', async () => {
    const id = await service.execute('sagas/five', { workload: { hold: 'do c' } });
    await world.called(id, 'do c');
    await service.post(`/executions/${id}/pause`);
    await service.waitEvent(id, ({ event_type }) => event_type === 'pause_requested');
    world.release();
    await service.waitEvent(id, ({ event_type }) => event_type === 'execution_paused');
    await service.post(`/executions/${id}/cancel`);
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
    expect(await compensations(id)).toEqual(inReverse(3));
  });

  it('is retried, forked and run again as if nothing had been done that was undone', async () => {
    const id = await service.execute('sagas/five', { workload: { flaky: { 'do d': 1 } } });
    expect(await service.waitDone(id)).toMatchObject({ status: 'failed' });
    for (const [action, body] of [
      ['retry', {}],
      ['rerun', {}],
      ['fork', { from_step: 'd' }],
    ] as const) {
      const { status, json } = await service.post(`/executions/${id}/${action}`, body);
      expect(status).toBe(202);
      const again = String(json['id']);
      // Of the new execution the world knows nothing yet: it fails once more, and undoes what it did itself.
      expect(await service.waitDone(again)).toMatchObject({ status: 'failed', error_details: { step: 'd' } });
      expect(world.ops(again)).toEqual([...done(4), ...undone(3)]);
    }
  });

  it('a fork of what stands leaves that alone', async () => {
    const id = await service.execute('sagas/five');
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed' });
    const { json } = await service.post(`/executions/${id}/fork`, { from_step: 'c', workload: { fail: ['do e'] } });
    const fork = String(json['id']);
    expect(await service.waitDone(fork)).toMatchObject({ status: 'failed' });
    expect(world.ops(fork)).toEqual(['do c', 'do d', 'do e', 'undo d', 'undo c']);
  });
});

describe('a compensation', () => {
  it('that fails is tried again by its retry, also of a cancelled execution', async () => {
    const failed = await service.execute('sagas/three', { workload: { fail: ['do c'], flaky: { 'undo a': 2 } } });
    expect(await service.waitDone(failed)).toMatchObject({ status: 'failed', error_details: { step: 'c' } });
    expect(world.ops(failed)).toEqual(['do a', 'do b', 'do c', 'undo c', 'undo b', 'undo a', 'undo a', 'undo a']);
    expect(new Set(world.of(failed, 'undo a').map(({ key }) => key)).size).toBe(1);
    const events = await service.events(failed);
    const retries = events.filter(({ event_type }) => event_type === 'action_retry');
    expect(retries).toMatchObject([1, 2].map((attempt) => ({ node_name: 'a', attempt, meta: { compensation: true } })));

    const cancelled = await service.execute('sagas/three', { workload: { hold: 'do c', flaky: { 'undo b': 1 } } });
    await world.called(cancelled, 'do c');
    await service.post(`/executions/${cancelled}/cancel`);
    expect(await service.waitDone(cancelled)).toMatchObject({ status: 'cancelled', error_details: null });
    // `covers: started`: nobody knows what became of c.
    expect(world.ops(cancelled).slice(3)).toEqual(['undo c', 'undo b', 'undo b', 'undo a']);
  });

  it('that fails for good keeps none of the others from it, and stands in the error of the execution', async () => {
    const cause = { compensation_failed: [{ step: 'b', wave: 1, code: 'http_error', message: expect.any(String) as string }] };
    const failed = await service.execute('sagas/three', { workload: { fail: ['do c', 'undo b'] } });
    expect(await service.waitDone(failed)).toMatchObject({
      status: 'failed',
      error_details: { code: 'http_error', step: 'c', cause: { status_code: 503, ...cause } },
    });
    expect(world.ops(failed)).toEqual(['do a', 'do b', 'do c', 'undo c', 'undo b', 'undo b', 'undo a']);

    const cancelled = await service.execute('sagas/three', { workload: { hold: 'do c', fail: ['undo b'] } });
    await world.called(cancelled, 'do c');
    await service.post(`/executions/${cancelled}/cancel`);
    expect(await service.waitDone(cancelled)).toMatchObject({
      status: 'cancelled',
      error: 'The execution was cancelled; the compensation of b failed.',
      error_details: { code: 'compensation_failed', cause },
    });
    const [b] = (await stepsOf(cancelled)).filter(({ step }) => step === 'b');
    expect(b).toMatchObject({
      status: 'COMPLETED',
      compensation: {
        type: 'http',
        status: 'FAILED',
        attempt: 2,
        started_at: expect.any(String) as string,
        error: expect.any(String) as string,
      },
    });
  });

  it('is shown with the step that it undoes', async () => {
    const id = await service.execute('sagas/three', { workload: { fail: ['do c'] } });
    await service.waitDone(id);
    const steps = await stepsOf(id);
    expect(steps.map(({ step }) => step)).toEqual(['a', 'b', 'c']);
    expect(steps[0]).toMatchObject({
      status: 'COMPLETED',
      compensation: {
        type: 'http',
        status: 'COMPLETED',
        attempt: 1,
        inputs: { op: 'undo a' },
        value: { data: { id: 'undo a #1' } },
        error: null,
      },
    });
    expect(steps[2]).toMatchObject({ status: 'FAILED', compensation: { status: 'COMPLETED' } });
    const started = (await service.events(id)).find(({ event_type }) => event_type === 'compensation_started');
    expect(started).toMatchObject({ node_name: 'c', node_type: 'http', status: 'STARTED', meta: { compensation: true } });
  });

  it('waits for its next attempt without a lease', async () => {
    const retry = { max_attempts: 2, initial_delay: 30, jitter: false };
    await service.register(
      sagaDocument('sagas/later', [world.step('a', 'b', { compensate: world.undo('a', { retry }) }), world.step('b', 'end')]),
    );
    const id = await service.execute('sagas/later', { workload: { fail: ['do b', 'undo a'] } });
    await service.waitEvent(id, ({ event_type }) => event_type === 'action_retry');
    for (;;) {
      const [stored] = await query<{ lease_token: string | null; wakes: boolean }>(
        service.databaseUrl,
        `SELECT lease_token, wake_at IS NOT NULL AS wakes FROM execution WHERE id = ${id}`,
      );
      if (stored?.lease_token === null) {
        expect(stored.wakes).toBe(true);
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await row(id)).toMatchObject({
      status: 'running',
      waiting_for: { kind: 'compensation', name: 'a', until: expect.any(String) as string },
    });
    await service.post(`/executions/${id}/cancel`, { force: true });
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
    expect(world.of(id, 'undo a')).toHaveLength(1);
  });

  it('may call a playbook, also of an execution that was cancelled; what is called and cancelled undoes itself', async () => {
    await service.register(sagaDocument('sagas/refund', [world.step('refund', 'end')]));
    await service.register(
      sagaDocument('sagas/calls', [
        world.step('pay', 'ship', { compensate: { type: 'playbook', path: 'sagas/refund', data: { fail: [], of: '{{ pay.data.id }}' } } }),
        {
          step: 'ship',
          type: 'playbook',
          path: 'sagas/five',
          data: { hold: 'do c', fail: '{{ workload.fail }}' },
          compensate: world.undo('ship'),
          next: 'end',
        },
      ]),
    );
    const called = async (id: string, path: string): Promise<Record<string, unknown> | undefined> => {
      const { json } = await service.get(`/executions?parent_execution_id=${id}`);
      return (json as unknown as Record<string, unknown>[]).find((each) => each['path'] === path);
    };
    const id = await service.execute('sagas/calls');
    let ship: Record<string, unknown> | undefined;
    while (!(ship = await called(id, 'sagas/five'))) await new Promise((resolve) => setTimeout(resolve, 20));
    await world.called(String(ship['id']), 'do c');
    await service.post(`/executions/${id}/cancel`);
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled', error_details: null });
    expect(await service.waitDone(String(ship['id']))).toMatchObject({ status: 'cancelled' });
    expect(world.ops(String(ship['id']))).toEqual([...done(3), ...undone(2)]);
    const refund = await called(id, 'sagas/refund');
    expect(refund).toMatchObject({ status: 'completed', parent_step: 'pay.compensate' });
    const [pay] = await stepsOf(id);
    expect(pay).toMatchObject({ step: 'pay', compensation: { type: 'playbook', status: 'COMPLETED', child_execution_id: refund!['id'] } });
  });

  it('of a step in a loop undoes each wave with its own result', async () => {
    await service.register(
      sagaDocument('sagas/waves', [
        { step: 'start', next: 'a' },
        world.step('a', [{ when: "{{ a.data.id != 'do a #3' }}", step: 'a' }, { else: [{ step: 'b' }] }]),
        world.step('b', 'end'),
      ]),
    );
    const id = await service.execute('sagas/waves', { workload: { fail: ['do b'] } });
    expect(await service.waitDone(id)).toMatchObject({ status: 'failed' });
    expect(world.of(id, 'undo a').map(({ body, key }) => [body['result'], key.split('/')[2]])).toEqual([
      ['do a #3', '3'],
      ['do a #2', '2'],
      ['do a #1', '1'],
    ]);
  });

  it('may be an iterator over what was done', async () => {
    const each = world.action('undo item', { item: '{{ item }}', of: '{{ result.data.id }}' });
    await service.register(
      sagaDocument('sagas/items', [
        world.step('a', 'b', { compensate: { type: 'iterator', collection: [1, 2, 3], element: 'item', task: each } }),
        world.step('b', 'end'),
      ]),
    );
    const id = await service.execute('sagas/items', { workload: { fail: ['do b'] } });
    expect(await service.waitDone(id)).toMatchObject({ status: 'failed' });
    expect(world.of(id, 'undo item').map(({ body }) => [body['item'], body['of']])).toEqual([1, 2, 3].map((item) => [item, 'do a #1']));
    expect((await stepsOf(id))[0]).toMatchObject({ compensation: { type: 'iterator', status: 'COMPLETED' } });
  });
});

describe('at registration', () => {
  const refused = async (steps: readonly object[]) => {
    const { status, json } = await service.post('/catalog/register', { content: sagaDocument('sagas/wrong', steps) });
    return [status, (json['errors'] as { code: string; pointer: string }[] | undefined)?.map(({ code, pointer }) => `${code} ${pointer}`)];
  };
  const undo = { type: 'http', endpoint: 'http://localhost/' };
  it.each<[string, object, string]>([
    ['a router', { step: 'a', compensate: undo }, 'invalid_compensate /workflow/0/compensate'],
    ['a wait', { step: 'a', type: 'wait', duration: 1, compensate: undo }, 'invalid_compensate /workflow/0/compensate'],
    ['what waits', { ...undo, step: 'a', compensate: { type: 'wait', duration: 1 } }, 'invalid_compensate /workflow/0/compensate'],
    ['no type', { ...undo, step: 'a', compensate: { endpoint: 'x' } }, 'missing_field /workflow/0/compensate'],
    ['next', { ...undo, step: 'a', compensate: { ...undo, next: 'end' } }, 'invalid_compensate /workflow/0/compensate/next'],
    ['covers', { ...undo, step: 'a', compensate: { ...undo, covers: 'all' } }, 'invalid_compensate /workflow/0/compensate/covers'],
    [
      'a template',
      { ...undo, step: 'a', compensate: { ...undo, headers: { x: '{{ 1 +' } } },
      'template_syntax /workflow/0/compensate/headers/x',
    ],
    [
      'a task of an iterator',
      { step: 'a', type: 'iterator', collection: [1], element: 'x', task: { ...undo, compensate: undo } },
      'invalid_compensate /workflow/0/task/compensate',
    ],
  ])('%s cannot be', async (_what, step, issue) => {
    const [status, issues] = await refused([step]);
    expect(status).toBe(422);
    expect(issues).toContain(issue);
  });

  it('an execution without rows cannot promise it', async () => {
    const { status, json } = await service.post('/execute', { path: 'sagas/five', sync_to_postgres: false });
    expect([status, json['code']]).toEqual([422, 'not_durable_unsupported']);
  });
});
