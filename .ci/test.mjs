// Everything that must hold before a change lands: import rules, lint, types, format, then every test suite.
// The last line is `N passed, N failed`, all suites together; a static check counts as one.
// Two things at a time, for two cores: the tests under jest, and beside them one by one what needs nothing of them.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Niceness of the checks that wait for nothing and nobody: the tests, some of which have deadlines, go first. */
const PATIENT = 10;

const started = Date.now();
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
/** Where only some tests are asked for, the chaos run and the conformance suite are left out. */
const everything = process.argv.length === 2;
let passed = 0;
let failed = 0;

/** Runs a command to its end. @returns its exit code, null where a signal ended it, and what it printed, in the order in which it did */
function run(command, args, { niceness = 0, stdio = ['ignore', 'pipe', 'pipe'] } = {}) {
  return new Promise((resolve) => {
    const output = [];
    const child = spawn(command, args, { stdio });
    child.on('error', (error) => resolve({ status: null, output: String(error) }));
    child.on('close', (status) => resolve({ status, output: Buffer.concat(output).toString() }));
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(chunk));
    if (niceness > 0 && child.pid !== undefined) setPriority(child.pid, niceness);
  });
}

/** One check; what it prints is shown when it ends, in one piece. */
async function check(name, command, args, options) {
  const since = Date.now();
  const { status, output } = await run(command, args, options);
  const holds = status === 0;
  console.log(`\n== ${name}\n${output}${holds ? 'ok' : 'FAILED'}: ${name} (${seconds(since)})`);
  if (holds) passed += 1;
  else failed += 1;
}

async function jest() {
  const since = Date.now();
  const scratch = mkdtempSync(join(tmpdir(), 'showrunner-test-'));
  const report = join(scratch, 'jest.json');
  const { status } = await run(
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
    if (status !== 0 && result.numFailedTests + result.numRuntimeErrorTestSuites === 0) failed += 1;
    console.log(`\n== tests\n${slowest(result.testResults)}`);
  } catch (error) {
    console.error(`no test report: ${error.message}`);
    failed += 1;
  }
  console.log(`tests (${seconds(since)})`);
  rmSync(scratch, { recursive: true, force: true });
}

/** The files that took longest: test/support/longest-first.mjs should know them. */
function slowest(files) {
  return files
    .map(({ name, startTime, endTime }) => ({ name: name.slice(process.cwd().length + 1), ms: endTime - startTime }))
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, 15)
    .map(({ name, ms }) => `${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`)
    .join('\n');
}

async function beside() {
  const patient = { niceness: PATIENT };
  // A short run of the independent checker.
  if (everything) {
    await check('chaos: the texts of its fault points and seeded bugs', 'node', ['test/chaos/teeth/check-texts.mjs']);
    await check('chaos: kills, zombies, lost sessions and lost commit replies, for about 2 minutes', 'node', [
      'test/chaos/chaos.mjs',
      ...['--profile', 'short', '--minutes', '1.5', '--clients', '16', '--seed', 'ci'],
    ]);
    // The tools of the conformance suite have a lockfile of their own, and nothing of them is part of the product.
    // Not `npm ci`, which insists on an optional package for Windows that not every registry has; the lockfile decides all the same.
    await check('MCP: the tools of the conformance suite', 'npm', [
      'install',
      '--no-save',
      '--ignore-scripts',
      '--prefix',
      'test/conformance',
    ]);
    await check('MCP: conformance of a running service', 'node', ['test/conformance/conformance.mjs']);
  }
  await check('types', 'npm', ['run', '--silent', 'types'], patient);
  await check('lint', 'npm', ['run', '--silent', 'lint'], patient);
  await check('import rules', 'npm', ['run', '--silent', 'imports'], patient);
  await check('format', 'npm', ['run', '--silent', 'format:check'], patient);
}

// First of all: some tests, the chaos run and the conformance suite start the built program.
await check('build', 'npm', ['run', '--silent', 'build']);
await Promise.all([jest(), beside()]);
console.log(`\nall suites in ${seconds(started)}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
