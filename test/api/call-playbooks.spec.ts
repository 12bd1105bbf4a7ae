import { type Json } from '../../src/engine/values.js';
import { type SeenExecution } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
  await service.register(
    playbook(
      'calls/double',
      `  - step: start\n    next: [{ step: end, data: { twice: "{{ workload.n * 2 }}" } }]\n  - step: end\n`,
      '{ n: 1 }',
    ),
  );
  await service.register(
    playbook(
      'calls/fails',
      `  - step: start\n    type: python\n    code: |\n      def main():\n          raise ValueError("inner")\n    next: [end]\n  - step: end\n`,
    ),
  );
  await service.register(playbook('calls/waits', `  - step: start\n    type: wait\n    duration: 600\n    next: [end]\n  - step: end\n`));
});
afterAll(() => service.stop());

const playbook = (path: string, steps: string, workload = '{}'): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${path.split('/').at(-1)}, path: ${path} }
workload: ${workload}
workflow:
${steps}`;

async function run(path: string, steps: string, parameters: Record<string, Json> = {}): Promise<SeenExecution> {
  await service.register(playbook(path, steps));
  return service.waitDone(await service.execute(path, { parameters }));
}
const call = (fields: string, result = '{{ start }}'): string =>
  `  - step: start\n    type: playbook\n${fields}    next: [{ step: end, data: { got: "${result}" } }]\n  - step: end\n`;
const childrenOf = async (id: string): Promise<Record<string, unknown>[]> =>
  (await service.get(`/executions?parent_execution_id=${id}`)).json as unknown as Record<string, unknown>[];

/** What a run that has left memory waits for. */
async function waitingOf(id: string): Promise<unknown> {
  let waiting: unknown = null;
  for (const until = performance.now() + 20_000; waiting === null && performance.now() < until;) {
    waiting = (await service.get(`/executions/${id}`)).json.waiting_for;
    await new Promise((done) => setTimeout(done, 50));
  }
  return waiting;
}

it('a called playbook is an execution of its own, whose result is the value of the step', async () => {
  const execution = await run('parents/one', call('    path: calls/double\n    data: { n: "{{ workload.n }}" }\n', '{{ start.twice }}'), {
    n: 21,
  });
  expect(execution).toMatchObject({ status: 'completed', result: { got: 42 } });
  const id = String(execution.id);
  const [child] = await childrenOf(id);
  expect(child).toMatchObject({ path: 'calls/double', status: 'completed', parent_execution_id: id, parent_step: 'start' });
  const events = await service.events(id);
  expect(events.map(({ event_type }) => event_type)).toEqual([
    'execution_started',
    'step_started',
    'child_started',
    'child_completed',
    'step_completed',
    'step_completed',
    'execution_completed',
  ]);
});

it('a called playbook that only computes is stored with its caller, at one time, and looks like any other', async () => {
  const execution = await run('parents/at_once', call('    path: calls/double\n    data: { n: 4 }\n', '{{ start.twice }}'));
  expect(execution).toMatchObject({ status: 'completed', result: { got: 8 } });
  const [{ execution_id: id }] = (await childrenOf(String(execution.id))) as [{ execution_id: string }];
  const child = await service.get(`/executions/${id}`);
  expect(child.json).toMatchObject({ status: 'completed', progress: 100, result: { twice: 8 }, parameters: { n: 4 } });
  const events = [...(await service.events(String(execution.id))), ...(await service.events(id))];
  expect(new Set(events.map(({ created_at }) => created_at)).size).toBe(1);
  expect(events.map(({ event_type }) => event_type).slice(-2)).toEqual(['step_completed', 'execution_completed']);
});

it('a range is resolved when the step starts, and recorded', async () => {
  const execution = await run('parents/range', call('    path: calls/double.yaml\n    version: "^1.0"\n'));
  expect(execution).toMatchObject({ status: 'completed', result: { got: { twice: 2 } } });
  const started = (await service.events(String(execution.id))).find(({ event_type }) => event_type === 'child_started');
  expect(started?.meta).toMatchObject({ playbook: 'calls/double@1.0.0' });
});

it.each([
  ['an unknown path', '    path: calls/nowhere\n', 'unknown_playbook'],
  ['a version that is not there', '    path: calls/double\n    version: 9.9.9\n', 'unknown_version'],
  ['a playbook that fails', '    path: calls/fails\n', 'child_failed'],
  ['a step that did not run', '    path: calls/double\n    return_step: nowhere\n', 'child_failed'],
])('fails for %s', async (name, fields, code) => {
  const execution = await run(`parents/bad_${name.replaceAll(' ', '_')}`, call(fields));
  expect(execution).toMatchObject({ status: 'failed', error_details: { code, step: 'start' } });
});

it('gives the value of a named step', async () => {
  const child = `  - step: start\n    type: python\n    code: |\n      def main():\n          return {"inner": 7}\n    next: [{ step: end, data: { other: 1 } }]\n  - step: end\n`;
  await service.register(playbook('calls/steps', child));
  expect(await run('parents/return_step', call('    path: calls/steps\n    return_step: start\n', '{{ start.inner }}'))).toMatchObject({
    result: { got: 7 },
  });
});

it('a cycle is refused, and so are calls 17 deep', async () => {
  expect(await run('parents/cycle', call('    path: parents/cycle\n'))).toMatchObject({
    status: 'failed',
    error_details: { code: 'playbook_cycle' },
  });
  const deep = await run('parents/deep', call('    path: parents/deep\n    data: { n: "{{ (workload.n | default(0)) + 1 }}" }\n'));
  expect(deep).toMatchObject({ status: 'failed', error_details: { code: 'child_failed' } });
  expect(JSON.stringify(deep.error_details)).toContain('nesting_limit');
});

it('calls one for each item, and all below a prefix', async () => {
  const each = `  - step: start
    type: iterator
    collection: [1, 2, 3]
    element: n
    mode: async
    task: { type: playbook, path: calls/double, data: { n: "{{ n }}" } }
    next: [{ step: end, data: { got: "{{ start }}" } }]
  - step: end
`;
  expect(await run('parents/each', each)).toMatchObject({
    status: 'completed',
    result: { got: [{ twice: 2 }, { twice: 4 }, { twice: 6 }] },
  });
  await service.register(playbook('below/b', `  - step: start\n    next: [{ step: end, data: { b: 1 } }]\n  - step: end\n`));
  await service.register(playbook('below/a', `  - step: start\n    next: [{ step: end, data: { a: 1 } }]\n  - step: end\n`));
  const all = `  - step: start\n    type: playbooks\n    catalog_path: below\n    parallel: true\n    next: [{ step: end, data: { got: "{{ start }}" } }]\n  - step: end\n`;
  expect(await run('parents/all', all)).toMatchObject({
    result: {
      got: [
        { path: 'below/a', status: 'completed', result: { a: 1 } },
        { path: 'below/b', status: 'completed', result: { b: 1 } },
      ],
    },
  });
});

it('a cancel and a time-out take what was called along', async () => {
  await service.register(playbook('parents/long', call('    path: calls/waits\n')));
  const id = await service.execute('parents/long');
  await service.waitEvent(id, ({ event_type }) => event_type === 'child_started');
  await service.post(`/executions/${id}/cancel`, { reason: 'enough' });
  expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
  const [child] = await childrenOf(id);
  expect(await service.waitDone(String(child!.execution_id))).toMatchObject({ status: 'cancelled' });

  const late = await run('parents/late', call('    path: calls/waits\n    timeout: 1\n'));
  expect(late).toMatchObject({ status: 'failed', error_details: { code: 'timeout' } });
  const [called] = await childrenOf(String(late.id));
  expect(await service.waitDone(String(called!.execution_id))).toMatchObject({ status: 'cancelled' });
});

it('a cancel without cascade of a caller that waits as a row leaves what was called alone', async () => {
  const signalled = `  - step: start\n    type: wait_for\n    name: go\n    next: [{ step: end, data: { went: true } }]\n  - step: end\n`;
  await service.register(playbook('calls/signalled', signalled));
  await service.register(playbook('parents/leaves', call('    path: calls/signalled\n')));
  const id = await service.execute('parents/leaves');
  await service.waitEvent(id, ({ event_type }) => event_type === 'child_started');
  const holder = async (): Promise<unknown> =>
    (await query<{ lease_token: unknown }>(service.databaseUrl, 'SELECT lease_token FROM execution WHERE id = $1', [id]))[0]!.lease_token;
  while ((await holder()) !== null) await new Promise((done) => setTimeout(done, 50));
  expect((await service.post(`/executions/${id}/cancel`, { cascade: false })).status).toBe(202);
  expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
  const [child] = await childrenOf(id);
  expect((await service.post(`/executions/${String(child!.execution_id)}/signal`, { name: 'go' })).status).toBe(202);
  expect(await service.waitDone(String(child!.execution_id))).toMatchObject({ status: 'completed', result: { went: true } });
  expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
});

it.each([
  ['a caller', 'parents/listening', {}],
  ['a caller, by force', 'parents/listening', { force: true }],
  ['one that iterates over calls', 'parents/many', {}],
])('a cancel without cascade leaves alone what was called: %s', async (_which, path, more) => {
  await service.register(playbook('calls/listens', `  - { step: start, type: wait_for, name: go, next: [end] }\n  - step: end\n`));
  await service.register(playbook('parents/listening', call('    path: calls/listens\n')));
  const task = '{ type: playbook, path: calls/listens }';
  await service.register(
    playbook('parents/many', `  - { step: start, type: iterator, collection: [1, 2], element: x, mode: async, task: ${task} }\n`),
  );
  const id = await service.execute(path);
  await service.waitEvent(id, ({ event_type }) => event_type === 'child_started');
  expect((await service.post(`/executions/${id}/cancel`, { cascade: false, ...more })).status).toBe(202);
  expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
  expect((await service.events(id)).find(({ event_type }) => event_type === 'cancel_requested')?.meta).toMatchObject({ cascade: false });
  const children = await childrenOf(id);
  expect(children.length).toBeGreaterThan(0);
  for (const { execution_id: child } of children) {
    expect((await service.post(`/executions/${String(child)}/signal`, { name: 'go', payload: 'went on' })).status).toBe(202);
    expect(await service.waitDone(String(child))).toMatchObject({ status: 'completed', result: 'went on' });
  }
  expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
});

it('a caller that waits for long holds no lease, and hears of the end all the same', async () => {
  await service.register(
    playbook(
      'calls/nine',
      `  - step: start\n    type: wait\n    duration: 9\n    next: [{ step: end, data: { slept: true } }]\n  - step: end\n`,
    ),
  );
  await service.register(playbook('parents/idle', call('    path: calls/nine\n', '{{ start.slept }}')));
  const id = await service.execute('parents/idle');
  await service.waitEvent(id, ({ event_type }) => event_type === 'child_started');
  expect(await waitingOf(id)).toMatchObject({ kind: 'child' });
  expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { got: true } });
});

it('a caller that has left memory takes along what it called where it fails by what wakes it', async () => {
  const task = '{ type: playbook, path: calls/waits }';
  await service.register(
    playbook(
      'parents/refuses',
      `  - { step: start, next: [many, listen] }
  - { step: many, type: iterator, collection: [1, 2, 3], element: n, mode: async, task: ${task} }
  - { step: listen, type: wait_for, name: go, next: [refuse] }
  - { step: refuse, type: fail, message: no }
`,
    ),
  );
  const id = await service.execute('parents/refuses');
  await waitingOf(id);
  await service.post(`/executions/${id}/signal`, { name: 'go' });
  expect(await service.waitDone(id)).toMatchObject({ status: 'failed', error_details: { step: 'refuse' } });
  const children = await childrenOf(id);
  expect(children).toHaveLength(3);
  for (const { execution_id: child } of children) expect(await service.waitDone(String(child))).toMatchObject({ status: 'cancelled' });
});

it('an iterator one of whose calls has failed awaits the others, also where it has left memory', async () => {
  const listens = `  - { step: start, next: [{ when: "{{ workload.n == 1 }}", step: refuse }, { else: listen }] }
  - { step: refuse, type: fail, message: no }
  - { step: listen, type: wait_for, name: go }
`;
  await service.register(playbook('calls/refuses', listens));
  const task = '{ type: playbook, path: calls/refuses, data: { n: "{{ n }}" } }';
  await service.register(
    playbook('parents/three', `  - { step: start, type: iterator, collection: [1, 2, 3], element: n, mode: async, task: ${task} }\n`),
  );
  const id = await service.execute('parents/three');
  expect(await waitingOf(id)).toMatchObject({ kind: 'child' });
  const live = (await childrenOf(id)).filter(({ status }) => status === 'running').map(({ execution_id: child }) => String(child));
  expect(live).toHaveLength(2);
  for (const child of live) {
    expect((await service.get(`/executions/${id}`)).json).toMatchObject({ status: 'running' });
    await service.post(`/executions/${child}/signal`, { name: 'go' });
    expect(await service.waitDone(child)).toMatchObject({ status: 'completed' });
    await service.waitEvent(id, ({ event_type, meta }) => event_type === 'child_completed' && meta['child_execution_id'] === child);
  }
  expect(await service.waitDone(id)).toMatchObject({ status: 'failed', error_details: { code: 'child_failed', item_index: 0 } });
});

it('a caller that ends as poison takes along what it called', async () => {
  await service.register(playbook('parents/poison', call('    path: calls/waits\n')));
  const id = await service.execute('parents/poison');
  const at = async (of: string): Promise<Record<string, unknown>> =>
    (await query(service.databaseUrl, 'SELECT status, lease_token, attempts FROM execution WHERE id = $1', [of]))[0] as Record<
      string,
      unknown
    >;
  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await until(async () => (await childrenOf(id))[0]?.['status'] === 'running' && (await at(id))['lease_token'] === null);
  await query(service.databaseUrl, 'UPDATE execution SET attempts = 99 WHERE id = $1', [id]);
  await service.post(`/executions/${id}/pause`); // whatever wakes it
  expect(await service.waitDone(id)).toMatchObject({ status: 'failed', error_details: { code: 'poison' } });
  const [child] = await childrenOf(id);
  expect(await service.waitDone(String(child?.['id']))).toMatchObject({ status: 'cancelled' });
});
