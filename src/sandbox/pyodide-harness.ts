import { nodeHarness } from './node-harness.js';
import { PYTHON_CORE } from './python-core.js';

/**
 * Runs in a thread of the worker, because Python blocks it: loads Pyodide, performs one call after the other. Pyodide
 * lets Python reach the JavaScript of its process: it is a runtime, never a boundary; the process is the boundary.
 */
const INTERPRETER = String.raw`
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
ready.then(() => parentPort.postMessage('ready'));
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
        outcome = call.success(value)
    except BaseException as error:
        outcome = call.failure(error)
    return call.answer(*outcome, leftovers()).decode('utf-8')

import threading
leftovers.known = set(threading.enumerate())
perform
`;

/** The program of a Pyodide worker. Settings: {resultBytes, logBytes, leaseMs, memoryBytes, folder}. */
export const PYODIDE_HARNESS = nodeHarness(INTERPRETER, { core: PYTHON_CORE + PERFORM });
