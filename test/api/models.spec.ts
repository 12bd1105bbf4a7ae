import { RegistrationService } from '../../src/catalog/registration.service.js';
import { type JsonObject } from '../../src/engine/values.js';
import { registerExamples } from '../../src/examples/shipped-examples.js';
import { SILENT_LOG } from '../../src/storage/log.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
  await registerExamples(service.app.get(RegistrationService, { strict: false }), SILENT_LOG);
});
afterAll(() => service.stop());

const SENTIMENT = { path: 'models/sentiment_analysis', version: '^3' };
const execute = (body: JsonObject) => service.post('/execute', body, { prefer: 'wait=30' });
const ask = (path: string, inputs: JsonObject, more: JsonObject = {}) => execute({ path, execution_type: 'model', inputs, ...more });
const pointersOf = (json: JsonObject): unknown => (json.errors as JsonObject[]).map(({ pointer, code }) => [pointer, code]).sort();
const executions = async (): Promise<number> => ((await service.get('/executions?limit=500')).json as unknown as unknown[]).length;

describe('the models that come with the service', () => {
  it.each([
    ['This product is amazing!', 'positive', 0.8],
    ['It is not good.', 'negative', -0.776],
    ['Not bad at all.', 'positive', 0.6],
    ['The parcel arrived on Tuesday.', 'neutral', 0],
  ])('say of "%s": %s', async (text, label, score) => {
    const { json } = await ask('models/sentiment_analysis', { text });
    expect([json.status, json.error]).toEqual(['completed', null]);
    expect(json.result).toMatchObject({ label, score, model: { requested: 'sentiment_analysis', provider: 'builtin' } });
  });

  it('answer several texts in their order, and say what they cost', async () => {
    const { json } = await ask('models/sentiment_analysis', { texts: ['I love it.', 'I hate it.', ''] }, { model_name: 'sentiment_bert' });
    expect(json.result).toMatchObject({
      results: [{ label: 'positive' }, { label: 'negative' }, { label: 'neutral', score: 0 }],
      model: { requested: 'sentiment_bert', served: 'wink-eng-lite-web-model@1.8.1/sentiment-lexicon', provider: 'builtin' },
      usage: { input_tokens: 8, output_tokens: null, duration_ms: expect.any(Number) as number },
    });
  });

  it.each([
    ['Guten Morgen, wie geht es dir?', 'de'],
    ['Bonjour tout le monde', 'fr'],
    ['こんにちは世界', 'ja'],
    ['12345 !!', 'und'],
  ])('know the language of "%s": %s', async (text, language) => {
    const { json } = await ask('models/language_identification', { text }, { inference_config: { top_k: 2 } });
    const { result } = json as { result: JsonObject };
    expect(result.language).toBe(language);
    expect(result.candidates).toHaveLength(language === 'und' ? 0 : 2);
  });

  it('run without rows, again, and in a playbook, where the kind is checked and the version recorded', async () => {
    const { json: memory } = await ask('models/sentiment_analysis', { text: 'Great!' }, { sync_to_postgres: false });
    expect([memory.durable, (memory.result as JsonObject).label]).toEqual([false, 'positive']);
    const { json: first } = await execute({ ...SENTIMENT, parameters: { text: 'Great!' } });
    const { json: again } = await service.post(`/executions/${String(first.execution_id)}/rerun`, {}, { prefer: 'wait=30' });
    expect((again.result as JsonObject).label).toBe('positive');
    const workflow = (path: string, data: JsonObject) => [
      { step: 'start', next: 'score' },
      { step: 'score', type: 'model', path, version: '^3', data, next: 'end' },
      { step: 'end', result: { label: '{{ score.label }}', served: '{{ score.model.requested }}' } },
    ];
    const call = async (name: string, path: string, data: JsonObject): Promise<JsonObject> => {
      const document = {
        apiVersion: 'noetl.io/v1',
        kind: 'Playbook',
        metadata: { name, path: `calls/${name}`, version: '1.0.0' },
        workflow: workflow(path, data),
      };
      await service.register(JSON.stringify(document));
      return (await execute({ path: `calls/${name}` })).json;
    };
    const scored = await call('scored', SENTIMENT.path, { model_name: 'sentiment_bert', inputs: { text: '{{ "Gr" ~ "eat!" }}' } });
    expect(scored.result).toEqual({ label: 'positive', served: 'sentiment_bert' });
    const { json: tree } = await service.get(`/executions/${String(scored.execution_id)}/tree`);
    expect(JSON.stringify(tree)).toContain('"path":"models/sentiment_analysis","version":"3.1.0"');
    for (const [name, path, data, code] of [
      ['unserved', SENTIMENT.path, { model_name: 'gpt', inputs: { text: 'x' } }, 'unknown_model'],
      ['hot', SENTIMENT.path, { inputs: { text: 'x' }, inference_config: { temperature: 3 } }, 'invalid_inference_config'],
      ['mistyped', SENTIMENT.path, { inputs: { text: 1 } }, 'invalid_parameters'],
      ['kind', 'calls/scored', {}, 'unknown_version'],
    ] as const) {
      expect([name, ((await call(name, path, data)).error_details as JsonObject).code]).toEqual([name, code]);
    }
    await service.register(
      JSON.stringify({
        apiVersion: 'noetl.io/v1',
        kind: 'Playbook',
        metadata: { name: 'p', path: 'calls/p', version: '3.0.0' },
        workflow: [{ step: 'start' }],
      }),
    );
    expect((await call('other_kind', 'calls/p', {})).error_details).toMatchObject({ code: 'execution_type_mismatch' });
  });

  it('read long texts while the service goes on', async () => {
    const text = 'The camera is very good, but the battery is not. '.repeat(2_000);
    const long = ask('models/sentiment_analysis', { text });
    const answers = await Promise.all(Array.from({ length: 20 }, () => service.get('/executions?limit=1')));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect((await long).json.result).toMatchObject({ usage: { input_tokens: 24_000 } });
  });
});

describe('the door of a model', () => {
  it.each<[string, string, JsonObject]>([
    ['at the root', '/execute', { ...SENTIMENT, execution_type: 'model', model_name: 'sentiment_bert', inputs: { text: 'Great!' } }],
    ['inside', '/execute', { ...SENTIMENT, execution_type: 'model', parameters: { inputs: { text: 'Great!' }, inference_config: null } }],
    ['with the inputs as parameters', '/execute', { ...SENTIMENT, execution_type: 'model', parameters: { text: 'Great!' } }],
    ['without a type', '/execute', { ...SENTIMENT, parameters: { inputs: { text: 'Great!' } } }],
    ['by id', '/executions/run', { playbook_id: SENTIMENT.path, execution_type: 'model', parameters: { text: 'Great!' } }],
  ])('takes a request %s', async (_name, url, body) => {
    const { status, json } = await service.post(url, body, { prefer: 'wait=30' });
    expect([status, json.execution_type, (json.result as JsonObject).label]).toEqual([200, 'model', 'positive']);
  });

  const model = { ...SENTIMENT, execution_type: 'model' };
  it.each<[string, JsonObject, string, [string, string][]]>([
    [
      'a model called as a playbook',
      { ...SENTIMENT, execution_type: 'playbook' },
      'execution_type_mismatch',
      [['/execution_type', 'execution_type_mismatch']],
    ],
    ['another model', { ...model, model_name: 'gpt', inputs: { text: 'x' } }, 'unknown_model', [['/model_name', 'unknown_model']]],
    [
      'another model inside',
      { ...model, parameters: { model_name: 'gpt', inputs: { text: 'x' } } },
      'unknown_model',
      [['/parameters/model_name', 'unknown_model']],
    ],
    [
      'settings out of bounds',
      { ...model, inputs: { text: 'x' }, inference_config: { temperature: 3, max_tokens: 0.5, seed: 1 } },
      'invalid_inference_config',
      [
        ['/inference_config/max_tokens', 'invalid_inference_config'],
        ['/inference_config/seed', 'invalid_inference_config'],
        ['/inference_config/temperature', 'invalid_inference_config'],
      ],
    ],
    [
      'settings inside out of bounds',
      { ...SENTIMENT, parameters: { inputs: { text: 'x' }, inference_config: { temperature: -1 } }, sync_to_postgres: false },
      'invalid_inference_config',
      [['/parameters/inference_config/temperature', 'invalid_inference_config']],
    ],
    ['inputs that do not fit', { ...model, inputs: { text: 'x', y: 1 } }, 'invalid_parameters', [['/inputs/y', 'schema_violation']]],
    [
      'inputs as parameters that do not fit',
      { ...model, parameters: { text: 1 } },
      'invalid_parameters',
      [['/parameters/text', 'schema_violation']],
    ],
    [
      'something beside inputs',
      { ...model, parameters: { inputs: { text: 'x' }, text: 'x' } },
      'invalid_request',
      [['/parameters/text', 'unknown_field']],
    ],
    ['inputs that are none', { ...model, parameters: { inputs: 'x' } }, 'invalid_request', [['/parameters/inputs', 'invalid_type']]],
  ])('refuses %s, and stores nothing', async (_name, body, code, pointers) => {
    const before = await executions();
    const { status, json } = await execute(body);
    expect([status, json.code, pointersOf(json)]).toEqual([422, code, pointers]);
    expect(await executions()).toBe(before);
  });
});
