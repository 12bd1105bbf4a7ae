import { type CodeCall } from '../engine/sandbox-port.js';
import { type JsonObject } from '../engine/values.js';
import { type CodeSandbox, openSandbox } from './code-sandbox.js';

const callOf = (code: string, inputs: JsonObject = {}, rest: Partial<CodeCall> = {}): CodeCall => ({
  tenantId: 'default',
  executionId: '1',
  claimNo: 1,
  code,
  inputs,
  context: null,
  signal: new AbortController().signal,
  ...rest,
});

describe('JavaScript in a pooled process', () => {
  let sandbox: CodeSandbox;
  beforeAll(async () => {
    sandbox = await openSandbox({ python: null, isolation: 'process', workers: 1, warn: () => {}, limits: { cpuSeconds: 20 } });
  });
  afterAll(() => sandbox.close());

  const run = (code: string, inputs?: JsonObject, rest?: Partial<CodeCall>) => sandbox.runJavaScript(callOf(code, inputs, rest));
  const valueOf = async (code: string, inputs?: JsonObject, rest?: Partial<CodeCall>) => {
    const outcome = await run(code, inputs, rest);
    return outcome.ok ? outcome.value : `${outcome.type}: ${outcome.message}`;
  };

  it.each<[string, string, JsonObject, unknown]>([
    ['all inputs as one object', 'function main(inputs) { return inputs }', { a: 1, b: [true, null] }, { a: 1, b: [true, null] }],
    ['an arrow function', 'const main = ({ a, b = 5 }) => [a, b]', { a: 1 }, [1, 5]],
    ['async', 'async function main({ a }) { await null; return await Promise.resolve(a) }', { a: 2 }, 2],
    ['result without main', 'var result = { x: 1 }', {}, { x: 1 }],
    ['a constant called result', 'const result = [1]', {}, [1]],
    ['nothing', 'function main() {}', {}, null],
    ['text beyond ASCII', 'const main = ({ a }) => a + "é😀"', { a: 'ä' }, 'äé😀'],
    [
      'values that JSON lacks',
      'const main = () => [new Date(0), 2n ** 60n, 5n, new Uint8Array([104, 105]), new Set([1]), new Map([["a", 1]]), { u: undefined }, [undefined], { toJSON: () => 7 }]',
      {},
      ['1970-01-01T00:00:00.000Z', '1152921504606846976', 5, 'aGk=', [1], { a: 1 }, {}, [null], 7],
    ],
    ['a key called __proto__', 'const main = () => JSON.parse(\'{"__proto__": 1}\')', {}, JSON.parse('{"__proto__": 1}')],
    ['NaN', 'const main = () => ({ a: [NaN] })', {}, 'ResultNotStorable: the result.a[0] is NaN, which JSON does not have'],
    ['functions', 'const main = () => main', {}, 'ResultNotStorable: the result is a function, which JSON does not have'],
    [
      'itself',
      'const a = []; a.push(a); const result = a',
      {},
      'ResultNotStorable: the result is nested deeper than 100 levels or contains itself',
    ],
    ['neither main nor result', 'const x = 1', {}, 'NoResult: the code defines neither main() nor a variable called result'],
    ['a thrown text', 'throw "no"', {}, 'Thrown: no'],
    ['a thrown null', 'throw null', {}, 'Thrown: null'],
    ['a thrown bigint', 'throw 10n', {}, 'Thrown: 10'],
    [
      'a thrown proxy',
      'throw new Proxy({}, { getPrototypeOf() { throw 1 }, get() { throw 2 }, ownKeys() { throw 3 } })',
      {},
      'Thrown: something that cannot be read',
    ],
    ['a value that its own toJSON takes away', 'Array.prototype.toJSON = () => undefined; const main = () => [1]', {}, null],
    ['a rejected promise', 'const main = async () => { throw new RangeError("far") }', {}, 'RangeError: far'],
    [
      'a promise that nothing settles',
      'const main = () => new Promise(() => {})',
      {},
      'NeverSettled: main() waits for something that never comes: there are no timers and no network here',
    ],
    ['an endless recursion', 'function main() { return main() }', {}, 'InternalError: stack overflow'],
    [
      'a spoiled JSON',
      'JSON.stringify = () => "gone"; Object.keys = null; Array.isArray = null; const main = () => ({ a: 1 })',
      {},
      { a: 1 },
    ],
  ])('%s', async (_name, code, inputs, expected) => expect(await valueOf(code, inputs)).toEqual(expected));

  it('passes context as second argument and global', async () => {
    expect(await valueOf('const main = (inputs, c) => [c.k, context.k]', {}, { context: { k: 'v' } })).toEqual(['v', 'v']);
  });

  it('reports an error with its line, and what was logged', async () => {
    const code =
      'function inner() {\n  throw new TypeError("no")\n}\nfunction main() {\n  console.log("before", { a: 1 }, [2], null, undefined, 3)\n  inner()\n}';
    expect(await run(code)).toEqual({
      ok: false,
      code: 'javascript_error',
      type: 'TypeError',
      message: 'no',
      logs: 'before {"a":1} [2] null undefined 3\n',
      frames: [
        { file: 'code', line: 6, function: 'main', text: 'inner()' },
        { file: 'code', line: 2, function: 'inner', text: 'throw new TypeError("no")' },
      ],
    });
  });

  it('reports the line of a syntax error', async () => {
    expect(await run('const x = 1\nfunction main( {')).toMatchObject({ type: 'SyntaxError', frames: [{ file: 'code', line: 2 }] });
  });

  it('caps what is logged', async () => {
    const { logs } = await run('const main = () => { const text = "é".repeat(1 << 20); for (let i = 0; i < 1000; i++) console.log(text) }');
    expect(Buffer.byteLength(logs)).toBeLessThan(66_000);
    expect(logs).toMatch(/\n\[output cut at 65536 bytes\]\n$/);
  });

  it('shows nothing of the host', async () => {
    const names =
      'process require fetch setTimeout setInterval WebAssembly std os Worker XMLHttpRequest navigator performance module import_meta';
    const code = `const main = () => ${JSON.stringify(names.split(' '))}.filter((name) => name in [].constructor.constructor("return this")())`;
    const seen = await valueOf(code);
    expect(seen).toEqual([]);
    expect(await valueOf('const main = async () => { await import("node:fs") }')).toMatch(/^\w+Error: /);
  });

  it('gives every call fresh globals', async () => {
    expect(await valueOf('globalThis.left = 1; Array.prototype.mine = 2; const result = 1')).toBe(1);
    expect(await valueOf('const result = [typeof left, [].mine ?? null]')).toEqual(['undefined', null]);
  });

  it.each([
    ['bytes', 'const all = []; while (true) all.push(new Uint8Array(1 << 20))'],
    ['objects', 'const all = []; while (true) all.push({})'],
    ['one text', 'let text = "x"; while (true) text += text'],
    ['8 GiB at once', 'new ArrayBuffer(8 * 1024 ** 3)'],
  ])('ends code that takes all memory as %s', async (_name, code) => {
    expect(await valueOf(code)).toMatch(/out of memory|too long|invalid array buffer length/);
    expect(await valueOf('const result = 1')).toBe(1);
  });

  it('ends an infinite loop on abort, and goes on with another process', async () => {
    const abort = new AbortController();
    const running = run('while (true);', {}, { signal: abort.signal });
    const [first] = sandbox.pids;
    setTimeout(() => abort.abort(new Error('time is up')), 100);
    await expect(running).rejects.toThrow('time is up');
    expect(await valueOf('const result = 1')).toBe(1);
    while (sandbox.pids.includes(first!)) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(() => process.kill(first!, 0)).toThrow('ESRCH');
  });

  it('refuses results above the limit', async () => {
    expect(await run('const result = "x".repeat(16 << 20)')).toMatchObject({ ok: false, code: 'result_too_large' });
  });

  it('runs as nobody where the service is root', async () => {
    await valueOf('const result = 1');
    const { readFileSync } = await import('node:fs');
    const status = readFileSync(`/proc/${sandbox.pids[0]}/status`, 'utf8');
    const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
    expect(uid).toBe(process.getuid?.() === 0 ? '65534' : String(process.getuid?.()));
  });
});
