import { createServer, type Server } from 'node:net';
import { readFileSync } from 'node:fs';
import { hasBubblewrap, runStep, startStep } from '../support/code-runs.js';
import { createTestDatabase } from '../support/database.js';
import { type ServiceProcess, spawnService, startTestService, type TestService } from '../support/service.js';

const MODES = ['process', ...(hasBubblewrap() ? ['bubblewrap'] : [])] as const;

/** Tries a statement; a refusal is the name of its exception. */
const attempt = (statement: string): string => `def main():
  import ctypes, resource, signal, socket, subprocess, threading, urllib.request
  libc = ctypes.CDLL(None, use_errno=True)
  def call(name, *arguments):
    if getattr(libc, name)(*arguments) != -1: return 'done'
    raise OSError(ctypes.get_errno(), 'refused')
  try:
    return {"did": str(${statement})[:200]}
  except (OSError, MemoryError) as error:
    return {"refused": type(error).__name__}
`;

/** T23, what no isolation allows. */
const NEVER: readonly (readonly [string, string])[] = [
  ['/etc/passwd', 'open("/etc/passwd").read()'],
  ['/etc/shadow', 'open("/etc/shadow").read()'],
  ['the data of the service', 'os.listdir(DATA_DIR)'],
  ['the environment of the service', 'open("/proc/" + SERVICE_PID + "/environ").read()'],
  ['the memory of the service', 'open("/proc/" + SERVICE_PID + "/mem", "rb").read(1)'],
  ['a file outside its folder', 'open("/usr/showrunner-was-here", "w")'],
  ['ptrace', 'call("ptrace", 16, int(SERVICE_PID), 0, 0)'],
  ['mount', 'call("mount", b"none", b"/tmp", b"tmpfs", 0, None)'],
  ['a user namespace', 'call("unshare", 0x10000000)'],
  ['a raw socket', 'socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'],
  ['a packet socket', 'socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'],
  ['a child', 'os.fork()'],
  ['a shell', 'subprocess.run("true", shell=True)'],
  ['a session of its own', 'os.setsid()'],
  ['a signal to the service', 'os.kill(int(SERVICE_PID), 0)'],
  ['a signal to everybody', 'os.kill(-1, 9)'],
  ['outliving the service', 'call("prctl", 1, 0, 0, 0, 0)'],
  ['4 GiB of memory', 'len(bytearray(4 << 30))'],
  ['a file of 1 GiB', '[open("big", "wb").truncate(1 << 30), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)]'],
];

/** What only a sandbox without network refuses. */
const WITHOUT_NETWORK: readonly (readonly [string, string])[] = [
  ['the database of the service', 'socket.create_connection(("127.0.0.1", int(DATABASE_PORT)), 5)'],
  ['a listener of this machine', 'socket.create_connection(("127.0.0.1", int(CANARY_PORT)), 5)'],
  ['the metadata address', 'urllib.request.urlopen("http://169.254.169.254/", timeout=3)'],
];

describe.each(MODES)('what python code may do under the isolation %s', (isolation) => {
  let service: TestService;
  let canary: Server;
  let values: Record<string, string>;
  beforeAll(async () => {
    process.env['SHOWRUNNER_TEST_SECRET'] = 'canary-value';
    service = await startTestService({ ISOLATION: isolation, PYTHON_WORKERS: '2' });
    canary = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => canary.once('listening', resolve));
    const canaryPort = (canary.address() as { port: number }).port;
    values = {
      DATA_DIR: process.env['HOME'] ?? '/root',
      SERVICE_PID: String(process.pid),
      DATABASE_PORT: new URL(service.databaseUrl).port,
      CANARY_PORT: String(canaryPort),
    };
  });
  afterAll(async () => {
    delete process.env['SHOWRUNNER_TEST_SECRET'];
    canary.close();
    await service.stop();
  });

  const tried = async (statement: string): Promise<unknown> => {
    const code = attempt(
      statement.replace(/\b(?:DATA_DIR|SERVICE_PID|DATABASE_PORT|CANARY_PORT)\b/g, (name) => JSON.stringify(values[name])),
    );
    const { result, message } = await runStep(service, 'python', { code });
    return result ?? message;
  };

  it('refuses what is refused everywhere', async () => {
    const seen: Record<string, unknown> = {};
    for (const [name, statement] of NEVER) seen[name] = await tried(statement);
    expect(seen).toEqual(Object.fromEntries(NEVER.map(([name]) => [name, { refused: expect.stringMatching(/Error$/) as string }])));
  });

  it('reaches the network only where that is allowed', async () => {
    let connections = 0;
    canary.on('connection', (socket) => {
      connections += 1;
      socket.destroy();
    });
    const seen: Record<string, unknown> = {};
    for (const [name, statement] of WITHOUT_NETWORK.slice(0, isolation === 'bubblewrap' ? 3 : 0)) seen[name] = await tried(statement);
    for (const found of Object.values(seen)) expect(found).toEqual({ refused: expect.stringMatching(/Error$/) as string });
    expect(connections).toBe(0);
  });

  it('shows nothing of the environment, nor of other processes', async () => {
    const { result } = await runStep(service, 'python', {
      code: 'result = sorted(os.environ) + [str(os.environ.get("SHOWRUNNER_TEST_SECRET"))]',
    });
    expect(result).toEqual(expect.arrayContaining(['HOME', 'PATH', 'None']));
    expect(JSON.stringify(result)).not.toContain('SHOWRUNNER');
    const processes = await runStep(service, 'python', {
      code: 'def main():\n  try: return [p for p in os.listdir("/proc") if p.isdigit()]\n  except OSError: return []',
    });
    expect(processes.result).toEqual([]);
  });

  it('ends code that never returns and ignores every signal, and leaves no process of it', async () => {
    const code = `import signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
def main():
  while True: pass`;
    const { status, code: failure } = await runStep(service, 'python', { code }, { timeout: 1 });
    expect([status, failure]).toEqual(['failed', 'timeout']);
    expect((await runStep(service, 'python', { code: 'result = 1' })).result).toBe(1);
  });

  it('keeps 64 KiB of a gigabyte of prints', async () => {
    const code = 'def main():\n  print("é" * 10)\n  for _ in range(1024): print("x" * (1 << 20))\n  return 1';
    const { result, logs } = await runStep(service, 'python', { code });
    expect(result).toBe(1);
    expect(logs).toMatch(/^é{10}\nx+\n\[output cut at 65536 bytes\]\n$/);
  });

  it('ends code that takes 8 GiB, code that leaves by the back door, and results that are too large', async () => {
    const hoard = await runStep(service, 'python', { code: 'def main():\n  hoard = []\n  while True: hoard.append(bytearray(1 << 26))' });
    expect([hoard.status, hoard.code, hoard.message]).toEqual(['failed', 'python_error', expect.stringContaining('MemoryError') as string]);
    const exit = await runStep(service, 'python', { code: 'os._exit(3)' });
    expect([exit.status, exit.code]).toEqual(['failed', 'python_error']);
    const large = await runStep(service, 'python', { code: 'result = "x" * (16 << 20)' });
    expect([large.status, large.code]).toEqual(['failed', 'result_too_large']);
    expect((await service.get('/health')).status).toBe(200);
  });

  it('ends a bomb of processes and a bomb of threads', async () => {
    const forks = await runStep(service, 'python', {
      code: 'def main():\n  made = 0\n  for _ in range(100):\n    try:\n      if os.fork() == 0: os._exit(0)\n      made += 1\n    except OSError: pass\n  return made',
    });
    expect(forks.result).toBe(0);
    const threads = await runStep(service, 'python', {
      code: 'import threading, time\ndef main():\n  made = 0\n  try:\n    while made < 5000:\n      threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n      made += 1\n  except (RuntimeError, MemoryError): pass\n  return made',
    });
    expect(threads.result).toBeLessThan(5000);
    expect((await runStep(service, 'python', { code: 'result = 1' })).result).toBe(1);
  });
  it('stores by python: main(data) of a save', async () => {
    const saved = await runStep(service, 'python', {
      code: 'result = {"data": {"n": 2}}',
      save: {
        storage: 'python',
        data: '{{ result.data }}',
        code: 'def main(data):\n  assert data == {"n": 2}\n  print("stored", data["n"])',
      },
    });
    expect([saved.status, saved.message]).toEqual(['completed', '""']);
    const failed = await runStep(service, 'python', {
      code: 'result = 1',
      save: { storage: 'python', data: { n: '{{ result }}' }, code: 'def main(data):\n  raise ValueError("full")' },
    });
    expect([failed.status, failed.code]).toEqual(['failed', 'python_error']);
  });
});

describe('a service that is killed', () => {
  let node: ServiceProcess;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    const database = await createTestDatabase();
    drop = () => database.drop();
    node = await spawnService({ DATABASE_URL: database.url, ISOLATION: 'process', PYTHON_WORKERS: '2' });
  });
  afterAll(async () => {
    await node.end('SIGKILL');
    await drop();
  });

  it('leaves none of its children behind, whatever their code does', async () => {
    const python = `import signal, threading, time
for number in (signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
def main():
  os.close(0)
  while True:
    try: os.fork()
    except OSError: pass`;
    await startStep(node, 'python', { code: python });
    await startStep(node, 'javascript', { code: 'while (true);' });
    const children = () =>
      readFileSync(`/proc/${node.pid}/task/${node.pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
    const busy = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[13]) > 20;
    const until = async (condition: () => boolean) => {
      while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await until(() => children().filter(busy).length >= 2);
    const before = children();
    await node.end('SIGKILL');
    const alive = (pid: number) => {
      try {
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
      } catch {
        return false;
      }
    };
    await until(() => !before.some(alive));
    expect(before.length).toBeGreaterThanOrEqual(2);
  });
});
