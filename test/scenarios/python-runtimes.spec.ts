import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type PythonCall } from '../../src/engine/sandbox-port.js';
import { type JsonObject } from '../../src/engine/values.js';
import { type CodeSandbox, openSandbox } from '../../src/sandbox/code-sandbox.js';
import { encodeFrame } from '../../src/sandbox/frames.js';
import { PROCESS_LIMITS } from '../../src/sandbox/launch.js';
import { PYTHON_HARNESS } from '../../src/sandbox/python-harness.js';

const callOf = (code: string, inputs: JsonObject = {}, signal = new AbortController().signal): PythonCall => ({
  tenantId: 'default',
  executionId: '1',
  claimNo: 1,
  code,
  inputs,
  fallbacks: {},
  context: null,
  signal,
});

describe('without python3', () => {
  let sandbox: CodeSandbox;
  const warnings: string[] = [];
  beforeAll(async () => {
    sandbox = await openSandbox({ python: null, isolation: 'process', workers: 1, warn: (message) => warnings.push(message) });
  });
  afterAll(() => sandbox.close());

  it('says that Pyodide takes over', () => {
    expect(sandbox.runtime).toBe('pyodide');
    expect(warnings).toContainEqual(expect.stringContaining('Pyodide'));
  });

  it('runs sync and async main, prints and exceptions as python3 does', async () => {
    const sync = callOf('def main(name):\n  print("hi")\n  return {"hello": name}', { name: 'ä' });
    expect(await sandbox.runPython(sync)).toEqual({ ok: true, value: { hello: 'ä' }, logs: 'hi\n' });
    const wait = callOf('import asyncio\nasync def main(n):\n  await asyncio.sleep(0.01)\n  return n', { n: 2 });
    expect(await sandbox.runPython(wait)).toMatchObject({ ok: true, value: 2 });
    expect(await sandbox.runPython(callOf('def main():\n  raise ValueError("no")'))).toMatchObject({
      ok: false,
      type: 'ValueError',
      message: 'no',
      frames: [{ line: 2, function: 'main' }],
    });
  });

  it('ends an infinite loop on abort, and goes on', async () => {
    const abort = new AbortController();
    const running = sandbox.runPython(callOf('while True: pass', {}, abort.signal));
    setTimeout(() => abort.abort(new Error('time is up')), 300);
    await expect(running).rejects.toThrow('time is up');
    expect(await sandbox.runPython(callOf('result = 1'))).toMatchObject({ ok: true, value: 1 });
  });
});

describe('a worker without its service', () => {
  const start = (leaseSeconds: number) => {
    const settings = JSON.stringify({ ...PROCESS_LIMITS, processes: null, leaseSeconds });
    const child = spawn('python3', ['-I', '-B', '-c', PYTHON_HARNESS, settings], { stdio: ['pipe', 'ignore', 'ignore', 'pipe'] });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.stdin?.write(encodeFrame({ id: 1, code: 'import time\nwhile True: time.sleep(0.01)', inputs: {}, fallbacks: {}, context: null }));
    return { child, ended };
  };

  it('ends while code runs when its stdin closes', async () => {
    const { child, ended } = start(60);
    child.stdin?.end();
    expect(await ended).toBe(0);
  });

  it('ends while code runs when it hears nothing for one lease', async () => {
    const { ended } = start(0.5);
    expect(await ended).toBe(0);
  });
});

// Only where the operator installed bubblewrap: the suite says so by skipping.
(existsSync('/usr/bin/bwrap') ? describe : describe.skip)('in bubblewrap', () => {
  let sandbox: CodeSandbox;
  beforeAll(async () => {
    sandbox = await openSandbox({ python: 'python3', isolation: 'bubblewrap', workers: 1, warn: () => {} });
  });
  afterAll(() => sandbox.close());

  it('denies network, files of the system and other processes', async () => {
    const code = `
import socket
def tried(what):
    try:
        return what() or 'possible'
    except Exception as error:
        return type(error).__name__
def main():
    return {
        'network': tried(lambda: socket.create_connection(('192.0.2.1', 9), 1)),
        'passwd': tried(lambda: open('/etc/passwd')),
        'home': tried(lambda: os.listdir('/home')),
        'usr': tried(lambda: open('/usr/x', 'w')),
        'processes': tried(lambda: [pid for pid in os.listdir('/proc') if pid.isdigit() and int(pid) > 10] or 'none'),
        'uid': os.getuid(),
    }`;
    // Where the kernel has Landlock, even asking whether something is there is refused.
    const refused = expect.stringMatching(/^(FileNotFoundError|PermissionError|OSError)$/) as string;
    expect(sandbox.networkDenied).toBe(true);
    expect(await sandbox.runPython(callOf(code))).toMatchObject({
      ok: true,
      value: {
        network: 'OSError',
        passwd: refused,
        home: refused,
        usr: refused,
        processes: expect.stringMatching(/^(none|PermissionError)$/) as string,
        uid: 65534,
      },
    });
  });
});
