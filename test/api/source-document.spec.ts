import { readFileSync } from 'node:fs';
import { RegistrationService } from '../../src/catalog/registration.service.js';
import { registerExamples } from '../../src/examples/shipped-examples.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { startTestService, type TestService } from '../support/service.js';

const HELLO_WORLD = readFileSync(
  new URL('../fixtures/playbooks/oct2025/tests/fixtures/playbooks/hello_world/hello_world.yaml', import.meta.url),
  'utf8',
);

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
  await service.register(HELLO_WORLD, { version: '1.2.0' });
  await registerExamples(service.app.get(RegistrationService, { strict: false }), SILENT_LOG);
});
afterAll(() => service.stop());

// The request texts below are the owner's, word for word.
const BY_ID = `{
  "playbook_id": "tests/fixtures/playbooks/hello_world/hello_world",
  "parameters": {"message": "Hello World"},
  "merge": false,
  "parent_execution_id": "exec_123",
  "parent_event_id": "event_456",
  "parent_step": "fetch_data"
}`;
const BY_PATH = `{
  "path": "tests/fixtures/playbooks/hello_world/hello_world",
  "version": "v1.2.0",
  "execution_type": "playbook",
  "parameters": {"message": "Hello World"},
  "merge": false,
  "sync_to_postgres": true,
  "context": {
    "parent_execution_id": "exec_123",
    "parent_event_id": "event_456",
    "parent_step": "fetch_data"
  },
  "metadata": {
    "triggered_by": "scheduler",
    "priority": "high"
  }
}`;
const TOOL = `{
  "path": "tools/data_validator",
  "version": "v2.0.0",
  "execution_type": "tool",
  "parameters": {
    "tool_name": "data_validator",
    "arguments": {
      "dataset": "customers",
      "rules": ["required_fields", "data_types"]
    }
  }
}`;
const MODEL = `{
  "path": "models/sentiment_analysis",
  "version": "v3.1.0",
  "execution_type": "model",
  "parameters": {
    "model_name": "sentiment_bert",
    "inputs": {
      "text": "This product is amazing!"
    },
    "inference_config": {
      "temperature": 0.7,
      "max_tokens": 100
    }
  }
}`;
const BEFORE = `{
    "playbook_id": "tests/fixtures/playbooks/hello_world/hello_world",
    "parameters": {"message": "Hello World"}
}`;
const AFTER = `{
    "path": "tests/fixtures/playbooks/hello_world/hello_world",
    "version": "latest",
    "parameters": {"message": "Hello World"}
}`;

describe('the owner’s requests', () => {
  it('POST /executions/run', async () => {
    const { status, headers, json } = await service.post('/executions/run', BY_ID);
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/executions/${String(json.id)}`);
    expect(json).toMatchObject({
      playbook_id: 'tests/fixtures/playbooks/hello_world',
      playbook_name: 'hello_world',
      path: 'tests/fixtures/playbooks/hello_world',
      version: '1.2.0',
      requested_version: 'latest',
      execution_type: 'playbook',
      status: 'running',
      progress: 0,
      result: null,
      parent_execution_id: 'exec_123',
      parent_event_id: 'event_456',
      parent_step: 'fetch_data',
    });
    expect(json.start_time).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);
    expect(await service.waitDone(json.id as string)).toMatchObject({
      status: 'completed',
      result: { status: 'success', message: 'Hello World' },
    });
  });

  it('POST /execute', async () => {
    const { status, json } = await service.post('/execute', BY_PATH);
    expect(status).toBe(202);
    expect(json).toMatchObject({
      status: 'running',
      path: 'tests/fixtures/playbooks/hello_world',
      version: 'v1.2.0',
      requested_version: 'v1.2.0',
      execution_type: 'playbook',
      result: null,
      durable: true,
    });
    expect(json.timestamp).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);
    expect(await service.waitDone(json.execution_id as string)).toMatchObject({
      version: 'v1.2.0',
      status: 'completed',
      result: { status: 'success', message: 'Hello World' },
      parameters: { message: 'Hello World' },
      metadata: { triggered_by: 'scheduler', priority: 'high' },
      parent_execution_id: 'exec_123',
      parent_event_id: 'event_456',
      parent_step: 'fetch_data',
    });
  });

  it('the tool, which is future support no longer', async () => {
    const { status, json } = await service.post('/execute', TOOL, { prefer: 'wait=30' });
    expect([status, json.status, json.error]).toEqual([200, 'completed', null]);
    expect(json).toMatchObject({
      path: 'tools/data_validator',
      version: 'v2.0.0',
      execution_type: 'tool',
      playbook_name: 'data_validator',
    });
    const missing = (row: number, column: string, value: unknown): object => ({
      row,
      column,
      rule: 'required_fields',
      message: 'is missing',
      value,
    });
    const mistyped = (row: number, column: string, type: string, value: unknown): object => ({
      row,
      column,
      rule: 'data_types',
      message: `must be of type ${type}`,
      value,
    });
    expect(json.result).toEqual({
      valid: false,
      checked: 8,
      violations: [
        missing(3, 'email', null),
        mistyped(4, 'customer_id', 'integer', '4'),
        missing(5, 'name', ''),
        mistyped(6, 'active', 'boolean', 'yes'),
        mistyped(7, 'age', 'integer', 89.5),
        missing(8, 'country', null),
      ],
    });
  });

  it('the model, which is future support no longer', async () => {
    const { status, json } = await service.post('/execute', MODEL, { prefer: 'wait=30' });
    expect([status, json.status, json.error]).toEqual([200, 'completed', null]);
    expect(json).toMatchObject({ path: 'models/sentiment_analysis', version: 'v3.1.0', execution_type: 'model' });
    expect(json.result).toEqual({
      label: 'positive',
      score: 0.8,
      sentences: [{ text: 'This product is amazing!', score: 0.8, label: 'positive' }],
      model: { requested: 'sentiment_bert', served: 'wink-eng-lite-web-model@1.8.1/sentiment-lexicon', provider: 'builtin' },
      usage: { input_tokens: 5, output_tokens: null, duration_ms: expect.any(Number) as number },
    });
  });

  it.each([
    ['before the migration', '/executions/run', BEFORE, '1.2.0'],
    ['after the migration', '/execute', AFTER, '1.2.0'],
    ['with a version', '/execute', AFTER.replace('"latest"', '"v1.2.0"'), 'v1.2.0'],
  ])('%s', async (_name, url, body, version) => {
    const { status, json } = await service.post(url, body);
    expect([status, json.version]).toEqual([202, version]);
    expect(await service.waitDone(json.id as string)).toMatchObject({ result: { status: 'success', message: 'Hello World' } });
  });

  it.each([
    ['the version it never had', BY_PATH.replace('v1.2.0', 'v1.0.0'), 404, 'unknown_version'],
    ['a model that is not registered', MODEL.replace('sentiment_analysis', 'mood'), 404, 'unknown_playbook'],
  ])('refuses %s', async (_name, body, status, code) => {
    const answer = await service.post('/execute', body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });
});
