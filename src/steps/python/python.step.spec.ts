import { type Action } from '../../engine/playbook/playbook.js';
import { type StepContext, StepFailure, type StepKind } from '../../engine/step-executor.js';
import { type StepServices } from '../../engine/step-services.js';
import { Rendering } from '../../engine/template/rendering.js';
import { type Json, type JsonObject } from '../../engine/values.js';
import { type CodeSandbox, openSandbox } from '../../sandbox/code-sandbox.js';
import factory from './python.step.js';

const rendering = () => new Rendering({ now: '2025-01-01T00:00:00Z', random: () => 0, nextId: () => '1' });
const actionOf = (fields: JsonObject): Action => ({
  type: 'python',
  fields,
  data: {},
  save: [],
  assert: null,
  auth: null,
  retry: null,
  timeout: null,
  tasks: [],
});

describe('the python step', () => {
  let sandbox: CodeSandbox;
  let step: StepKind;
  beforeAll(async () => {
    sandbox = await openSandbox({ python: 'python3', isolation: 'process', workers: 1, warn: () => {} });
    const text = 'def main(a, context):\n  print("hi")\n  return a * 2';
    const scripts = { load: () => Promise.resolve({ text, digest: 'd1' }) };
    step = factory({ sandbox, scripts } as unknown as StepServices);
  });
  afterAll(() => sandbox.close());

  const context = (): StepContext => ({
    tenantId: 'default',
    executionId: '1',
    step: 's',
    wave: 1,
    attempt: 1,
    claimNo: 1,
    idempotencyKey: 'k',
    signal: new AbortController().signal,
    timeoutMs: null,
    auth: new Map(),
    admit: () => Promise.resolve(),
    assertHeld: () => undefined,
    mayAsk: false,
    answered: null,
    secretForms: () => [],
    report: () => undefined,
  });
  const render = (code: string, inputs: JsonObject, names: Record<string, Json> = {}) => {
    const config = step.parse(actionOf({ code }));
    const scope = { lookup: (name: string) => (Object.hasOwn(inputs, name) ? inputs[name] : names[name]) };
    // The registry holds code as long as its configuration lives, as a compiled playbook does.
    return { config, request: step.render(config, inputs, scope, rendering()) };
  };
  const run = async (code: string, inputs: JsonObject = {}, names?: Record<string, Json>) => {
    const { config, request } = render(code, inputs, names);
    const result = await step.execute(JSON.parse(JSON.stringify(request)) as Json, context());
    return config ? result : result;
  };

  it('runs main() with inputs and keeps what it printed', async () => {
    expect(await run('def main(name):\n  print("hi", name)\n  return {"status": "failed", "n": name}', { name: 'x' })).toEqual({
      value: { status: 'failed', n: 'x' },
      logs: 'hi x\n',
    });
  });

  it('records code only where placeholders changed it', () => {
    expect(render('def main():\n  return 1', {}).request).toMatchObject({ code: null, context: null, fallbacks: {} });
    expect(render('def main():\n  return {{ a }}', { a: 'x' }).request).toMatchObject({ code: 'def main():\n  return "x"' });
  });

  it('binds steps and workload keys to parameters that no input names', async () => {
    expect((await run('def main(a, b):\n  return [a, b]', { a: 1 }, { a: 2, b: 3 })).value).toEqual([1, 3]);
  });

  it('binds those whose names templates keep for themselves', async () => {
    const names = { workload: { data: [1], env: 'dev', error: 'kept' }, steps: { result: 3 }, env: { NOT: 'this' }, error: null };
    expect((await run('def main(data, env, error, result, job=None):\n  return [data, env, error, result, job]', {}, names)).value).toEqual(
      [[1], 'dev', 'kept', 3, null],
    );
  });

  it.each([
    ['a lambda', 'main = lambda a, b: [a, b]'],
    ['another function', 'def work(a, b):\n  return [a, b]\nmain = work'],
    ['a function below a condition', 'if True:\n  def main(a, b):\n    return [a, b]'],
  ])('binds them where main is %s', async (_what, code) => {
    expect((await run(code, { a: 1 }, { workload: { a: 2, b: 3 }, steps: { b: 4 } })).value).toEqual([1, 4]);
  });

  it('builds context where the code speaks of it', async () => {
    const names = {
      execution_id: '7',
      workload: { w: 1, city: 'shadowed' },
      steps: { first: { x: 1 }, second: [2] },
      _loop: { item: 'i', index: 0 },
      town: 'Ulm',
    };
    const { value } = await run('def main(context):\n  context.get("town")\n  return context', { a: 1 }, names);
    expect(value).toEqual({
      execution_id: '7',
      workload: { w: 1, city: 'shadowed' },
      first: { status: 'success', data: { x: 1 }, x: 1 },
      second: { status: 'success', data: [2] },
      _loop: { item: 'i', index: 0 },
      item: 'i',
      town: 'Ulm',
      a: 1,
    });
  });

  it.each<[string, string, object]>([
    ['an exception', 'def main():\n  raise ValueError("no")', { code: 'python_error', message: 'ValueError: no', retryable: true }],
    ['status error', 'result = {"status": "error", "error": "sold out"}', { code: 'step_error', message: 'sold out' }],
    ['an exit', 'os._exit(1)', { code: 'python_error', retryable: true }],
    ['what cannot be stored', 'result = object()', { code: 'result_not_storable', retryable: false }],
  ])('fails on %s', async (_name, code, expected) => {
    const failure: unknown = await run(code).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StepFailure);
    expect(failure).toMatchObject(expected);
  });

  it('says which line raised', async () => {
    await expect(run('def main():\n  x = 1\n  raise ValueError("no")')).rejects.toMatchObject({
      details: { type: 'ValueError', frames: [{ file: 'code', line: 3, function: 'main', text: 'raise ValueError("no")' }] },
    });
  });

  it('needs code or a script', () => {
    expect(() => step.parse(actionOf({ code: ' ' }))).toThrow('needs code');
  });

  it('records where a script lies, and says in the logs which text ran', async () => {
    const config = step.parse(actionOf({ script: { uri: '{{ name }}.py', source: { type: 'file' } } }));
    const request = step.render(config, { a: 2 }, { lookup: (name) => (name === 'name' ? 'twice' : undefined) }, rendering());
    expect(request).toMatchObject({ script: { type: 'file', uri: 'twice.py', sha256: null }, code: null });
    expect(await step.execute(request, context())).toEqual({ value: 4, logs: '[script twice.py sha256:d1]\nhi\n' });
  });

  it.each([
    [{ uri: 's3://b/x.py', source: { type: 's3' } }, 'unsupported_script'],
    [{ uri: 'x.py', source: { type: 'gcs' } }, 'unsupported_script'],
    [{ uri: 'x.py', source: { type: 'file', auth: 'a' } }, 'unsupported_auth'],
    [{ uri: 'x.py', source: { type: 'http' } }, 'script_unavailable'],
    [{ uri: '' }, 'script_unavailable'],
    [{ uri: 'x.py', sha256: 'abc' }, 'script_unavailable'],
  ])('refuses the script %j', (script, code) => {
    const config = step.parse(actionOf({ script }));
    expect(() => step.render(config, {}, { lookup: () => undefined }, rendering())).toThrow(
      expect.objectContaining({ code, retryable: false }),
    );
  });
});
