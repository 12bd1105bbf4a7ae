import { JAVASCRIPT_PRELUDE } from './javascript-prelude.js';
import { nodeHarness } from './node-harness.js';

/**
 * Runs one call after the other, each in a QuickJS runtime of its own that sees no host object. The interpreter is a
 * WebAssembly instance whose memory has a hard maximum; its own limit, a little lower, gives the code an error to end with.
 */
const INTERPRETER = String.raw`
const { settings, prelude } = workerData;
const PAGE = 65536;
const STACK_BYTES = 256 * 1024;
/** Memory of WebAssembly never shrinks: beyond this the process is replaced. */
const KEPT_BYTES = 64 * 1048576;
const MAX_FRAMES = 5;
const cut = (text, most) => (text.length > most ? text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '') + '…' : text);
let quickjs, memory;
const isFull = () => memory.buffer.byteLength > KEPT_BYTES;

class Logs {
  constructor() { this.text = ''; this.bytes = 0; this.cut = false; }
  write(text) {
    const room = settings.logBytes - this.bytes;
    let piece = Buffer.from(text, 'utf8');
    if (piece.length > room) { this.cut = true; piece = piece.subarray(0, room); }
    this.bytes += piece.length;
    this.text += piece.toString('utf8');
  }
  end() { return this.cut ? this.text + '\n[output cut at ' + settings.logBytes + ' bytes]\n' : this.text; }
}

function framesOf(stack, code) {
  const lines = code.split('\n');
  return [...String(stack).matchAll(/^ *at (?:(.*?) \()?code:(\d+)/gm)].map(([, name, line]) => ({
    file: 'code', line: Number(line), function: name ?? '<eval>', text: cut((lines[line - 1] || '').trim(), 200),
  })).slice(0, MAX_FRAMES).reverse();
}

function perform(request) {
  const logs = new Logs();
  const runtime = quickjs.newRuntime();
  runtime.setMemoryLimit(settings.heapBytes - 8 * 1048576);
  runtime.setMaxStackSize(STACK_BYTES);
  const until = performance.now() + settings.cpuSeconds * 1000;
  runtime.setInterruptHandler(() => performance.now() > until);
  const context = runtime.newContext();
  const handles = [];
  const keep = (handle) => { handles.push(handle); return handle; };
  class Thrown extends Error { constructor(handle) { super(); this.handle = handle; } }
  const use = (result) => { if (result.error) throw new Thrown(keep(result.error)); return keep(result.value); };
  const call = (name, ...args) => use(context.callFunction(keep(context.getProp(tools, name)), context.undefined, ...args));
  const answer = (outcome, value) => JSON.stringify({ id: request.id, logs: logs.end(), retire: isFull(), ...outcome }).slice(0, -1) + ',"value":' + value + '}';
  let tools;
  try {
    try {
      const log = keep(context.newFunction('log', (text) => { logs.write(context.getString(text)); }));
      const make = use(context.evalCode(prelude, 'prelude'));
      tools = use(context.callFunction(make, context.undefined, log, keep(context.newNumber(settings.logBytes))));
      const inputs = call('prepare', keep(context.newString(JSON.stringify({ inputs: request.inputs, context: request.context }))));
      use(context.evalCode(request.code, 'code', { type: 'global' }));
      const named = (name) => use(context.evalCode('typeof ' + name + " === 'undefined' ? undefined : " + name, 'prelude'));
      let value = call('begin', inputs, named('main'), named('result'));
      const jobs = runtime.executePendingJobs();
      if (jobs.error) throw new Thrown(keep(jobs.error));
      // A promise in the hands of QuickJS: settled, or nothing is left that could settle it.
      const state = context.getPromiseState(value);
      if (state.type === 'pending') return answer({ ok: false, code: 'javascript_error', type: 'NeverSettled', message: 'main() waits for something that never comes: there are no timers and no network here', frames: [] }, 'null');
      if (state.type === 'rejected') throw new Thrown(keep(state.error));
      if (!state.notAPromise) value = keep(state.value);
      const text = context.getString(call('finish', value));
      const bytes = Buffer.byteLength(text, 'utf8');
      if (bytes > settings.resultBytes) return answer({ ok: false, code: 'result_too_large', type: 'ResultTooLarge', message: 'the result is ' + bytes + ' bytes long, the limit is ' + settings.resultBytes, frames: [] }, 'null');
      return answer({ ok: true }, text);
    } catch (error) {
      if (!(error instanceof Thrown)) throw error;
      const refused = tools !== undefined && context.dump(call('refused', error.handle)) === true;
      const thrown = context.dump(error.handle);
      // What QuickJS throws where not even the error finds room, and what code may throw as well.
      if (thrown === null && isFull()) throw new Error('out of memory');
      const isError = typeof thrown === 'object' && thrown !== null && 'message' in thrown;
      const message = isError ? String(thrown.message) : typeof thrown === 'object' ? JSON.stringify(thrown) : String(thrown);
      const noResult = refused && message.startsWith('the code defines');
      return answer({
        ok: false,
        code: refused && !noResult ? 'result_not_storable' : 'javascript_error',
        type: refused ? (noResult ? 'NoResult' : 'ResultNotStorable') : isError ? String(thrown.name ?? 'Error') : 'Thrown',
        message: cut(message, 2000),
        frames: refused || !isError ? [] : framesOf(thrown.stack ?? '', request.code),
      }, 'null');
    }
  } catch (error) {
    // Not even the error could be made: no memory was left, or the code made it so.
    const [type, message] = isFull() ? ['InternalError', 'out of memory'] : ['Thrown', 'something that cannot be read'];
    return JSON.stringify({ id: request.id, logs: logs.end(), retire: true, ok: false, code: 'javascript_error', type, message, frames: [], value: null });
  } finally {
    try {
      for (const handle of handles) if (handle.alive) handle.dispose();
      context.dispose();
      runtime.dispose();
    } catch {
      settings.spent = true;
    }
  }
}

(async () => {
  const { newQuickJSWASMModuleFromVariant, newVariant } = await import(workerData.core);
  const { default: variant } = await import(workerData.variant);
  memory = new WebAssembly.Memory({ initial: 256, maximum: settings.heapBytes / PAGE });
  quickjs = await newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmMemory: memory }));
  quickjs.newContext().dispose();
  parentPort.on('message', (text) => {
    const answer = perform(JSON.parse(text));
    parentPort.postMessage(settings.spent ? answer.replace('"retire":false', '"retire":true') : answer);
  });
  parentPort.postMessage('ready');
})();
`;

/** The program of a JavaScript worker. `core` and `variant` are the URLs of QuickJS' modules. */
export function javascriptHarness(core: string, variant: string): string {
  return nodeHarness(INTERPRETER, { prelude: JAVASCRIPT_PRELUDE, core, variant });
}
