import { fileURLToPath } from 'node:url';
import { dirname } from 'node:path';
import { type Isolation, launchesOf } from './isolation.js';
import { type Launch, type ProcessLimits } from './launch.js';
import { firstWorking } from './probe.js';
import { PYODIDE_HARNESS } from './pyodide-harness.js';

/** How to start Pyodide workers under this isolation (a Node process each, 2 to 3 s until the first answer), or null. */
export async function launchPyodide(isolation: Isolation, limits: ProcessLimits, leaseMs: number): Promise<Launch | null> {
  const folder = pyodideFolder();
  if (!folder) return null;
  const node = { command: process.execPath, folders: [dirname(process.execPath), folder] };
  const readable = launchesOf(isolation, node, ['-e', "require('fs').readFileSync(process.argv[1] + '/pyodide.mjs')", folder]);
  const working = await firstWorking(readable);
  if (!working) return null;
  const settings = JSON.stringify({
    resultBytes: limits.resultBytes,
    logBytes: limits.logBytes,
    // The interpreter itself takes a good part of it.
    memoryBytes: limits.memoryBytes * 2,
    leaseMs,
    folder,
    dropTo: null,
  });
  const args = ['--no-warnings', '-e', PYODIDE_HARNESS, settings];
  return launchesOf(isolation, node, args).find(({ user }) => user === working.user) ?? null;
}

function pyodideFolder(): string | null {
  try {
    return dirname(fileURLToPath(import.meta.resolve('pyodide')));
  } catch {
    return null;
  }
}
