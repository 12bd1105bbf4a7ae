import { randomUUID } from 'node:crypto';
import { ANONYMOUS } from '../../src/common/principal.js';
import { type ChildCall } from '../../src/engine/child-runs-port.js';
import { type NewRun } from '../../src/engine/ports.js';
import { COMPLETED, newRun, ScriptedRun, stepEvent } from '../../src/engine/testing/scripted-run.js';
import { type JsonObject } from '../../src/engine/values.js';
import { ChildRunsService } from '../../src/execution/child-runs.service.js';
import { IdMint } from '../../src/storage/ids.js';
import { PostgresRunStore } from '../../src/storage/run-store.js';
import { Worker } from '../../src/worker/worker.service.js';
import { routingPlaybook } from '../support/documents.js';
import { startTestService, type TestService } from '../support/service.js';

/** Waits for a signal before it ends. */
const WAITING = `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: waits, path: called/waits }
workflow:
  - step: start
    next: [hold]
  - step: hold
    type: wait_for
    name: go
    next: [end]
  - step: end
`;
/** Its workload is rendered with the id of the execution; its result has 20,000 characters, the value of "small" is short. */
const LARGE = `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: large, path: called/large }
workload: { me: "{{ execution_id }}" }
workflow:
  - step: start
    next: [{ step: small, data: { me: "{{ workload.me }}" } }]
  - step: small
    next: [{ step: end, data: { text: "{{ 'x' * 20000 }}" } }]
  - step: end
`;

const TENANT = ANONYMOUS.tenant;
let service: TestService;
let children: ChildRunsService;
let store: PostgresRunStore;
let catalogId: string;

const nextId = (): string => service.app.get(IdMint).next();

/** An execution of which the test is the holder; none of its steps is the engine's. */
async function caller(changes: Partial<NewRun> = {}): Promise<ScriptedRun> {
  const run = newRun(nextId(), { tenantId: TENANT, catalogId, path: 'called/caller', ...changes });
  const scripted = new ScriptedRun(store, run, randomUUID());
  expect(await scripted.create()).toMatchObject({ kind: 'committed' });
  return scripted;
}
const callFrom = (parent: NewRun, path: string, changes: Partial<ChildCall> = {}): ChildCall => ({
  id: nextId(),
  parent,
  step: 'call',
  wave: 1,
  item: null,
  callable: 'playbook',
  eventId: `${parent.id}-2`,
  path,
  content: null,
  version: null,
  parameters: {},
  ...changes,
});
/** Prepares a call, and lets it be born where there is room. */
async function call(parent: ScriptedRun, path: string, changes: Partial<ChildCall> = {}): Promise<NewRun> {
  const run = await children.prepare(callFrom(parent.run, path, changes));
  const token = service.app.get(Worker).tokenForCalled(parent.runId);
  expect(token).toEqual(expect.any(String));
  expect(await parent.write({ events: [stepEvent('a')], children: [{ run, token, ended: null }] })).toMatchObject({ kind: 'committed' });
  return run;
}
async function told(parent: ScriptedRun, messages: number): Promise<JsonObject[]> {
  for (;;) {
    const inbox = await store.readInbox(TENANT, parent.runId, 0);
    if (inbox.length >= messages) return inbox.map(({ payload }) => payload);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

beforeAll(async () => {
  // The test holds its executions without renewing their leases.
  service = await startTestService({ LEASE_SECONDS: '300' });
  children = service.app.get(ChildRunsService);
  store = service.app.get(PostgresRunStore);
  for (const version of ['1.0.0', '1.2.0', '2.0.0']) {
    catalogId = String((await service.register(routingPlaybook('called/route'), { version }))['catalog_id']);
  }
  await service.register(routingPlaybook('called/inner/deep'));
  await service.register(WAITING);
  await service.register(LARGE);
});
afterAll(() => service.stop());

describe('a called run', () => {
  it('is resolved and pinned like a started one, runs to its end, tells its caller, and is found by it', async () => {
    const parent = await caller();
    const run = await call(parent, '/called/route.yaml', { version: '^1', parameters: { n: 7 }, item: '3' });
    expect(run).toMatchObject({ version: '1.2.0', requestedVersion: '^1', parent: { runId: parent.runId, item: '3', depth: 1 } });
    const [message] = await told(parent, 1);
    expect(message).toEqual({ child_id: run.id, step: 'call', wave: 1, item: '3', status: 'completed', error: null, result: { n: 7 } });
    const ids = { parent_execution_id: parent.runId, parent_event_id: `${parent.runId}-2`, parent_step: 'call' };
    expect((await service.get(`/executions/${run.id}`)).json).toMatchObject({
      status: 'completed',
      version: '1.2.0',
      result: { n: 7 },
      ...ids,
    });
    const { json: list } = await service.get(`/executions?parent_execution_id=${parent.runId}`);
    expect((list as unknown as JsonObject[]).map(({ id }) => id)).toEqual([run.id]);
    const { json: tree } = await service.get(`/executions/${parent.runId}/tree`);
    expect(tree).toMatchObject({ count: 2, root: { children: [{ execution_id: run.id, status: 'completed' }] } });
    expect(await children.outcome(TENANT, run.id, null)).toEqual({ status: 'completed', result: { n: 7 }, error: null, returned: null });
  });

  it('with a long result tells its end alone; the result and the values of its steps can be asked for', async () => {
    const parent = await caller();
    const run = await call(parent, 'called/large');
    const [message] = await told(parent, 1);
    expect(message).not.toHaveProperty('result');
    const outcome = await children.outcome(TENANT, run.id, 'small');
    expect(outcome).toMatchObject({ status: 'completed', result: { text: 'x'.repeat(20_000) } });
    expect(outcome?.returned).not.toBeNull();
    expect(run.workload).toEqual({ me: run.id });
    expect((await children.outcome(TENANT, run.id, 'no_such_step'))?.returned).toBeNull();
    expect(await children.outcome('other', run.id, null)).toBeNull();
    expect(await children.outcome(TENANT, nextId(), null)).toBeNull();
  });

  it('ends as cancelled where its caller asks for it; those that are over stay as they are', async () => {
    const parent = await caller();
    const [waits, over] = [await call(parent, 'called/waits', { item: '0' }), await call(parent, 'called/route', { item: '1' })];
    await told(parent, 1);
    await children.cancel(TENANT, [waits.id, over.id, nextId()], 'the caller failed');
    await children.cancel(TENANT, [waits.id], 'again');
    expect((await told(parent, 2)).map(({ child_id: id, status }) => [id, status])).toEqual([
      [over.id, 'completed'],
      [waits.id, 'cancelled'],
    ]);
    expect((await service.get(`/executions/${over.id}`)).json).toMatchObject({ status: 'completed' });
  });

  it('that is started again is nobody`s call any more', async () => {
    const parent = await caller();
    const run = await call(parent, 'called/waits');
    await children.cancel(TENANT, [run.id], null);
    await told(parent, 1);
    for (const way of ['rerun', 'retry'] as const) {
      const { json } = await service.post(`/executions/${run.id}/${way}`);
      expect(json).toMatchObject({ forked_from: run.id, parent_execution_id: null, parent_step: null });
      await service.post(`/executions/${String(json['id'])}/cancel`);
      await service.waitDone(String(json['id']));
    }
    expect(await store.readInbox(TENANT, parent.runId, 1)).toEqual([]);
    expect((await service.get(`/executions/${parent.runId}/tree`)).json).toMatchObject({ count: 2 });
  });

  it('waits in the queue where no place was kept for it', async () => {
    const parent = await caller();
    const run = await children.prepare(callFrom(parent.run, 'called/route'));
    await parent.write({ events: [stepEvent('a')], children: [{ run, token: null, ended: null }] });
    expect(await told(parent, 1)).toEqual([expect.objectContaining({ child_id: run.id, status: 'completed' })]);
  });
});

describe('a parent that only a caller names', () => {
  it('is told nothing, and nothing bounds how many name it', async () => {
    const parent = await caller();
    const start = { path: 'called/route', parent_execution_id: parent.runId, parent_step: 'call' };
    for (let n = 0; n < 2; n++)
      expect((await service.post('/execute', start, { prefer: 'wait=10' })).json).toMatchObject({ status: 'completed' });
    expect(await store.readInbox(TENANT, parent.runId, 0)).toEqual([]);
    expect((await service.get(`/executions/${parent.runId}/tree`)).json).toMatchObject({ count: 3 });
    await parent.write({ row: COMPLETED, end: { result: null } });
  });
});

describe('a call is refused', () => {
  it.each([
    ['a path that nobody registered', 'called/nobody', {}, 'unknown_playbook'],
    ['a version that there is not', 'called/route', { version: '^9' }, 'unknown_version'],
    ['a tag that there is not', 'called/route', { version: 'prod' }, 'unknown_tag'],
    ['a text that is no path', 'called//route', {}, 'invalid_path'],
    ['inputs that cannot be stored', 'called/route', { parameters: { text: 'a\0b' } }, 'result_not_storable'],
  ])('for %s', async (_name, path, changes, code) => {
    const { run } = await caller();
    await expect(children.prepare(callFrom(run, path, changes))).rejects.toMatchObject({ name: 'StepFailure', code, retryable: false });
  });

  it('below sixteen calls', async () => {
    let { run } = await caller();
    for (let depth = 1; depth <= 16; depth++) {
      run = await children.prepare(callFrom(run, 'called/route', { parameters: { depth } }));
      expect(run.parent).toMatchObject({ depth, lineage: { length: depth } });
    }
    await expect(children.prepare(callFrom(run, 'called/route'))).rejects.toMatchObject({ code: 'nesting_limit', retryable: false });
  });

  it('where an ancestor has the same playbook, version and inputs, in whatever order', async () => {
    const { run } = await caller();
    const outer = await children.prepare(callFrom(run, 'called/route', { parameters: { a: 1, b: [2] } }));
    const inner = await children.prepare(callFrom(outer, 'called/waits'));
    const again = callFrom(inner, 'called/route', { version: '2.0.0', parameters: { b: [2], a: 1 } });
    await expect(children.prepare(again)).rejects.toMatchObject({ code: 'playbook_cycle', retryable: false });
    expect(await children.prepare({ ...again, version: '1.0.0' })).toMatchObject({ version: '1.0.0' });
    expect(await children.prepare({ ...again, parameters: { a: 2, b: [2] } })).toMatchObject({ version: '2.0.0' });
  });
});

describe('the playbooks below a path', () => {
  it('are those with an active version, in order, without the one that asks', async () => {
    const { run } = await caller();
    const yanked = await service.register(routingPlaybook('called/zz_gone'));
    await service.post(`/catalog/entries/${String(yanked['catalog_id'])}/yank`, { reason: 'a test' });
    expect(await children.below(run, '/called/')).toEqual([
      { path: 'called/inner/deep', version: '1.0.0' },
      { path: 'called/large', version: '1.0.0' },
      { path: 'called/route', version: '2.0.0' },
      { path: 'called/waits', version: '1.0.0' },
    ]);
    expect((await children.below({ ...run, path: 'called/route' }, 'called')).map(({ path }) => path)).not.toContain('called/route');
    expect(await children.below(run, 'called/rou')).toEqual([]);
    await expect(children.below(run, 'a b')).rejects.toMatchObject({ code: 'invalid_path' });
  });
});

describe('places for called runs', () => {
  it('are kept until they begin; where there is none left, the queue takes what is called', async () => {
    const small = await startTestService({ MAX_IN_FLIGHT_RUNS: '2', LEASE_SECONDS: '300' });
    try {
      const worker = small.app.get(Worker);
      await small.register(routingPlaybook('called/route'));
      const entry = await small.register(WAITING);
      const run = newRun(small.app.get(IdMint).next(), { tenantId: TENANT, catalogId: String(entry['catalog_id']) });
      const parent = new ScriptedRun(small.app.get(PostgresRunStore), run, randomUUID());
      await parent.create();
      const called = await small.app.get(ChildRunsService).prepare(callFrom(run, 'called/route'));
      const [token, other] = [worker.tokenForCalled(parent.runId), worker.tokenForCalled('1')];
      expect([typeof token, typeof other, token === other]).toEqual(['string', 'string', false]);
      expect([worker.tokenForCalled('1'), worker.capacity()]).toEqual([null, 0]);
      // Nothing else is begun in a place that is kept.
      const queued = await small.post('/execute', { path: 'called/route' });
      expect(queued.json).toMatchObject({ status: 'pending' });
      await parent.write({ events: [stepEvent('a')], children: [{ run: called, token, ended: null }] });
      await small.waitDone(called.id);
      // Its place is free again, and whoever waits for one gets it.
      await small.waitDone(String(queued.json['id']));
      expect(worker.capacity()).toBe(1);
    } finally {
      await small.stop();
    }
  });
});
