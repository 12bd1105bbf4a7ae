import { EffectServer } from '../support/effect-server.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let effects: EffectServer;

/** Two branches that join: `left` always works, `right` needs workload.open. */
const document = (version: string, last: string): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: flow, path: restart/flow, version: ${version} }
workload: { open: false }
workflow:
  - step: start
    next: [left, right]
  - { step: left, type: http, endpoint: "http://127.0.0.1:${effects.port}/left", next: [join] }
  - step: right
    next: [{ when: "{{ workload.open }}", then: [gate] }, { else: [fails] }]
  - { step: gate, type: http, endpoint: "http://127.0.0.1:${effects.port}/gate", next: [join] }
  - { step: fails, type: http, endpoint: "http://127.0.0.1:${effects.port}/status/500", next: [join] }
  - { step: join, type: http, endpoint: "http://127.0.0.1:${effects.port}/join", next: [${last}] }
  - step: ${last}
    next: [{ step: end, data: { by: ${last}, open: "{{ workload.open }}" } }]
  - step: end
`;

beforeAll(async () => {
  effects = await EffectServer.start();
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` });
  await service.register(document('1.0.0', 'last'));
  await service.register(document('2.0.0', 'renamed'));
});
afterAll(async () => {
  await service.stop();
  await effects.close();
});

const calls = (path: string): number => effects.of(path).length;
const post = async (id: string, verb: string, body?: object) => service.post(`/executions/${id}/${verb}`, body, { prefer: 'wait=30' });

describe('retry', () => {
  it('keeps what completed, runs the rest again, and leaves the failed execution as it is', async () => {
    const id = await service.execute('restart/flow', { version: '1.0.0' });
    const failed = await service.waitDone(id);
    expect(failed).toMatchObject({ status: 'failed', error_details: { step: 'fails' } });
    const [left, fails] = [calls('/left'), calls('/status/500')];
    const { status, json } = await post(id, 'retry');
    expect([status, json]).toEqual([200, expect.objectContaining({ status: 'failed', forked_from: id, version: '1.0.0' })]);
    expect([calls('/left'), calls('/status/500')]).toEqual([left, fails + 1]);
    expect(json.id).not.toBe(id);
    expect(await service.waitDone(id)).toEqual(failed);
    const events = await service.events(json.id as string);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, at) => at + 1));
    expect(events.filter(({ event_type, node_name }) => event_type === 'step_completed' && node_name === 'left')).toHaveLength(1);
  });

  it('is for what failed or was cancelled', async () => {
    const completed = await service.execute('restart/flow', { version: '1.0.0', parameters: { open: true } });
    await service.waitDone(completed);
    expect(await post(completed, 'retry')).toMatchObject({ status: 409, json: { code: 'already_completed' } });
    expect(await post('4611686018427387903', 'retry')).toMatchObject({ status: 404, json: { code: 'unknown_execution' } });
    await service.register(
      `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: w, path: restart/wait }\nworkflow:\n  - { step: start, type: wait_for, name: go, next: [end] }\n  - step: end\n`,
    );
    const going = await service.execute('restart/wait');
    expect(await post(going, 'retry')).toMatchObject({ status: 409, json: { code: 'not_ended' } });
    await service.post(`/executions/${going}/cancel`);
    await service.waitDone(going);
    const { json } = await service.post(`/executions/${going}/retry`);
    await service.post(`/executions/${String(json.id)}/signal`, { name: 'go', payload: 'x' });
    expect(await service.waitDone(json.id as string)).toMatchObject({ status: 'completed', result: 'x', forked_from: going });
  });
});

describe('fork', () => {
  it('runs again from a step, with other parameters, and keeps what does not follow from it', async () => {
    const id = await service.execute('restart/flow', { version: '1.0.0', parameters: { open: true } });
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { by: 'last', open: true } });
    const before = [calls('/left'), calls('/gate'), calls('/join')];
    const { status, json } = await post(id, 'fork', { from_step: 'join' });
    expect([status, json]).toEqual([
      200,
      expect.objectContaining({ status: 'completed', forked_from: id, result: { by: 'last', open: true } }),
    ]);
    expect([calls('/left'), calls('/gate'), calls('/join')]).toEqual([before[0], before[1], before[2]! + 1]);
    const closed = await post(id, 'fork', { from_step: 'right', parameters: { open: false } });
    expect(closed.json).toMatchObject({ status: 'failed', error_details: { step: 'fails' } });
    expect(calls('/left')).toBe(before[0]);
  });

  it('in another version takes its steps, or says which one is missing', async () => {
    const id = await service.execute('restart/flow', { version: '1.0.0', parameters: { open: true } });
    await service.waitDone(id);
    const { json } = await post(id, 'fork', { from_step: 'join', version: '2.0.0' });
    expect(json).toMatchObject({ status: 'completed', version: '2.0.0', result: { by: 'renamed' } });
    const answer = await post(id, 'fork', { from_step: 'end', version: '2.0.0' });
    expect(answer).toMatchObject({ status: 422, json: { code: 'incompatible_version' } });
    expect(answer.json.detail).toContain('last');
  });

  it('leaves each signal with the step that took it', async () => {
    await service.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: signals, path: restart/signals }
workflow:
  - { step: start, next: [first, second] }
  - { step: first, type: wait_for, name: go, next: [{ when: "{{ first.again }}", step: first }, { else: end }] }
  - { step: second, type: wait_for, name: go, next: end }
  - { step: end, result: { first: "{{ first.n }}", second: "{{ second.n }}" } }
`);
    const id = await service.execute('restart/signals');
    for (const payload of [{ n: 1, again: true }, { n: 2 }, { n: 3 }])
      expect((await service.post(`/executions/${id}/signal`, { name: 'go', payload })).status).toBe(202);
    const result = { first: 3, second: 2 };
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result });
    for (const from_step of ['second', 'first', 'end']) {
      const { json } = await post(id, 'fork', { from_step });
      expect([from_step, json]).toEqual([from_step, expect.objectContaining({ status: 'completed', result })]);
    }
  });

  it.each([
    ['a step that never ran', { from_step: 'fails' }, 422, 'step_never_ran'],
    ['a step that does not exist', { from_step: 'nowhere' }, 422, 'step_never_ran'],
    ['no step', {}, 422, 'invalid_request'],
  ])('from %s is refused', async (_name, body, status, code) => {
    const id = await service.execute('restart/flow', { version: '1.0.0', parameters: { open: true } });
    await service.waitDone(id);
    expect(await post(id, 'fork', body)).toMatchObject({ status, json: { code } });
  });
});
