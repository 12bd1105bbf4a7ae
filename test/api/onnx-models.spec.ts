import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JsonObject } from '../../src/engine/values.js';
import { ECHO, LINEAR, LOGARITHM, onnxFile, WORK } from '../support/onnx-file.js';
import { startTestService, type TestService } from '../support/service.js';

/** The package is no dependency: it takes 290 MB (docs/models.md). These tests run what they can. */
const isInstalled = ((): boolean => {
  try {
    import.meta.resolve('onnxruntime-node');
    return true;
  } catch {
    return false;
  }
})();
const root = mkdtempSync(join(tmpdir(), 'showrunner-models-'));

let service: TestService;
beforeAll(async () => {
  chmodSync(root, 0o755);
  for (const [name, graph] of Object.entries({ linear: LINEAR, echo: ECHO, logarithm: LOGARITHM, work: WORK }))
    writeFileSync(join(root, `${name}.onnx`), onnxFile(graph));
  writeFileSync(join(root, 'broken.onnx'), onnxFile(LINEAR).subarray(0, 100));
  service = await startTestService({ MODEL_ROOT: root, MODEL_WORKERS: '1' });
});
afterAll(async () => {
  await service.stop();
  rmSync(root, { recursive: true, force: true });
});

let count = 0;
async function model(file: string, spec: JsonObject = {}): Promise<string> {
  const path = `models/o${++count}`;
  const document = { apiVersion: 'noetl.io/v1', kind: 'Model', metadata: { name: `o${count}`, path, version: '1.0.0' } };
  await service.register(JSON.stringify({ ...document, spec: { provider: 'onnx', model: file, ...spec } }));
  return path;
}
const ask = async (path: string, inputs: JsonObject): Promise<JsonObject> =>
  (await service.post('/execute', { path, execution_type: 'model', inputs }, { prefer: 'wait=30' })).json;
const codeOf = ({ error_details: details }: JsonObject): unknown => (details as JsonObject | null)?.code;

describe('a model in a file', () => {
  it.each(['../linear.onnx', '/etc/passwd', 'none.onnx', ''])('is none where it is %j', async (file) => {
    const path = await model('{{ workload.inputs.file }}', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1] }] });
    const { status, json } = await service.post('/execute', { path, execution_type: 'model', inputs: { x: [1], file } });
    expect([status, json.code]).toEqual([422, 'invalid_tensor']); // no schema names "file"
    const named = await model(file === '' ? '{{ "" }}' : file);
    expect(codeOf(await ask(named, { x: [1] }))).toBe('model_unavailable');
  });

  it('is refused at the door where its tensors are declared and the inputs are others', async () => {
    const path = await model('linear.onnx', { inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 2] }] });
    const { status, json } = await service.post('/execute', { path, execution_type: 'model', inputs: { x: [[1, 2, 3]] } });
    expect([status, json.code, (json.errors as JsonObject[])[0]?.pointer]).toEqual([422, 'invalid_tensor', '/inputs/x']);
  });

  (isInstalled ? it.skip : it)('says that the runtime is not installed', async () => {
    const json = await ask(await model('linear.onnx'), { x: [[1, 2]] });
    expect(json.error_details).toMatchObject({ code: 'provider_unavailable', retryable: false });
    expect(JSON.stringify(json.error_details)).toContain('onnxruntime-node');
  });
});

(isInstalled ? describe : describe.skip)('a model in a file, on the real runtime', () => {
  it('computes, in batches and one by one', async () => {
    const json = await ask(await model('linear.onnx'), { x: [[1, 2], [3, 4], [10, 0]] }); // prettier-ignore
    expect(json.result).toMatchObject({
      outputs: { y: [[0.5], [2.5], [20.5]] },
      tensors: { y: { datatype: 'FP32', shape: [3, 1] } },
      model: { served: expect.stringMatching(/^linear\.onnx@sha256:[0-9a-f]{12}$/) as string, provider: 'onnx' },
      usage: { input_tokens: null, output_tokens: null, duration_ms: expect.any(Number) as number },
    });
    const outputs = [{ name: 'y', datatype: 'FP32', shape: ['batch', 1], as: 'score' }];
    const batched = await model('linear.onnx', { batch_size: 2, outputs });
    expect((await ask(batched, { x: { shape: [3, 2], data: [1, 2, 3, 4, 10, 0] } })).result).toMatchObject({
      outputs: { score: [[0.5], [2.5], [20.5]] },
    });
  });

  it('takes and gives every datatype', async () => {
    const inputs = {
      int64: ['9223372036854775807', -5],
      bool: [true, false],
      string: ['ä', ''],
      float16: [1.5, -65504],
      double: [1e-300, 0.1],
      int32: [-2147483648, 1],
    };
    const { result } = await ask(await model('echo.onnx'), inputs as JsonObject);
    const outputs = Object.fromEntries(Object.entries(inputs).map(([name, data]) => [`${name}_out`, data]));
    expect((result as JsonObject).outputs).toEqual(outputs);
  });

  it.each<[string, string, JsonObject, JsonObject, string]>([
    ['inputs of another shape', 'linear.onnx', {}, { x: [[1, 2, 3]] }, 'invalid_tensor'],
    ['inputs of another type', 'linear.onnx', {}, { x: [['1', '2']] }, 'invalid_tensor'],
    ['a missing input', 'linear.onnx', {}, { y: [[1, 2]] }, 'invalid_tensor'],
    ['results that are no numbers', 'logarithm.onnx', {}, { x: [1, -1] }, 'invalid_model_response'],
    ['a file that is no model', 'broken.onnx', {}, { x: [1] }, 'model_unavailable'],
    ['a shape that the file does not have', 'linear.onnx', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3] }] }, { x: [[1, 2, 3]] }, 'model_error'],
    ['a tensor that the file does not have', 'linear.onnx', { inputs: [{ name: 'z', datatype: 'FP32', shape: [1] }] }, { z: [1] }, 'model_error'],
    ['an output that it does not give', 'linear.onnx', { outputs: [{ name: 'z', datatype: 'FP32', shape: [1] }] }, { x: [[1, 2]] }, 'model_error'],
    ['more work than there is time', 'work.onnx', { timeout: 0.5 }, { size: [6_000, 6_000] }, 'timeout'],
    ['more memory than there is', 'work.onnx', {}, { size: [10_000_000, 10_000_000] }, 'model_error'],
  ])('fails with a code: %s', async (_name, file, spec, inputs, code) => {
    const json = await ask(await model(file, spec), inputs);
    expect([json.status, codeOf(json)]).toEqual(['failed', code]);
    expect(JSON.stringify(json)).not.toContain(root);
  }); // prettier-ignore

  it('answers others while it works, and goes on after a time-out', async () => {
    const working = ask(await model('work.onnx', { timeout: 1 }), { size: [6_000, 6_000] });
    const answers = await Promise.all(Array.from({ length: 20 }, () => service.get('/executions?limit=1')));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(codeOf(await working)).toBe('timeout');
    expect((await ask(await model('work.onnx'), { size: [20, 20] })).result).toMatchObject({
      outputs: { y: 20 },
      tensors: { y: { shape: [] } },
    });
  });

  it('is read again where another file has taken its place', async () => {
    copyFileSync(join(root, 'linear.onnx'), join(root, 'changing.onnx'));
    const path = await model('changing.onnx');
    expect((await ask(path, { x: [[1, 2]] })).result).toMatchObject({ outputs: { y: [[0.5]] } });
    writeFileSync(
      join(root, 'changing.onnx'),
      onnxFile({ ...LINEAR, constants: { w: { shape: [2, 1], data: [1, 1] }, b: { shape: [1], data: [0] } } }),
    );
    expect((await ask(path, { x: [[1, 2]] })).result).toMatchObject({ outputs: { y: [[3]] } });
  });
});
