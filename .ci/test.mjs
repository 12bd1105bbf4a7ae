// Everything that must hold before a change lands: import rules, lint, types, format, then every test suite.
// The last line is `N passed, N failed`, all suites together; a static check counts as one.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const started = Date.now();
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
let passed = 0;
let failed = 0;

function check(name, command, args) {
  const since = Date.now();
  console.log(`\n== ${name}`);
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  const holds = status === 0;
  console.log(`${holds ? 'ok' : 'FAILED'}: ${name} (${seconds(since)})`);
  if (holds) passed += 1;
  else failed += 1;
}

const scratch = mkdtempSync(join(tmpdir(), 'showrunner-test-'));
check('build', 'npm', ['run', '--silent', 'build']);
check('types', 'npm', ['run', '--silent', 'types']);
check('lint', 'npm', ['run', '--silent', 'lint']);
check('import rules', 'npm', ['run', '--silent', 'imports']);
check('format', 'npm', ['run', '--silent', 'format:check']);

console.log('\n== tests');
const report = join(scratch, 'jest.json');
const jest = spawnSync(
  'node',
  [
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    '--json',
    `--outputFile=${report}`,
    ...process.argv.slice(2),
  ],
  { stdio: ['inherit', 'ignore', 'inherit'] },
);
try {
  const result = JSON.parse(readFileSync(report, 'utf8'));
  passed += result.numPassedTests;
  failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
  if (jest.status !== 0 && result.numFailedTests + result.numRuntimeErrorTestSuites === 0) failed += 1;
} catch (error) {
  console.error(`no test report: ${error.message}`);
  failed += 1;
}
rmSync(scratch, { recursive: true, force: true });

// A short run of the independent checker, except where only some tests are asked for.
if (process.argv.length === 2) {
  check('chaos: the texts of its fault points and seeded bugs', 'node', ['test/chaos/teeth/check-texts.mjs']);
  check('chaos: kills, zombies, lost sessions and lost commit replies, for about 2 minutes', 'node', [
    'test/chaos/chaos.mjs',
    ...['--profile', 'short', '--minutes', '1.5', '--clients', '16', '--seed', 'ci'],
  ]);
}
// The tools of the conformance suite have a lockfile of their own, and nothing of them is part of the product.
if (process.argv.length === 2) {
  // Not `npm ci`, which insists on an optional package for Windows that not every registry has; the lockfile decides all the same.
  check('MCP: the tools of the conformance suite', 'npm', ['install', '--no-save', '--ignore-scripts', '--prefix', 'test/conformance']);
  check('MCP: conformance of a running service', 'node', ['test/conformance/conformance.mjs']);
}
console.log(`\nall suites in ${seconds(started)}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
