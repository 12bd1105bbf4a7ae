import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Isolation } from './isolation.js';
import { javascriptHarness } from './javascript-harness.js';
import { type Launch, type ProcessLimits } from './launch.js';
import { launchNode } from './node-runtime.js';

const MEBIBYTE = 1_048_576;
/** Of the interpreter; Node itself takes some 80 MiB besides. */
const HEAP_BYTES = 256 * MEBIBYTE;
const PROCESS_BYTES = 768 * MEBIBYTE;

/** How to start JavaScript workers (a Node process with QuickJS each), or null where they cannot run. */
export async function launchJavaScript(isolation: Isolation, limits: ProcessLimits, leaseMs: number): Promise<Launch | null> {
  const modules = quickJsModules();
  if (!modules) return null;
  const { resultBytes, logBytes, cpuSeconds } = limits;
  return launchNode(isolation, {
    harness: javascriptHarness(modules.core, modules.variant),
    folders: modules.folders,
    settings: { resultBytes, logBytes, cpuSeconds, leaseMs, heapBytes: HEAP_BYTES, memoryBytes: PROCESS_BYTES },
  });
}

function quickJsModules(): { core: string; variant: string; folders: string[] } | null {
  try {
    const core = import.meta.resolve('quickjs-emscripten-core');
    const variant = import.meta.resolve('@jitl/quickjs-wasmfile-release-sync');
    // Both lie in one node_modules, beside what they import from one another.
    const folders = [core, variant, import.meta.resolve('@jitl/quickjs-ffi-types')].map((url) => dirname(dirname(fileURLToPath(url))));
    return { core, variant, folders };
  } catch {
    return null;
  }
}
