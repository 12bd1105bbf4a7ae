import { settingIssues, settingsOf } from '../inference-config.js';
import { readModelCall } from '../model-call.js';
import { parsePlaybook } from '../parse-playbook.js';
import { type Playbook } from '../playbook.js';

const model = (spec: string, more = ''): string =>
  `apiVersion: noetl.io/v1\nkind: Model\nmetadata: { name: m, path: models/m }\nspec:\n${spec.replace(/^/gm, '  ')}\n${more}`;
const findingsOf = (text: string): [string, string | undefined][] => {
  const { errors, warnings } = parsePlaybook(text);
  return [...errors, ...warnings].map(({ code, pointer }) => [code, pointer]);
};
function parsed(text: string): Playbook {
  const { playbook, errors } = parsePlaybook(text);
  if (!playbook) throw new Error(JSON.stringify(errors));
  return playbook;
}
const SERVED = 'provider: open_inference\nendpoint: "http://a"\nmodel: bert';
const REMOTE = 'provider: openai\nendpoint: "http://a/v1"\nmodel: gpt';

describe('kind: Model', () => {
  it('becomes a program of three steps around one call, retried where it is remote', () => {
    const { kind, contract, workflow } = parsed(model('provider: builtin\ntask: sentiment\nserves: [other]'));
    expect([kind, contract.serves, contract.inference]).toEqual(['Model', ['other'], {}]);
    expect(workflow.map(({ name, action }) => [name, action?.type ?? null])).toEqual([
      ['start', null],
      ['call', 'model_call'],
      ['end', null],
    ]);
    expect(workflow[1]?.action).toMatchObject({
      data: '{{ workload }}',
      retry: null,
      fields: { spec: { provider: 'builtin', task: 'sentiment', name: 'm' } },
    });
    const remote = parsed(model(`${REMOTE}\nauth: key\nstream: true`)).workflow[1]?.action;
    expect(remote).toMatchObject({
      auth: 'key',
      retry: { maxAttempts: 3 },
      fields: { spec: { task: 'chat', stream: true, model: 'gpt' } },
    });
    expect(parsed(model(`${REMOTE}\nretry: false`)).workflow[1]?.action?.retry).toBeNull();
  });

  it('keeps what is said of tensors for the door and for the call', () => {
    const text = `${SERVED}\ninputs:\n  - { name: input-0, datatype: BYTES, shape: [batch], from: texts }\noutputs: []\nbatch_size: 8`;
    const tensor = { name: 'input-0', datatype: 'BYTES', shape: ['batch'], key: 'texts', optional: false };
    const { contract, workflow } = parsed(model(text));
    expect(contract.tensors).toEqual([tensor]);
    expect(workflow[1]?.action).toMatchObject({
      retry: { maxAttempts: 3 },
      fields: { spec: { task: null, inputs: [tensor], outputs: [], closed: true, batch_size: 8 } },
    });
    const inFile = parsed(model('provider: onnx\nmodel: a.onnx', 'input_schema: { type: object }'));
    expect([inFile.contract.tensors, inFile.workflow[1]?.action?.retry]).toEqual([undefined, null]);
    expect(inFile.workflow[1]?.action).toMatchObject({ fields: { spec: { inputs: [], closed: false } } });
  });

  it.each<[string, string, [string, string | undefined][]]>([
    ['no provider', model('task: sentiment'), [['invalid_value', '/spec/provider']]],
    ['a provider that is a property of every object', model('provider: constructor'), [['invalid_value', '/spec/provider']]],
    ['no task', model('provider: builtin'), [['missing_field', '/spec']]],
    ['another task', model('provider: builtin\ntask: poetry'), [['invalid_value', '/spec/task']]],
    ['no endpoint', model('provider: openai\nmodel: gpt'), [['missing_field', '/spec']]],
    ['a stray key', model('provider: builtin\ntask: language\nendpoint: "http://a"'), [['unknown_field', '/spec/endpoint']]],
    ['headers that are text', model(`${REMOTE}\nheaders: x`), [['invalid_type', '/spec/headers']]],
    ['a batch of none', model(`${REMOTE}\nbatch_size: 0`), [['invalid_value', '/spec/batch_size']]],
    ['a template that cannot be parsed', model(`${REMOTE}\nsystem: "{{ +"`), [['template_syntax', '/spec/system']]],
    ['a workflow', model(REMOTE, 'workflow: []'), [['unknown_field', '/workflow']]],
    ['settings that are a list', model(`${REMOTE}\ninference_config: [1]`), [['invalid_type', '/spec/inference_config']]],
    ['a task where there are none', model(`${SERVED}\ntask: chat`), [['invalid_value', '/spec/task']]],
    ['a flag that is none', model(`${SERVED}\ncheck_ready: 1`), [['invalid_type', '/spec/check_ready']]],
    ['a version that is none', model(`${SERVED}\nmodel_version: [1]`), [['invalid_type', '/spec/model_version']]],
    ['tensors that are no list', model(`${SERVED}\ninputs: { a: 1 }`), [['invalid_type', '/spec/inputs']]],
    ['a tensor without a name', model(`${SERVED}\ninputs: [{ datatype: FP32, shape: [1] }]`), [['invalid_value', '/spec/inputs/0/name']]],
    [
      'a datatype that is none',
      model(`${SERVED}\noutputs: [{ name: a, datatype: FLOAT, shape: [1] }]`),
      [['invalid_value', '/spec/outputs/0/datatype']],
    ],
    [
      'a shape that is none',
      model(`${SERVED}\ninputs: [{ name: a, datatype: FP32, shape: [-2] }]`),
      [['invalid_value', '/spec/inputs/0/shape']],
    ],
    [
      'the same tensor twice',
      model(`${SERVED}\ninputs: [{ name: a, datatype: FP32, shape: [1] }, { name: a, datatype: FP32, shape: [1] }]`),
      [
        ['invalid_value', '/spec/inputs'],
        ['invalid_value', '/spec/inputs'],
      ],
    ],
    [
      'a stray key of a tensor',
      model(`${SERVED}\ninputs: [{ name: a, datatype: FP32, shape: [1], x: 1 }]`),
      [['unknown_field', '/spec/inputs/0/x']],
    ],
    ['a setting that is a list', model(`${SERVED}\ninference_config: { a: [1] }`), [['invalid_value', '/spec/inference_config/a']]],
    ['an endpoint of a file', model('provider: onnx\nmodel: a.onnx\nendpoint: "http://a"'), [['unknown_field', '/spec/endpoint']]],
    ['no file', model('provider: onnx'), [['missing_field', '/spec']]],
    [
      'a default out of bounds',
      model(`${REMOTE}\ninference_config: { t: { default: 3, max: 2 } }`),
      [['invalid_value', '/spec/inference_config/t/default']],
    ],
    [
      'bounds the wrong way round',
      model(`${REMOTE}\ninference_config: { t: { min: 3, max: 2 } }`),
      [['invalid_value', '/spec/inference_config/t/min']],
    ],
  ])('says what is wrong: %s', (_name, text, findings) => expect(findingsOf(text)).toEqual(findings));

  it.each(['type: model_call\n    spec: {}', 'type: iterator\n    collection: []\n    task: { tool: model_call, spec: {} }'])(
    'is no way into what it becomes: %s',
    (step) => {
      const text = `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: p }\nworkflow:\n  - step: start\n    ${step}\n`;
      expect(parsePlaybook(text).errors).toContainEqual(expect.objectContaining({ code: 'unknown_type' }));
    },
  );
});

describe('settings of the inference', () => {
  const rules = parsed(
    model(
      `${REMOTE}\ninference_config:\n  temperature: { default: 1, min: 0, max: 2 }\n  top_k: { type: integer, min: 1 }\n` +
        '  mode: { enum: [fast, good] }\n  seed: { fixed: 7 }\n  stop: [x]\n  echo: { default: false, fixed: true }',
    ),
  ).contract.inference!;

  it.each<[string, object, string | null]>([
    ['all within', { temperature: 0.5, top_k: 3, mode: 'good', seed: 7, stop: [], echo: false }, null],
    ['null as not given', { temperature: null, seed: null }, null],
    ['too small', { temperature: -0.1 }, '/temperature must be at least 0'],
    ['too large', { temperature: 2.1 }, '/temperature must be at most 2'],
    ['text', { temperature: '1' }, '/temperature must be of type number'],
    ['a fraction', { top_k: 1.5 }, '/top_k must be a whole number'],
    ['another word', { mode: 'best' }, '/mode must be one of "fast","good"'],
    ['another than the fixed one', { seed: 8 }, '/seed is fixed to 7'],
    ['another than the fixed default', { echo: true }, '/echo is fixed to false'],
    ['no list', { stop: 'x' }, '/stop must be of type array'],
    ['an unknown one', { logprobs: 1 }, '/logprobs is no setting of this entry'],
    ['one of every object', { constructor: 1 }, '/constructor is no setting of this entry'],
  ])('are checked: %s', (_name, settings, found) => {
    const [issue] = settingIssues(rules, settings as never);
    expect(issue ? `${issue.pointer} ${issue.message}` : null).toBe(found);
  });

  it('are the caller’s, else the entry’s, else nothing', () =>
    expect(settingsOf(rules, { temperature: 0, seed: 8 })).toEqual({ temperature: 0, seed: 7, stop: ['x'], echo: false }));
});

describe(readModelCall.name, () => {
  it.each<[string, object, object]>([
    [
      'wrapped',
      { model_name: 'a', inputs: { x: 1 }, inference_config: { t: 1 } },
      { name: 'a', inputs: { x: 1 }, settings: { t: 1 }, wrapped: true },
    ],
    ['as they stand', { model_name: 'a', x: 1 }, { name: 'a', inputs: { x: 1 }, settings: {}, wrapped: false }],
    ['nothing', {}, { name: null, inputs: {}, settings: {}, wrapped: false }],
  ])('reads inputs %s', (_name, parameters, call) => expect(readModelCall(parameters as never)).toEqual({ call, issues: [] }));

  it('says what belongs to nothing', () => {
    const { issues } = readModelCall({ model_name: 1, inputs: [], inference_config: 'x', 'a/b': 1 });
    expect(issues.map(({ code, pointer }) => [code, pointer])).toEqual([
      ['invalid_type', '/model_name'],
      ['invalid_type', '/inference_config'],
      ['invalid_type', '/inputs'],
      ['unknown_field', '/a~1b'],
    ]);
  });
});
