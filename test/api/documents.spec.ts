import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JsonObject } from '../../src/engine/values.js';
import { type SeenEvent, type SeenExecution } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { startStub, type Stub } from '../support/stub-server.js';

const ROOT = join(process.cwd(), 'test', 'fixtures', 'playbooks');
const FILES = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml'))
  .sort();
const SHORT = 'tests/fixtures/playbooks';

/** Real documents that are broken, and what is broken about them. */
const REFUSED: Readonly<Record<string, { code: string; line: number }>> = {
  // `condition` is no key of an edge: NoETL ignored it, so that all three branches ran.
  'oct2025/examples/iac/gcp_vm/gcp_vm_provision_playbook.yaml': { code: 'invalid_next', line: 59 },
  // start goes to create_table, which the document does not have.
  'type/tests/fixtures/playbooks/postgres_save_simple.yaml': { code: 'unknown_step', line: 20 },
};

let stub: Stub;
let service: TestService;
beforeAll(async () => {
  stub = await startStub();
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${stub.port}` });
});
afterAll(async () => {
  await service.stop();
  await stub.close();
});

const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** Registers a document and runs exactly this revision of it: several families share a path. */
async function runDocument(
  file: string,
  parameters: JsonObject = {},
  endpoint: 'run' | 'execute' = 'execute',
): Promise<{ readonly ended: SeenExecution; readonly events: readonly SeenEvent[] }> {
  const { path, version, catalog_id } = await service.register(textOf(file));
  const id =
    endpoint === 'run'
      ? await service.run(catalog_id as string, { parameters })
      : await service.execute(path as string, { version: version as string, parameters });
  const ended = await service.waitDone(id);
  return { ended, events: await service.events(id) };
}

const seqOf = (events: readonly SeenEvent[], type: string, step: string): number => {
  const found = events.filter((event) => event.event_type === type && event.node_name === step);
  expect([type, step, found.length]).toEqual([type, step, 1]);
  return found[0]!.seq;
};

/** Scores by hand: points times weight of each of the four parts. */
const scores = (experience: number, performance: number, department: number, age: number): JsonObject => ({
  experience: experience * 0.4,
  performance: performance * 0.35,
  department: department * 0.15,
  age: age * 0.1,
});

describe('real documents run to their exact results', () => {
  it.each<[string, JsonObject, unknown]>([
    [`oct2025/${SHORT}/hello_world/hello_world.yaml`, {}, { status: 'success', message: 'Hello World' }],
    [
      `oct2025/${SHORT}/hello_world/hello_world.yaml`,
      { message: '{{ execution_id }}' },
      { status: 'success', message: '{{ execution_id }}' },
    ],
    [`tool/${SHORT}/hello_world/hello_world.yaml`, {}, { status: 'success', message: 'Hello World' }],
    [`type/${SHORT}/hello_world/hello_world.yaml`, { message: 'Grüße' }, { status: 'success', message: 'Grüße' }],
    [
      'oct2025/test_data_transition_fix.yaml',
      {},
      { test_result: true, message_received: 'Hello from workload', extra_received: 'Additional data from transition' },
    ],
    [`tool/${SHORT}/test_args_passing.yaml`, {}, { status: 'success', result: 300 }],
    [`type/${SHORT}/simple_test.yaml`, {}, { status: 'success', data: { message: 'Hello World' } }],
    [
      `type/${SHORT}/test_start_with_action.yaml`,
      {},
      { status: 'success', message: 'Process step executed', data: { from_start: true, processed: true } },
    ],
    [
      'type/docs/refactor/control-loop/examples/00-simple-playbook-v2.yaml',
      {},
      { summary: 'Temperature in Prague is 21C', city: 'Prague', temp_c: 21 },
    ],
    [
      'type/docs/refactor/control-loop/examples/00-simple-playbook-v2.yaml',
      { city: 'Oslo' },
      { summary: 'Temperature in Oslo is 21C', city: 'Oslo', temp_c: 21 },
    ],
  ])('%s with %j', async (file, parameters, result) => {
    for (const endpoint of ['run', 'execute'] as const) {
      const { ended, events } = await runDocument(file, parameters, endpoint);
      expect(ended).toMatchObject({ status: 'completed', progress: 100, error: null, result });
      expect(ended.result).toEqual(result);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, index) => index + 1));
      expect(events.at(-1)?.event_type).toBe('execution_completed');
    }
  });

  it.each(['oct2025', 'tool'])('user_profile_scorer (%s) scores as its code says', async (family) => {
    const file = `${family}/${SHORT}/playbook_composition/user_profile_scorer.yaml`;
    const parameters = {
      user_data: { name: 'Ada', age: 40, department: 'Product', years_experience: 12, performance_rating: 3 },
      execution_context: 'context-1',
    };
    // 25 + (12 - 10) = 27 points; (3 - 1) * 6.25 = 12.5; Product = 12; 35 < 40 <= 45 = 8; 10.8 + 4.375 + 1.8 + 0.8 = 17.775
    expect((await runDocument(file, parameters)).ended.result).toEqual({
      user_name: 'Ada',
      profile_score: 17.8,
      score_category: 'Junior',
      score_breakdown: scores(27, 12.5, 12, 8),
      execution_id: 'context-1',
      processing_status: 'completed',
    });
    // 15 + 0 = 15 points; (4 - 1) * 6.25 = 18.75, rounded 18.8; Engineering = 15; 25 <= 30 <= 35 = 10; 6 + 6.58 + 2.25 + 1 = 15.83
    const user = { name: 'TestUser', age: 30, department: 'Engineering', years_experience: 5, performance_rating: 4 };
    const standalone = { user_data: user, execution_context: 'standalone_execution' };
    expect((await runDocument(file, standalone, 'run')).ended.result).toEqual({
      user_name: 'TestUser',
      profile_score: 15.8,
      score_category: 'Junior',
      score_breakdown: scores(15, 18.8, 15, 10),
      execution_id: 'standalone_execution',
      processing_status: 'completed',
    });
  });

  it('user_profile_scorer (oct2025) has no user of its own, and says so', async () => {
    const { ended } = await runDocument(`oct2025/${SHORT}/playbook_composition/user_profile_scorer.yaml`);
    expect(ended).toMatchObject({
      status: 'failed',
      progress: 100,
      error: expect.stringContaining('Expected user data dict') as string,
      error_details: { code: 'python_error', step: 'extract_user_data', attempt: 1 },
    });
  });

  describe.each(['oct2025', 'tool', 'type'])('control_flow_workbook (%s)', (family) => {
    const file = `${family}/${SHORT}/control_flow_workbook/control_flow_workbook.yaml`;

    it('hot: both tasks at once, then the end, once', async () => {
      const { ended, events } = await runDocument(file, {}, 'run');
      expect(ended).toMatchObject({ status: 'completed', result: { hot_task_a: { who: 'A' }, hot_task_b: { who: 'B' } } });
      const lastStart = Math.max(seqOf(events, 'step_started', 'hot_task_a'), seqOf(events, 'step_started', 'hot_task_b'));
      const completions = [seqOf(events, 'step_completed', 'hot_task_a'), seqOf(events, 'step_completed', 'hot_task_b')];
      expect(lastStart).toBeLessThan(Math.min(...completions));
      const end = seqOf(events, 'step_completed', 'end');
      expect(end).toBeGreaterThan(Math.max(...completions));
      expect(events.slice(end).map(({ event_type }) => event_type)).toEqual(['execution_completed']);
      expect(events.filter(({ node_name }) => node_name?.startsWith('cold'))).toEqual([]);
    });

    it('cold: one task, then the end', async () => {
      const { ended, events } = await runDocument(file, { temperature_c: 10 });
      expect(ended).toMatchObject({ status: 'completed', result: { who: 'C' } });
      expect(seqOf(events, 'step_completed', 'end')).toBeGreaterThan(seqOf(events, 'step_completed', 'cold_task'));
      expect(events.filter(({ node_name }) => node_name?.startsWith('hot'))).toEqual([]);
    });
  });
});

describe('real documents about retries', () => {
  it('run to their rules', async () => {
    // All at once: their delays add up to half a minute.
    await Promise.all([alwaysFails(), statusCode(), stopsWhenGood(), recovers(), pythonException()]);
  });

  /** Five attempts, with delays of 2 s times 1.5 each. */
  async function alwaysFails(): Promise<void> {
    const { ended, events } = await runDocument('type/test_retry_always_fail.yaml');
    expect(ended).toMatchObject({
      status: 'failed',
      progress: 100,
      result: null,
      error: expect.stringContaining('Simulated failure for retry testing') as string,
      error_details: { code: 'python_error', step: 'failing_task', step_type: 'python', attempt: 5 },
    });
    const retries = events.filter(({ event_type }) => event_type === 'action_retry');
    expect(retries.map((retry) => retry.attempt)).toEqual([1, 2, 3, 4]);
    expect(retries.map((retry) => (retry as unknown as { meta: JsonObject }).meta)).toMatchObject([
      { max_attempts: 5, delay: 2 },
      { max_attempts: 5, delay: 3 },
      { max_attempts: 5, delay: 4.5 },
      { max_attempts: 5, delay: 6.75 },
    ]);
    expect(events.filter(({ node_name }) => node_name === 'end')).toEqual([]);
  }

  async function statusCode(): Promise<void> {
    const { ended, events } = await runDocument(`type/${SHORT}/retry_test/http_retry_status_code.yaml`, {
      test_url: stub.url('/status/503'),
    });
    expect(ended).toMatchObject({ status: 'failed', error_details: { code: 'http_error', step: 'start', step_type: 'http', attempt: 3 } });
    expect(events.filter(({ event_type }) => event_type === 'action_retry')).toHaveLength(2);
    expect(stub.requests('/status/503')).toBe(3);
  }

  async function stopsWhenGood(): Promise<void> {
    const url = stub.url('/get');
    const { ended, events } = await runDocument(`type/${SHORT}/retry_test/http_retry_with_stop.yaml`, { test_url: url });
    expect(ended).toMatchObject({ status: 'completed', result: { status_code: 200, url, data: { path: '/get' } } });
    expect(events.filter(({ event_type }) => event_type === 'action_retry')).toEqual([]);
    expect(stub.requests('/get')).toBe(1);
  }

  async function recovers(): Promise<void> {
    const { ended, events } = await runDocument(`type/${SHORT}/retry_test/http_retry_with_stop.yaml`, { test_url: stub.url('/third') });
    expect(ended).toMatchObject({ status: 'completed', result: { status_code: 200, data: { path: '/third' } } });
    expect(events.filter(({ event_type }) => event_type === 'action_retry')).toHaveLength(2);
    expect(stub.requests('/third')).toBe(3);
  }

  /** Succeeds or fails by chance, three attempts of ten well. */
  async function pythonException(): Promise<void> {
    const runs = await Promise.all([1, 2, 3].map(() => runDocument(`type/${SHORT}/retry_test/python_retry_exception.yaml`)));
    for (const { ended, events } of runs) {
      const retries = events.filter(({ event_type }) => event_type === 'action_retry').length;
      expect(retries).toBeLessThanOrEqual(4);
      if (ended.status === 'completed') {
        const { data, message } = ended.result as { data: { value: number }; message: string };
        expect(data.value).toBeGreaterThanOrEqual(70);
        expect(message).toBe(`Success after retry (value: ${data.value})`);
      } else {
        expect(ended).toMatchObject({ status: 'failed', error_details: { code: 'python_error', attempt: 5 } });
        expect(ended.error).toMatch(/Random failure \(value: \d+\)/);
        expect(retries).toBe(4);
      }
    }
  }
});

describe('all real documents', () => {
  it('are sixty', () => expect(FILES).toHaveLength(60));

  it.each(FILES)('%s is registered, or refused for a known reason', async (file) => {
    const { status, json } = await service.post('/catalog/register', { content: textOf(file) });
    const reason = REFUSED[file];
    if (reason === undefined)
      return expect([[200, 201], json]).toEqual([expect.arrayContaining([status]), expect.objectContaining({ status: 'success' })]);
    expect([status, json.code]).toEqual([422, 'invalid_document']);
    expect(json.errors).toContainEqual(expect.objectContaining(reason));
  });
});
