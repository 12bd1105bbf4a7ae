import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Json } from '../../src/engine/values.js';
import { type HttpClient, type SeenExecution } from '../support/http-client.js';
import { type ServiceProcess, spawnService, startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

interface Step {
  readonly step: string;
  readonly [field: string]: Json;
}
/** JSON is YAML: texts within texts need no indentation. */
const text = (path: string, workflow: readonly Step[], more: Record<string, Json> = {}): string =>
  JSON.stringify({ apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: path.split('/').at(-1)!, path }, workflow, ...more });
const route = (data: Record<string, Json>): Step[] => [{ step: 'start', next: [{ step: 'end', data }] }, { step: 'end' }];
const waits = (seconds: number): Step[] => [
  { step: 'start', type: 'wait', duration: seconds, next: [{ step: 'end', data: { slept: true } }] },
  { step: 'end' },
];
const calls = (content: string, more: Record<string, Json> = {}): Step[] => [
  { step: 'start', type: 'playbook', content, ...more, next: [{ step: 'end', data: { got: '{{ start }}' } }] },
  { step: 'end' },
];
async function run(path: string, workflow: readonly Step[], parameters: Record<string, Json> = {}): Promise<SeenExecution> {
  await service.register(text(path, workflow));
  return service.waitDone(await service.execute(path, { parameters }));
}
const childrenOf = async (id: string, client: HttpClient = service): Promise<Record<string, unknown>[]> =>
  (await client.get(`/executions?parent_execution_id=${id}`)).json as unknown as Record<string, unknown>[];
const double = text('doubles', route({ twice: '{{ workload.n * 2 }}' }), { workload: { n: 1 } });

it('a text inside a step runs as an execution of its own, sees its own data only, and is kept once', async () => {
  const execution = await run('inline/one', calls(double, { data: { n: '{{ workload.n }}' } }), { n: 21 });
  expect(execution).toMatchObject({ status: 'completed', result: { got: { twice: 42 } } });
  const [child] = await childrenOf(String(execution.id));
  expect(child).toMatchObject({
    status: 'completed',
    parent_step: 'start',
    path: expect.stringMatching(/^inline\/one\/@inline\/[0-9a-f]{32}$/),
  });
  // Without data its own workload counts, not that of who calls.
  expect(await run('inline/one_b', calls(double), { n: 21 })).toMatchObject({ result: { got: { twice: 2 } } });

  await service.waitDone(await service.execute('inline/one', { parameters: { n: 1 } }));
  const [row] = await query(
    service.databaseUrl,
    `SELECT count(*)::int AS count, min(source) AS source FROM playbook WHERE starts_with(path, 'inline/one/@inline/')`,
    [],
  );
  expect(row).toEqual({ count: 1, source: double });
});

it('is in no list, has no path that can be asked for, and is rerun and forked all the same', async () => {
  const { id } = await run('inline/hidden', calls(double, { data: { n: 4 } }));
  const [child] = (await childrenOf(String(id))) as [Record<string, unknown>];
  const listed = (await service.get('/catalog/list?limit=200')).text;
  expect(listed).toContain('inline/hidden');
  expect(listed).not.toContain('@inline');
  expect(await service.post('/execute', { path: child['path'] as string, parameters: {} })).toMatchObject({ status: 422 });
  const below = await run('inline_below', [
    { step: 'start', type: 'playbooks', catalog_path: 'inline/hidden', next: [{ step: 'end', data: { got: '{{ start }}' } }] },
    { step: 'end' },
  ]);
  expect(below).toMatchObject({ status: 'completed', result: { got: [] } });

  const childId = String(child['execution_id']);
  const rerun = await service.post(`/executions/${childId}/rerun`, {});
  expect(await service.waitDone(String(rerun.json.execution_id))).toMatchObject({
    status: 'completed',
    path: child['path'],
    result: { twice: 8 },
  });
  const fork = await service.post(`/executions/${childId}/fork`, { from_step: 'start' });
  expect(await service.waitDone(String(fork.json.execution_id))).toMatchObject({ status: 'completed', result: { twice: 8 } });
});

it('one template and nothing else gives the text, or what was read of it, when the step runs', async () => {
  const steps = calls('{{ workload.text }}', { data: { n: 5 } });
  expect(await run('inline/late', steps, { text: double })).toMatchObject({ status: 'completed', result: { got: { twice: 10 } } });
  const started = await service.execute('inline/late', { parameters: { text: JSON.parse(double) as Json } });
  expect(await service.waitDone(started)).toMatchObject({ status: 'completed', result: { got: { twice: 10 } } });
  for (const [bad, code] of [
    ['workflow: [', 'malformed_yaml'],
    [text('bad', [{ step: 'start', next: ['nowhere'] }]), 'invalid_document'],
    ['', 'invalid_document'],
    [[1], 'invalid_document'],
  ] as const) {
    const failed = await service.waitDone(await service.execute('inline/late', { parameters: { text: bad as Json } }));
    expect(failed).toMatchObject({ status: 'failed', error_details: { code, step: 'start' } });
  }
});

it('a literal text is checked with the document around it: errors point into it, also in tasks and in texts within texts', async () => {
  const bad = text('bad', [
    { step: 'start', type: 'http', next: ['nowhere'] },
    { step: 'query', type: 'postgres', command: 'SELECT 1' },
  ]);
  const unsafe = text('unsafe', [{ step: 'start', type: 'postgres', auth: 'db', command: "DO 'x{{ 1 }}'" }]);
  const task = { step: 'each', type: 'iterator', collection: [1], element: 'n', task: { type: 'playbook', content: unsafe } };
  const document = text('inline/bad', [{ step: 'start', type: 'playbook', content: text('middle', calls(bad)), next: ['each'] }, task]);
  const { status, json } = await service.post('/catalog/register', { content: document });
  expect(status).toBe(422);
  const found = (json['errors'] as Record<string, unknown>[]).map(({ code, pointer }) => ({ code, pointer }));
  expect(found).toEqual(
    expect.arrayContaining([
      { code: 'missing_field', pointer: '/workflow/0/content/workflow/0/content/workflow/0' },
      { code: 'unknown_step', pointer: '/workflow/0/content/workflow/0/content/workflow/0/next/0' },
      { code: 'sql_context', pointer: expect.stringMatching(/^\/workflow\/1\/.*content\/workflow\/0\/command/) as unknown },
    ]),
  );
  const odd = text('inline/odd', calls(text('odd', [{ step: 'start', colour: 'red' }])));
  expect((await service.post('/catalog/register', { content: odd })).json).toMatchObject({
    warnings: [{ code: 'unknown_field', pointer: '/workflow/0/content/workflow/0/colour' }],
  });
  expect(await service.post('/catalog/register', { content: odd, strict: true })).toMatchObject({ status: 422 });
});

it('texts stand 16 deep inside each other, and one that calls itself is found out', async () => {
  // Without quotes within quotes, which would double with each level.
  const nested = (depth: number): string => {
    const inner =
      depth === 0
        ? '  - step: start'
        : `  - step: start\n    type: playbook\n    content: |\n${nested(depth - 1).replace(/^/gm, '      ')}`;
    return `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: deep_${depth} }\nworkflow:\n${inner}`;
  };
  const { status, json } = await service.post('/catalog/register', { content: nested(17) });
  expect({ status, json }).toMatchObject({ status: 422, json: { errors: [{ code: 'depth_exceeded' }] } });
  expect(await service.post('/catalog/register', { content: nested(16) })).toMatchObject({ status: 201 });

  const again = text('again', calls('{{ workload.text }}', { data: { text: '{{ workload.text }}' } }));
  const cyclic = await run('inline/cyclic', calls('{{ workload.text }}', { data: { text: '{{ workload.text }}' } }), { text: again });
  expect(cyclic).toMatchObject({ status: 'failed', error_details: { code: 'child_failed' } });
  expect(JSON.stringify(cyclic.error_details)).toContain('playbook_cycle');
});

it('each item calls it, a step of it is returned, a cancel takes it along', async () => {
  const each: Step = {
    step: 'start',
    type: 'iterator',
    collection: [1, 2, 3],
    element: 'n',
    mode: 'async',
    task: { type: 'playbook', content: double, return_step: 'end', data: { n: '{{ n }}' } },
    next: [{ step: 'end', data: { got: '{{ start }}' } }],
  };
  expect(await run('inline/each', [each, { step: 'end' }])).toMatchObject({
    status: 'completed',
    result: { got: [{ twice: 2 }, { twice: 4 }, { twice: 6 }] },
  });

  await service.register(text('inline/long', calls(text('long', waits(600)))));
  const id = await service.execute('inline/long');
  await service.waitEvent(id, ({ event_type }) => event_type === 'child_started');
  await service.post(`/executions/${id}/cancel`, { reason: 'enough' });
  expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
  const [child] = await childrenOf(id);
  expect(await service.waitDone(String(child!['execution_id']))).toMatchObject({ status: 'cancelled' });
});

it('survives a crash with the text that it had', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'showrunner-inline-'));
  const start = (): Promise<ServiceProcess> => spawnService({ DATA_DIR: dataDir, LEASE_SECONDS: '1' });
  let node = await start();
  try {
    await node.register(text('inline/crash', calls('{{ workload.text }}')));
    const id = await node.execute('inline/crash', { parameters: { text: text('slow', waits(4)) } });
    let child: Record<string, unknown> | undefined;
    while (child?.['status'] !== 'running') [child] = await childrenOf(id, node);
    await node.end('SIGKILL');
    node = await start();
    expect(await node.waitDone(id)).toMatchObject({ status: 'completed', result: { got: { slept: true } } });
    expect((await childrenOf(id, node)).map(({ execution_id: of }) => of)).toEqual([child['execution_id']]);
  } finally {
    await node.end('SIGTERM');
    rmSync(dataDir, { recursive: true, force: true });
  }
});
