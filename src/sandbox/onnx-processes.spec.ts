import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type StepFailure } from '../engine/step-executor.js';
import { OnnxProcesses } from './onnx-processes.js';

const RUNTIME = join(import.meta.dirname, '../../test/support/onnx-runtime.cjs');
const base = realpathSync(mkdtempSync(join(tmpdir(), 'showrunner-models-')));
const root = join(base, 'models');
const options = { root, isolation: 'process', leaseMs: 15_000, workers: 1, memoryBytes: 512 * 1_048_576 } as const;
const models = new OnnxProcesses(options, () => ({ file: RUNTIME, folders: [dirname(RUNTIME)] }));

beforeAll(() => {
  mkdirSync(join(root, 'more'), { recursive: true });
  for (const word of ['double', 'hang', 'hog', 'large', 'wrong', 'garbage']) writeFileSync(join(root, `${word}.onnx`), word);
  writeFileSync(join(base, 'outside.onnx'), 'double');
  symlinkSync('../outside.onnx', join(root, 'link.onnx'));
  symlinkSync(base, join(root, 'away'));
  symlinkSync('../double.onnx', join(root, 'more/inside.onnx'));
  for (const folder of [base, root, join(root, 'more')]) chmodSync(folder, 0o755);
});
afterAll(async () => {
  await models.close();
  rmSync(base, { recursive: true, force: true });
});

const x = (...data: number[]) => [{ name: 'x', datatype: 'FP32', shape: [data.length], data }] as const;
const ask = (file: string, signal = new AbortController().signal, from = models) =>
  from.use({ tenantId: 'default', file, signal }, async (model) => model.run(x(1, 2.5), ['y']));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: StepFailure) => `${error.code}: ${error.message}`,
  );

describe(OnnxProcesses.name, () => {
  it('says what a model takes and gives, and runs it; a link within the folder is one of its files', async () => {
    const answers = await models.use({ tenantId: 'default', file: 'double.onnx', signal: new AbortController().signal }, async (model) => {
      expect(model.digest).toMatch(/^[0-9a-f]{64}$/);
      expect([model.inputs, model.outputs]).toEqual([
        [{ name: 'x', key: 'x', datatype: 'FP32', shape: ['n'], optional: false }],
        [{ name: 'y', key: 'y', datatype: 'FP32', shape: ['n'], optional: false }],
      ]);
      return [await model.run(x(1), ['y']), await model.run(x(1, 2), ['y'])];
    });
    expect(answers.flat().map(({ data }) => data)).toEqual([[2], [2, 4]]);
    expect(await ask('more/inside.onnx')).toEqual([{ name: 'y', datatype: 'FP32', shape: [2], data: [2, 5] }]);
  });

  it.each([
    ['../outside.onnx', /leads out of MODEL_ROOT/],
    ['more/../../outside.onnx', /leads out of MODEL_ROOT/],
    ['link.onnx', /no file below MODEL_ROOT/],
    ['away/outside.onnx', /no file below MODEL_ROOT/],
    ['/etc/passwd', /no such model/],
    ['a\0b', /leads out of MODEL_ROOT/],
    ['more', /no file below MODEL_ROOT/],
    ['', /no file below MODEL_ROOT/],
    ['none.onnx', /no such model/],
    ['garbage.onnx', /cannot be loaded: Load model from garbage.onnx failed/],
  ])('has no model %j', async (file, message) => {
    const said = await codeOf(ask(file));
    expect(said).toMatch(/^model_unavailable: /);
    expect(said).toMatch(message);
    expect(said).not.toContain(base);
  });

  it('says what the model says when it fails, and goes on with the next', async () => {
    expect(await codeOf(ask('wrong.onnx'))).toBe('model_error: The model failed: the shapes do not match');
    expect(await codeOf(ask('large.onnx'))).toMatch(/^result_too_large/);
    expect(await codeOf(models.use({ tenantId: 'default', file: 'double.onnx', signal: new AbortController().signal }, (model) => model.run(x(1), ['z'])))).toBe(
      'model_error: The model failed: it has no tensor z',
    ); // prettier-ignore
  });

  it('kills a model that hangs, and what waits behind it is served', async () => {
    const reason = new Error('time is over');
    const stop = new AbortController();
    const hanging = ask('hang.onnx', stop.signal);
    const behind = ask('double.onnx');
    setTimeout(() => stop.abort(reason), 300);
    await expect(hanging).rejects.toBe(reason);
    expect(await codeOf(behind)).toBe('ok');
  });

  it('ends a process that takes too much memory', async () => {
    expect(await codeOf(ask('hog.onnx'))).toMatch(/^model_error: The process of the model did not answer: .*more memory than its 512 MiB/);
    expect(await codeOf(ask('double.onnx'))).toBe('ok');
  });

  it.each<[string, OnnxProcesses, RegExp]>([
    ['no folder of models', new OnnxProcesses({ ...options, root: null }), /MODEL_ROOT, which is not set/],
    ['no runtime', new OnnxProcesses(options, () => null), /onnxruntime-node, which is not installed/],
    [
      'a runtime that cannot be loaded',
      new OnnxProcesses(options, () => ({ file: join(base, 'none.cjs'), folders: [] })),
      /onnxruntime-node cannot be loaded/,
    ],
  ])('cannot run with %s', async (_name, broken, message) => {
    const said = await codeOf(ask('double.onnx', undefined, broken));
    expect(said).toMatch(/^provider_unavailable: /);
    expect(said).toMatch(message);
    await broken.close();
  });
});
