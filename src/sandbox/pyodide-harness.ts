import { PYTHON_CORE } from './python-core.js';

/**
 * Runs in a thread of the worker, because Python blocks it: loads Pyodide, performs one call after the other. Pyodide
 * lets Python reach the JavaScript of its process: it is a runtime, never a boundary; the process is the boundary.
 */
const INTERPRETER = String.raw`
const { parentPort, workerData } = require('node:worker_threads');
const { core, settings } = workerData;
const ready = (async () => {
  const { loadPyodide } = await import('file://' + settings.folder + '/pyodide.mjs');
  const pyodide = await loadPyodide({ indexURL: settings.folder + '/', env: { HOME: '/tmp', LANG: 'C.UTF-8' } });
  pyodide.globals.set('settings_text', JSON.stringify(settings));
  return pyodide.runPython(core);
})();
parentPort.on('message', async (text) => {
  const perform = await ready;
  const answer = await perform(text);
  parentPort.postMessage(answer);
});
ready.catch((error) => { process.stderr.write(String(error.message) + '\n'); process.exit(1); });
`;

const PERFORM = String.raw`
settings = json.loads(settings_text)
prints = Prints(settings['logBytes'])

async def perform(text):
    call = Call(json.loads(text), prints, settings['resultBytes'])
    try:
        value = call.begin()
        if inspect.isawaitable(value):
            value = await value
        return call.success(value).decode('utf-8')
    except BaseException as error:
        return call.failure(error).decode('utf-8')

import threading
leftovers.known = set(threading.enumerate())
perform
`;

/** The program of a Pyodide worker: the protocol of the python3 worker, spoken by Node. Argument: {resultBytes, logBytes, leaseMs, folder}. */
export const PYODIDE_HARNESS = String.raw`
const { Worker } = require('node:worker_threads');
const settings = JSON.parse(process.argv[1]);
const interpreter = new Worker(${JSON.stringify(INTERPRETER)}, { eval: true, workerData: { core: ${JSON.stringify(PYTHON_CORE + PERFORM)}, settings } });
interpreter.on('exit', () => process.exit(1));
interpreter.on('error', (error) => { process.stderr.write(String(error.message) + '\n'); process.exit(1); });
const answers = new (require('node:net').Socket)({ fd: 3, readable: false, writable: true });
interpreter.on('message', (text) => {
  const body = Buffer.from(text, 'utf8');
  const header = Buffer.alloc(4);
  header.writeUInt32BE(body.length, 0);
  answers.write(Buffer.concat([header, body]));
});
let lease;
const alive = () => { clearTimeout(lease); lease = setTimeout(() => process.kill(process.pid, 'SIGKILL'), settings.leaseMs); };
let pending = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  alive();
  pending = Buffer.concat([pending, chunk]);
  while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
    const size = pending.readUInt32BE(0);
    if (size > 0) interpreter.postMessage(pending.toString('utf8', 4, 4 + size));
    pending = pending.subarray(4 + size);
  }
});
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'));
alive();
`;
