import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type PythonCall, type CodeOutcome } from '../engine/sandbox-port.js';
import { type JsonObject } from '../engine/values.js';
import { type CodeSandbox, openSandbox, type SandboxOptions } from './code-sandbox.js';

const open = (options: Partial<SandboxOptions> = {}) =>
  openSandbox({ python: 'python3', isolation: 'process', workers: 2, warn: () => {}, ...options });
const callOf = (code: string, inputs: JsonObject = {}, rest: Partial<PythonCall> = {}): PythonCall => ({
  tenantId: 'default',
  executionId: '1',
  claimNo: 1,
  code,
  inputs,
  fallbacks: {},
  context: null,
  signal: new AbortController().signal,
  ...rest,
});

describe('Python in a pooled process', () => {
  let sandbox: CodeSandbox;
  beforeAll(async () => {
    sandbox = await open();
  });
  afterAll(() => sandbox.close());

  const run = (code: string, inputs?: JsonObject, rest?: Partial<PythonCall>) => sandbox.runPython(callOf(code, inputs, rest));
  const valueOf = async (code: string, inputs?: JsonObject, rest?: Partial<PythonCall>) => {
    const outcome = await run(code, inputs, rest);
    return outcome.ok ? outcome.value : `${outcome.type}: ${outcome.message}`;
  };
  const failed = (outcome: CodeOutcome) => (outcome.ok ? null : outcome);

  it.each<[string, string, JsonObject, unknown]>([
    ['no parameters', 'def main():\n  return 1', { a: 2 }, 1],
    ['input_data takes all inputs', 'def main(input_data):\n  return input_data', { a: 1, b: [true, null] }, { a: 1, b: [true, null] }],
    ['an input called input_data wins', 'def main(input_data):\n  return input_data', { input_data: 7, b: 1 }, 7],
    ['**kwargs takes all', 'def main(a, **kwargs):\n  return [a, kwargs]', { a: 1, b: 2 }, [1, { b: 2 }]],
    ['surplus inputs are dropped', 'def main(a):\n  return a', { a: 1, b: 2 }, 1],
    ['defaults', 'def main(a, b=5, *, c=6):\n  return [a, b, c]', { a: 1, c: 2 }, [1, 5, 2]],
    ['positional-only', 'def main(a, b=2, /):\n  return [a, b]', { a: 1 }, [1, 2]],
    [
      'a missing one is named',
      'def main(a, b):\n  return a',
      { a: 1 },
      "MissingInput: main() needs 'b', but there is no input of that name",
    ],
    ['async', 'import asyncio\nasync def main(a):\n  await asyncio.sleep(0)\n  return a', { a: 1 }, 1],
    ['asyncio.run inside', 'import asyncio\nasync def f():\n  return 3\ndef main():\n  return asyncio.run(f())', {}, 3],
    ['result without main', 'result = {"x": 1}', {}, { x: 1 }],
    [
      'the given globals',
      'def main():\n  return [os.sep, json.dumps(1), datetime.date(2025, 1, 2), len(str(uuid.uuid4()))]',
      {},
      ['/', '1', '2025-01-02', 36],
    ],
    [
      'values that JSON lacks',
      'from decimal import Decimal\ndef main():\n  return [Decimal("1.5"), Decimal(2), b"hi", {2, 1}, (1,), 2**60, {1: "a", None: "b", True: "c"}, datetime.datetime(2025, 1, 2, 3)]',
      {},
      [1.5, 2, 'aGk=', [1, 2], [1], '1152921504606846976', { 1: 'c', null: 'b' }, '2025-01-02T03:00:00'],
    ],
    ['NaN', 'def main():\n  return {"a": [float("nan")]}', {}, 'ResultNotStorable: the result.a[0] is nan, which JSON does not have'],
    ['objects', 'def main():\n  return object()', {}, 'ResultNotStorable: the result is of type object, which JSON does not have'],
    ['exit()', 'import sys\ndef main():\n  sys.exit(3)', {}, 'SystemExit: the code called exit(3)'],
  ])('%s', async (_name, code, inputs, expected) => expect(await valueOf(code, inputs)).toEqual(expected));

  it('binds fallbacks below inputs, and context as parameter and global', async () => {
    const code = 'def main(a, b, context):\n  return [a, b, context["k"], globals()["context"]["k"]]';
    expect(await valueOf(code, { a: 1 }, { fallbacks: { a: 9, b: 2 }, context: { k: 'v' } })).toEqual([1, 2, 'v', 'v']);
  });

  it('refuses a value that contains itself', async () => {
    expect(failed(await run('def main():\n  a = []\n  a.append(a)\n  return a'))?.code).toBe('result_not_storable');
  });

  it('reports an exception with the line of the code, and what was printed', async () => {
    const outcome = await run('import json\ndef main(a):\n  print("before", a)\n  return json.loads("{")', { a: 's' });
    expect(outcome).toMatchObject({ ok: false, code: 'python_error', type: 'JSONDecodeError', logs: 'before s\n' });
    expect(failed(outcome)?.frames).toEqual(
      expect.arrayContaining([{ file: 'code', line: 4, function: 'main', text: 'return json.loads("{")' }]),
    );
  });

  it('reports the line of a syntax error', async () => {
    expect(failed(await run('x = 1\ndef main(:\n'))).toMatchObject({ type: 'SyntaxError', frames: [{ file: 'code', line: 2 }] });
  });

  it('caps what is printed', async () => {
    const { logs } = await run('def main():\n  for _ in range(1024):\n    print("x" * 1048576)');
    expect(logs.length).toBeLessThan(66_000);
    expect(logs).toMatch(/x\n\[output cut at 65536 bytes\]\n$/);
  });

  it('gives every call fresh globals', async () => {
    expect(await valueOf('count = globals().get("count", 0) + 1\njson.mine = 1\nos.environ["A"] = "b"\nresult = count')).toBe(1);
    expect(await valueOf('count = globals().get("count", 0) + 1\nresult = [count, os.environ.get("A")]')).toEqual([1, null]);
  });

  const tenth = 'import decimal\nresult = str(decimal.Decimal(1) / 7)[:6]';
  const large = 'data = bytearray(600 << 20)\ndef main(): return len(data)';
  const sleepy = 'import time\ntime.sleep(1.3)\nresult = 1';
  it.each<[string, string, string, unknown]>([
    [
      'a wrapper around stdout',
      'import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nresult = 0',
      'print("x")\nresult = 1',
      1,
    ],
    ['a detached stdout', 'import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach())\nresult = 0', 'print("x")\nresult = 1', 1],
    ['an alarm', 'import signal\nsignal.alarm(1)\nresult = 0', sleepy, 1],
    [
      'an alarm with a handler',
      'import signal\ndef late(*_): raise RuntimeError()\nsignal.signal(14, late)\nsignal.alarm(1)\nresult = 0',
      sleepy,
      1,
    ],
    ['a watchdog', 'import faulthandler, sys\nfaulthandler.dump_traceback_later(1, exit=True, file=open("x", "w"))\nresult = 0', sleepy, 1],
    ['memory in its globals', large, large, 600 * 1_048_576],
    ['memory in builtins', 'import builtins\nbuiltins.mine = bytearray(700 << 20)\nresult = 0', large, 600 * 1_048_576],
    [
      'open files',
      'files = [open("/dev/null") for _ in range(200)]\ndef main(): return 0',
      'result = len([open("/dev/null") for _ in range(200)])',
      200,
    ],
    ['a precision of decimals', 'import decimal\ndecimal.getcontext().prec = 3\nresult = 0', tenth, '0.1428'],
    [
      'a time zone',
      'import time\nos.environ["TZ"] = "Asia/Tokyo"\ntime.tzset()\nresult = 0',
      'import time\nresult = time.localtime(0).tm_hour',
      0,
    ],
    ['a limit', 'import resource\nresource.setrlimit(resource.RLIMIT_AS, (200 << 20, 1 << 30))\nresult = 0', large, 600 * 1_048_576],
    [
      'a limit for good',
      'import resource\nresource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))\nresult = 0',
      large,
      600 * 1_048_576,
    ],
    ['a umask', 'os.umask(0o777)\nresult = 0', 'open("f", "w").close()\nresult = open("f").read()', ''],
    ['a trace', 'import sys\ndef seen(*_): print("seen")\nsys.settrace(seen)\nresult = 0', 'import sys\nresult = sys.gettrace()', null],
    [
      'a recursion limit',
      'import sys\nsys.setrecursionlimit(60)\nresult = 0',
      'def f(n): return n and f(n - 1)\ndef main(): return f(200)',
      0,
    ],
    [
      'a time-out of sockets',
      'import socket\nsocket.setdefaulttimeout(0.001)\nresult = 0',
      'import socket\nresult = socket.getdefaulttimeout()',
      null,
    ],
    ['a function of everybody', 'import builtins\nbuiltins.len = lambda _: 9\nresult = 0', 'result = len([])', 0],
    ['a module of everybody', 'import sys\nsys.modules["os"] = None\nresult = 0', 'import os\nresult = os.sep', '/'],
    [
      'a database',
      'import sqlite3\nsqlite3.connect("db").execute("CREATE TABLE t (x)")\nos.makedirs("a/b")\nos.symlink("/", "a/root")\nresult = 0',
      'result = os.listdir(".")',
      [],
    ],
  ])('keeps from the next call what one leaves behind: %s', async (name, first, second, expected) => {
    const tenantId = name; // a process that nobody else has used
    expect(await valueOf(first, {}, { tenantId })).toEqual(first === large ? expected : 0);
    expect(await valueOf(second, {}, { tenantId })).toEqual(expected);
  });

  it('draws other numbers after a call that wanted the same ones', async () => {
    const seeded = 'import random\nrandom.seed(42)\nresult = 0';
    const drawn = async () => [await valueOf(seeded), await valueOf('import random\nresult = random.random()')][1];
    expect(await drawn()).not.toBe(await drawn());
  });

  it('keeps what was printed through a stream of the code', async () => {
    const { logs } = await run('import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint("hi")\nresult = 1');
    expect(logs).toBe('hi\n');
  });

  it('shows nothing of the environment of the service', async () => {
    process.env['SHOWRUNNER_TEST_SECRET'] = 'canary';
    const seen = await valueOf('result = sorted(os.environ)');
    delete process.env['SHOWRUNNER_TEST_SECRET'];
    expect(seen).toEqual(['HOME', 'LANG', 'PATH', 'PYTHONDONTWRITEBYTECODE', 'TMPDIR']);
  });

  it('ends an infinite loop on abort, and goes on with another process', async () => {
    const first = await valueOf('result = os.getpid()');
    const abort = new AbortController();
    const running = run('while True: pass', {}, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error('time is up')), 100);
    await expect(running).rejects.toThrow('time is up');
    expect(await valueOf('result = os.getpid()')).not.toBe(first);
    // The warm process may answer before the killed one is reaped.
    while (sandbox.pids.includes(first as number)) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(Promise.resolve().then(() => process.kill(first as number, 0))).rejects.toThrow('ESRCH');
  });

  it.each([
    ['os._exit', 'os._exit(3)', /ended with code 3/],
    ['a last word', 'os.write(2, b"so it is"); os._exit(3)', /ended with code 3: so it is\.$/],
    ['a last line whose beginning is lost', 'os.write(2, b"x" * 1000 + b"secret" + b"x" * 1997); os._exit(3)', /ended with code 3\.$/],
    ['kill -9', 'os.kill(os.getpid(), 9)', /ended by SIGKILL/],
    ['output that breaks the protocol', 'os.write(3, b"\\xff\\xff\\xff\\xff")\nwhile True: pass', /above the limit/],
  ])('fails the call and recovers after %s', async (_name, code, message) => {
    await expect(run(code)).rejects.toThrow(message);
    expect(await valueOf('result = 1')).toBe(1);
  });

  it('survives code that takes all memory', async () => {
    expect(await valueOf('def main():\n  a = []\n  while True: a.append(bytearray(1 << 26))')).toMatch(/^MemoryError/);
    expect(await valueOf('result = 1')).toBe(1);
  });

  it('refuses results above the limit', async () => {
    expect(failed(await run('result = "x" * (16 << 20)'))?.code).toBe('result_too_large');
  });

  it('does not reuse a process in which threads were left', async () => {
    const first = await valueOf(
      'import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nresult = os.getpid()',
    );
    expect(await valueOf('result = os.getpid()')).not.toBe(first);
  });

  it('never shares a process between tenants, also when all places are taken', async () => {
    const pid = (tenantId: string) => valueOf('result = os.getpid()', {}, { tenantId });
    const pids = [await pid('a'), await pid('b'), await pid('c'), await pid('d')];
    expect(new Set(pids).size).toBe(4);
    while (sandbox.pids.length > 2) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('queues calls beyond its processes, and lets a waiting one leave', async () => {
    const abort = new AbortController();
    const sleepy = 'import time\ntime.sleep(0.2)\nresult = 1';
    const calls = [run(sleepy), run(sleepy), run(sleepy)];
    const leaving = run(sleepy, {}, { signal: abort.signal });
    abort.abort(new Error('cancelled'));
    await expect(leaving).rejects.toThrow('cancelled');
    expect((await Promise.all(calls)).map(({ ok }) => ok)).toEqual([true, true, true]);
  });

  const refused = (statement: string) => `def main():
  import ctypes, resource, signal, socket, subprocess, threading
  libc = ctypes.CDLL(None, use_errno=True)
  def call(name, *arguments):
    if getattr(libc, name)(*arguments) != -1: return 'done'
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
  try:
    return [str(${statement})]
  except OSError as error:
    return type(error).__name__`;

  it('puts up the walls that this kernel has', () => {
    const version = 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))';
    const landlock = Number(execFileSync('python3', ['-c', version], { encoding: 'utf8' })) >= 1;
    const seccomp = /^Seccomp:/m.test(readFileSync('/proc/self/status', 'utf8')) && ['x64', 'arm64'].includes(process.arch);
    expect(sandbox.walls).toEqual({ landlock, seccomp });
  });

  it.each([
    ['fork', 'os.fork()'],
    ['a program', 'subprocess.run(["/bin/true"])'],
    ['another program in its place', 'os.execv("/bin/true", ["true"])'],
    ['a session of its own', 'os.setsid()'],
    ['a signal to the service', 'os.kill(os.getppid(), 0)'],
    ['a signal to all', 'os.kill(-1, 9)'],
    ['outliving the service', 'call("prctl", 1, 0, 0, 0, 0)'],
    ['another limit for the service', 'resource.prlimit(os.getppid(), resource.RLIMIT_CPU)'],
    ['ptrace', 'call("ptrace", 16, os.getppid(), 0, 0)'],
    ['mount', 'call("mount", b"none", b"/tmp", b"tmpfs", 0, None)'],
    ['a user namespace', 'call("unshare", 0x10000000)'],
    ['a raw socket', 'socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'],
    ['a packet socket', 'socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'],
  ])('refuses %s', async (_name, statement) => {
    if (!sandbox.walls.seccomp) return;
    expect(await valueOf(refused(statement))).toBe('PermissionError');
  });

  it.each([
    ['/etc/passwd', 'open("/etc/passwd").read()'],
    ['the processes', 'os.listdir("/proc")'],
    ['the environment of the service', 'open("/proc/%d/environ" % os.getppid()).read()'],
    ['the folders of others', 'os.listdir("/tmp")'],
    ['a file outside its folder', 'open("/tmp/showrunner-spec", "w")'],
    ['a way out of its folder', 'open(os.path.join(os.getcwd(), "../../etc/passwd")).read()'],
    ['a link out of its folder', '(os.symlink("/etc/passwd", "link"), open("link").read())'],
  ])('keeps %s out of reach', async (_name, statement) => {
    if (!sandbox.walls.landlock) return;
    expect(await valueOf(refused(statement))).toMatch(/^(PermissionError|FileNotFoundError)$/);
  });

  it('leaves threads, files of its own, and libraries', async () => {
    const code = `def main():
  import concurrent.futures, hashlib, ssl, sqlite3, tempfile
  open("mine", "w").write("x")
  with concurrent.futures.ThreadPoolExecutor() as pool: found = pool.submit(lambda: open("mine").read()).result()
  return [found, tempfile.TemporaryFile().write(b"ab"), sqlite3.connect("db").execute("SELECT 1").fetchone()[0]]`;
    expect(await valueOf(code)).toEqual(['x', 2, 1]);
  });
});

it('runs nothing where the stricter isolation does not work, and the weaker one was not asked for', async () => {
  const sandbox = await open({ isolation: 'auto', processOnlyIfAsked: true });
  const run = sandbox.runPython(callOf('def main():\n  return 1'));
  if (sandbox.isolation === 'bubblewrap') await expect(run).resolves.toMatchObject({ ok: true });
  else await expect(run).rejects.toMatchObject({ code: 'sandbox_unavailable', retryable: false });
  await sandbox.close();
  const asked = await open({ isolation: 'process', processOnlyIfAsked: true });
  await expect(asked.runPython(callOf('def main():\n  return 1'))).resolves.toMatchObject({ ok: true });
  await asked.close();
});
