// The MCP inspector as a real client of a real service: lists strictly, calls, and 2,000 calls at 16 wide. Prints what it saw; not part of the tests.
// Usage: node test/conformance/inspector.mjs [--requests 2000] [--concurrency 16]
import { spawnSync } from 'node:child_process';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { registerAll, startService } from './conformance.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, 'node_modules', '@modelcontextprotocol', 'inspector', 'clients', 'launcher', 'build', 'index.js');
const option = (name, standard) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? standard : process.argv[at + 1];
};

const service = await startService();
let ok = true;
function inspect(what, ...args) {
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, '--cli', `${service.url}/mcp`, '--transport', 'http', '--protocol-era', 'modern', ...args],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  const holds = status === 0;
  ok &&= holds;
  console.log(`${holds ? 'ok' : `FAILED (${status})`}: ${what} (${Math.round(performance.now() - began)} ms with its start)`);
  if (!holds) console.log(stderr || stdout);
  return stdout;
}
try {
  await registerAll(service.url);
  const listed = JSON.parse(inspect('tools/list, strictly', '--method', 'tools/list', '--strict'));
  console.log(`  ${listed.tools?.length ?? 0} tools`);
  inspect('prompts/list', '--method', 'prompts/list');
  inspect('resources/list', '--method', 'resources/list');
  const greeting = inspect('tools/call', '--method', 'tools/call', '--tool-name', 'greet', '--tool-args-json', '{"name":"inspector"}');
  if (!greeting.includes('Hello, inspector!')) throw new Error(`the call answered something else: ${greeting}`);
  const load = ['--load', '--load-requests', option('requests', '2000'), '--load-concurrency', option('concurrency', '16')];
  console.log(
    inspect('load', '--method', 'tools/call', '--tool-name', 'greet', '--tool-args-json', '{"name":"load"}', ...load).slice(-2_000),
  );
} finally {
  await service.stop();
}
process.exit(ok ? 0 : 1);
