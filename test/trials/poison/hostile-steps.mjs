/** Steps that go for the process they run in. `step`: fields of the one step; `ends`: `failed`, where nothing else is said. */
const python = (code, more = {}) => ({ step: { type: 'python', code, timeout: 8, ...more } });
const main = (...lines) => ['def main():', ...lines.map((line) => `    ${line}`)].join('\n');
const template = (text, workload) => ({ step: { data: { v: text } }, workload });

export const HOSTILE_STEPS = {
  python_exit: python(main('import os', 'os._exit(3)')),
  python_sys_exit: python(main('import sys', 'sys.exit(0)')),
  python_abort: python(main('import os', 'os.abort()')),
  python_kill_self: python(main('import os, signal', 'os.kill(os.getpid(), signal.SIGKILL)')),
  python_kill_parent: { ...python(main('import os, signal', 'os.kill(os.getppid(), signal.SIGKILL)', 'return 1')), ends: 'ended' },
  python_segfault: python(main('import ctypes', 'ctypes.string_at(0)')),
  python_allocate: python(main('return len(bytearray(8 * 1024 ** 3))')),
  python_allocate_slowly: python(main('a = []', 'while True: a.append(bytearray(1024 ** 2))')),
  python_loop: python(main('while True: pass'), { timeout: 3 }),
  python_deaf_loop: python(
    main('import signal', 'for s in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM): signal.signal(s, signal.SIG_IGN)', 'while True: pass'),
    { timeout: 3 },
  ),
  python_recurse: python(main('import sys', 'sys.setrecursionlimit(10 ** 9)', 'def f(): return f()', 'return f()')),
  python_deep_result: { ...python(main('a = []', 'for _ in range(100000): a = [a]', 'return a')) },
  python_circular: python(main('a = []', 'a.append(a)', 'return a')),
  python_huge_result: python(main(`return 'x' * (64 * 1024 * 1024)`)),
  python_flood: { ...python(main('import sys', `for _ in range(300): sys.stdout.write('x' * 1024 * 1024)`, 'return 1')), ends: 'ended' },
  python_close_pipes: {
    ...python(main('import os', 'for n in range(0, 64):', '    try: os.close(n)', '    except OSError: pass', 'return 1')),
  },
  python_garbage: {
    ...python(
      main('import os', 'for n in range(0, 16):', `    try: os.write(n, b'\\xff' * 65536)`, '    except OSError: pass', 'return 1'),
    ),
    ends: 'ended',
  },
  // Bounded, in case nobody ends what it starts.
  python_forks: python(
    main(
      'import os, time',
      'end = time.time() + 10',
      'while time.time() < end:',
      '    try: os.fork()',
      '    except OSError: time.sleep(0.5)',
      '    time.sleep(0.2)',
      'os._exit(0)',
    ),
    { timeout: 3 },
  ),
  python_nan: { ...python(main(`return {'a': float('nan'), 'b': 10 ** 400}`)), ends: 'ended' },
  template_long_loop: template('{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}'),
  template_long_text: template(`{% for a in range(100000) %}${'x'.repeat(1000)}{% endfor %}`),
  template_doubling: template(`{% set x = 'xxxxxxxx' %}${'{% set x = x ~ x %}'.repeat(64)}{{ x }}`),
  template_deep_value: template(`{% set n = [] %}${'{% set n = [n] %}'.repeat(5_000)}{{ n }}`),
  template_power: { ...template('{{ 10 ** 100000 }}'), ends: 'ended' },
  template_repeat: template(`{{ 'x' * 2000000000 }}`),
  endless_cycle: { step: { data: { v: 1 }, next: 'bomb' } },
};

/** Regular expressions and workloads at their limits: they must do no harm, whatever becomes of them. */
export const REGEX_BOMB = {
  type: 'wait_for',
  name: 'go',
  timeout: 20,
  schema: { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+(b|(a|aa)+)*$' } } },
};
