import { RegistrationService } from '../../src/catalog/registration.service.js';
import { type JsonObject } from '../../src/engine/values.js';
import { registerExamples } from '../../src/examples/shipped-examples.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { type SeenExecution } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
  await registerExamples(service.app.get(RegistrationService, { strict: false }), SILENT_LOG);
  for (const version of ['1.0.0', '1.4.2', '2.0.0']) {
    await service.register(entry('Playbook', 'calls/echo', { version, workflow: result(version) }));
  }
  await service.register(entry('Workflow', 'flows/inner', { workflow: result('inner {{ workload.n }}'), workload: { n: 1 } }));
});
afterAll(() => service.stop());

function entry(kind: string, path: string, { version = '1.0.0', ...more }: JsonObject & { readonly version?: string }): string {
  return JSON.stringify({ apiVersion: 'noetl.io/v1', kind, metadata: { name: path.split('/').at(-1)!, path, version }, ...more });
}
const result = (value: string): JsonObject[] => [
  { step: 'start', next: 'end' },
  { step: 'end', result: { said: value } },
];
/** `start -> call -> end`, whose result is the value of the call. */
const calling = (call: JsonObject): JsonObject[] => [
  { step: 'start', next: 'call' },
  { step: 'call', next: 'end', ...call },
  { step: 'end', result: '{{ call }}' },
];
const execute = (body: JsonObject) => service.post('/execute', body, { prefer: 'wait=30' });

/** Registers a workflow of one call, and runs it to its end. */
async function run(path: string, call: JsonObject, parameters: JsonObject = {}): Promise<JsonObject> {
  await service.register(entry('Workflow', path, { workflow: calling(call) }));
  return (await execute({ path, version: '1.0.0', execution_type: 'workflow', parameters })).json;
}

describe('an entry of kind Workflow', () => {
  it.each<[string, string, JsonObject]>([
    ['by path', '/execute', { path: 'flows/inner', version: '^1', execution_type: 'workflow', parameters: { n: 7 } }],
    ['without a type', '/execute', { path: 'flows/inner', parameters: { n: 7 } }],
    ['under the older name of the field', '/execute', { path: 'flows/inner', resource_kind: 'Workflow', workload: { n: 7 } }],
    ['by id', '/executions/run', { playbook_id: 'flows/inner', execution_type: 'workflow', parameters: { n: 7 } }],
  ])('is started %s', async (_name, url, body) => {
    const { status, json } = await service.post(url, body, { prefer: 'wait=30' });
    expect([status, json.status, json.execution_type, json.result]).toEqual([200, 'completed', 'workflow', { said: 'inner 7' }]);
  });

  it.each([
    ['a workflow as a playbook', 'flows/inner', 'playbook'],
    ['a workflow as a tool', 'flows/inner', 'tool'],
    ['a workflow as a model', 'flows/inner', 'model'],
    ['a playbook as a workflow', 'calls/echo', 'workflow'],
    ['a tool as a workflow', 'tools/data_validator', 'workflow'],
    ['a model as a workflow', 'models/sentiment_analysis', 'workflow'],
  ])('is refused where the type is another: %s', async (_name, path, type) => {
    const { status, json } = await execute({ path, execution_type: type });
    expect([status, json.code, json.errors]).toEqual([
      422,
      'execution_type_mismatch',
      [expect.objectContaining({ pointer: '/execution_type' })],
    ]);
  });

  it('is listed, shown and validated as what it is', async () => {
    const { json: listed } = await service.get('/catalog/list?resource_type=workflow');
    const [shown] = (listed.entries as JsonObject[]).filter(({ path }) => path === 'flows/inner');
    expect(shown).toMatchObject({ kind: 'Workflow', version: '1.0.0' });
    const content = entry('Workflow', 'flows/none', { workflow: [{ step: 'start', next: 'nowhere' }] });
    const { json } = await service.post('/catalog/playbooks/validate', { content });
    expect(json).toMatchObject({ valid: false, errors: [{ code: 'unknown_step', pointer: '/workflow/0/next' }] });
    const { json: executions } = await service.get('/executions?type=workflow&path=flows/inner');
    expect((executions as unknown as JsonObject[]).map(({ execution_type }) => execution_type)).toContain('workflow');
  });
});

describe('steps that call', () => {
  it.each<[string, JsonObject, string, unknown]>([
    ['playbook', { path: 'calls/echo', version: '^1' }, 'calls/echo@1.4.2', { said: '1.4.2' }],
    ['workflow', { path: 'flows/inner', version: '~1.0', data: { n: 3 } }, 'flows/inner@1.0.0', { said: 'inner 3' }],
    [
      'tool',
      {
        path: 'tools/data_validator',
        version: '>=2 <3',
        data: { records: [{ a: 1 }], rules: [{ rule: 'required_fields', fields: ['a'] }] },
      },
      'tools/data_validator@2.0.0',
      { valid: true, checked: 1, violations: [] },
    ],
    [
      'model',
      { path: 'models/sentiment_analysis', version: '3.x', data: { inputs: { text: 'This is great!' } } },
      'models/sentiment_analysis@3.1.0',
      expect.objectContaining({ label: 'positive' }),
    ],
  ])('%s: an execution of its own, whose range is pinned and recorded', async (type, call, pinned, value) => {
    const execution = await run(`flows/calls_${type}`, { type, ...call });
    expect([execution.status, execution.result]).toEqual(['completed', value]);
    const started = (await service.events(String(execution.execution_id))).find(({ event_type }) => event_type === 'child_started');
    expect(started?.meta).toMatchObject({ playbook: pinned });
    const { json } = await service.get(`/executions?parent_execution_id=${String(execution.execution_id)}`);
    expect(json).toMatchObject([{ execution_type: type, status: 'completed', parent_step: 'call' }]);
  });

  it.each([
    ['playbook', 'flows/inner'],
    ['playbook', 'tools/data_validator'],
    ['workflow', 'calls/echo'],
    ['workflow', 'models/sentiment_analysis'],
    ['tool', 'flows/inner'],
    ['model', 'flows/inner'],
  ])('%s refuses another kind: %s', async (type, path) => {
    const execution = await run(`flows/wrong_${type}_${path.replaceAll('/', '_')}`, { type, path });
    expect([execution.status, execution.error_details]).toEqual([
      'failed',
      expect.objectContaining({ code: 'execution_type_mismatch', step: 'call' }),
    ]);
  });

  it('workflow: works in a playbook and for each item, too', async () => {
    const each = {
      type: 'iterator',
      collection: [1, 2],
      element: 'n',
      task: { type: 'workflow', path: 'flows/inner', data: { n: '{{ n }}' } },
    };
    await service.register(entry('Playbook', 'calls/each', { workflow: calling(each) }));
    expect((await execute({ path: 'calls/each' })).json.result).toEqual([{ said: 'inner 1' }, { said: 'inner 2' }]);
  });

  it('workflow: needs a path', async () => {
    const content = entry('Workflow', 'flows/pathless', { workflow: calling({ type: 'workflow' }) });
    const { json } = await service.post('/catalog/playbooks/validate', { content });
    expect(json).toMatchObject({ valid: false, errors: [{ code: 'missing_field', pointer: '/workflow/1' }] });
  });

  it('workflow: a cycle is refused, also one through others', async () => {
    expect((await run('flows/self', { type: 'workflow', path: 'flows/self' })).error_details).toMatchObject({ code: 'playbook_cycle' });
    await service.register(entry('Workflow', 'flows/back', { workflow: calling({ type: 'workflow', path: 'flows/forth' }) }));
    const forth = await run('flows/forth', { type: 'workflow', path: 'flows/back' });
    expect(forth.error_details).toMatchObject({ code: 'child_failed', step: 'call' });
    expect(JSON.stringify(forth.error_details)).toContain('playbook_cycle');
  });
});

describe('workflows/review_feedback, which comes with the service', () => {
  const FEEDBACK = { path: 'workflows/review_feedback', version: '^1', execution_type: 'workflow' };

  /** Starts it, and decides as soon as it asks. */
  async function decided(parameters: JsonObject, decision: 'approve' | 'reject' = 'approve'): Promise<SeenExecution> {
    const { json } = await service.post('/execute', { ...FEEDBACK, parameters });
    const id = String(json.execution_id);
    await service.waitEvent(id, ({ event_type, node_name }) => event_type === 'step_waiting' && node_name === 'approve');
    const { json: approvals } = await service.get(`/approvals?execution_id=${id}&state=open`);
    const [{ id: approval }] = approvals as unknown as [{ id: string }];
    const { json: answer } = await service.post(`/approvals/${approval}`, { decision, comment: 'Read.', data: { note: 'fine' } });
    expect(answer).toMatchObject({ state: decision === 'approve' ? 'approved' : 'rejected' });
    return service.waitDone(id);
  }

  it('validates, scores, asks and stores', async () => {
    const records = [
      { id: 'r1', product: 'lamp', text: 'I love this lamp, it is wonderful.' },
      { id: 'r2', product: 'lamp', text: 'A terrible lamp, I hate it.' },
    ];
    const json = await decided({ records });
    expect([json.status, json.error]).toEqual(['completed', null]);
    expect(json.result).toEqual({
      accepted: true,
      violations: [],
      approved_by: 'anonymous',
      stored: { batch: json.execution_id, rows: 2, positive: 1, neutral: 0, negative: 1 },
    });
    const { json: children } = await service.get(`/executions?parent_execution_id=${String(json.execution_id)}`);
    expect((children as unknown as JsonObject[]).map(({ path, execution_type }) => [path, execution_type]).sort()).toEqual([
      ['examples/store_feedback', 'playbook'],
      ['models/sentiment_analysis', 'model'],
      ['tools/data_validator', 'tool'],
    ]);
  });

  it('runs without parameters, and again', async () => {
    const json = await decided({});
    expect(json).toMatchObject({ status: 'completed', result: { accepted: true, stored: { batch: json.execution_id, rows: 4 } } });
  });

  it('takes back what a rehearsal has stored', async () => {
    const json = await decided({ rehearsal: true });
    expect(json).toMatchObject({ status: 'failed', error_details: { code: 'rehearsal', step: 'rehearsed' } });
    expect(json.error).toContain('4 rows');
    const events = await service.events(json.id);
    expect(events.slice(-4).map(({ event_type, node_name }) => [event_type, node_name])).toEqual([
      ['step_failed', 'rehearsed'],
      ['compensation_started', 'store'],
      ['compensation_completed', 'store'],
      ['execution_failed', 'review_feedback'],
    ]);
  });

  it('stores nothing that was rejected', async () => {
    const json = await decided({}, 'reject');
    expect(json).toMatchObject({ status: 'failed', error_details: { code: 'approval_rejected', step: 'approve' } });
    expect((await service.events(json.id)).map(({ node_name }) => node_name)).not.toContain('store');
  });

  it('stores nothing of what is not valid', async () => {
    const { json } = await execute({ ...FEEDBACK, parameters: { records: [{ id: 'r1', product: 'lamp', text: '' }] } });
    expect(json).toMatchObject({ status: 'completed', result: { accepted: false, violations: [{ column: 'text' }], stored: null } });
  });
});
