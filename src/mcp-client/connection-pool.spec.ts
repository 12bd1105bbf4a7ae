import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { StepFailure } from '../engine/step-executor.js';
import { ConnectionPool, type PoolOptions, type WantedConnection } from './connection-pool.js';
import { type StdioMcpServer } from './mcp-server.js';
import { argvOf, canLimit } from './stdio-argv.js';

const SCRIPTED = resolve('test', 'support', 'scripted-mcp-server.mjs');
const NO_LIMITS = { memoryBytes: null, cpuSeconds: null, fileBytes: null, openFiles: null };
const server = (name: string, more: Partial<StdioMcpServer> = {}): StdioMcpServer => ({
  kind: 'stdio',
  name,
  version: '1',
  command: process.execPath,
  args: [SCRIPTED],
  env: { SCRIPTED_STUBBORN: 'yes' },
  cwd: null,
  limits: NO_LIMITS,
  ...more,
});
const wanted = (of: StdioMcpServer, tenantId = 'default'): WantedConnection => ({ tenantId, server: of, credential: '', headers: {} });
const signal = AbortSignal.timeout(60_000);
let pool: ConnectionPool;
const said: string[] = [];
const open = (options: Partial<PoolOptions> = {}): void => {
  pool = new ConnectionPool({
    outbound: { stream: () => Promise.reject(new Error('not here')) },
    stderr: (_server, text) => said.push(text),
    ...options,
  });
};
afterEach(() => pool.close());
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('it never came true');
    await new Promise((done) => setTimeout(done, 10));
  }
}

describe(ConnectionPool.name, () => {
  it('tells what a process says on its error output, without what it was given', async () => {
    open();
    await pool.connectionFor(wanted(server('s', { env: { SCRIPTED_TOKEN: 'a-token-nobody-sees' } })), signal);
    await until(() => said.some((text) => text.includes('it knows')));
    expect(said.join('\n')).toContain('it knows [REDACTED]');
    expect(said.join('\n')).not.toContain('a-token');
  });

  it('shares a process among the calls of one tenant, and keeps tenants apart', async () => {
    open();
    const [one, same, other] = await Promise.all([
      pool.connectionFor(wanted(server('s')), signal),
      pool.connectionFor(wanted(server('s')), signal),
      pool.connectionFor(wanted(server('s'), 'other'), signal),
    ]);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
    expect(one.era).toBe('legacy');
    expect(pool.pids).toHaveLength(2);
    expect(said).toContain('scripted server is here');
    const { pids } = pool;
    await pool.close();
    expect(pids.filter(isAlive)).toEqual([]);
    await expect(pool.connectionFor(wanted(server('s')), signal)).rejects.toMatchObject({ code: 'mcp_server_unavailable' });
  });

  it('ends a process that nobody uses, whatever it makes of the end of its input', async () => {
    open({ idleMs: 50 });
    const { pid } = await pool.connectionFor(wanted(server('s')), signal);
    await until(() => pool.pids.length === 0);
    await until(() => !isAlive(pid!));
  });

  it('has as many processes as it may: an idle one makes room, a busy one does not', async () => {
    open({ processes: 1 });
    const first = await pool.connectionFor(wanted(server('first')), signal);
    const second = await pool.connectionFor(wanted(server('second')), signal);
    expect(pool.pids).toEqual([second.pid]);
    await until(() => !isAlive(first.pid!));
    second.active += 1;
    await expect(pool.connectionFor(wanted(server('third')), signal)).rejects.toMatchObject({
      name: StepFailure.name,
      code: 'mcp_server_unavailable',
      retryable: true,
    });
    second.active -= 1;
  });

  it.each<[string, Partial<StdioMcpServer>, RegExp]>([
    ['that is not there', { command: '/no/such/program' }, /cannot be started|ended the connection/],
    ['that ends at once', { args: ['-e', 'process.exit(1)'] }, /ended the connection|cannot be started/],
  ])('says that a program %s is not available, and after five times leaves it alone', async (_name, more, message) => {
    open();
    const failing = wanted(server('failing', more));
    for (let count = 0; count < 5; count += 1)
      await expect(pool.connectionFor(failing, signal)).rejects.toMatchObject({
        code: 'mcp_server_unavailable',
        message: expect.stringMatching(message) as string,
      });
    await expect(pool.connectionFor(failing, signal)).rejects.toThrow(/5 times in a row/);
  });

  (canLimit() ? it : it.skip)('has processes within their limits, which one that goes beyond does not survive', async () => {
    open();
    const limits = { memoryBytes: 2 ** 36, cpuSeconds: 1, fileBytes: 1_048_576, openFiles: 64 };
    const { pid } = await pool.connectionFor(wanted(server('limited', { limits })), signal);
    const told = readFileSync(`/proc/${pid}/limits`, 'utf8');
    for (const [name, limit] of [
      ['Max address space', 2 ** 36],
      ['Max cpu time', 1],
      ['Max file size', 1_048_576],
      ['Max open files', 64],
      ['Max core file size', 0],
    ] as const)
      expect(told).toMatch(new RegExp(`^${name} +${limit} +${limit} `, 'm'));
    const busy = server('busy', { args: ['-e', 'for (;;);'], limits });
    await expect(pool.connectionFor(wanted(busy), signal)).rejects.toMatchObject({ code: 'mcp_server_unavailable' });
  });

  const onLinux = argvOf(server('s'))[0] !== process.execPath ? it : it.skip;
  onLinux('has processes that do not survive this one', async () => {
    open();
    // Another Node, which starts the same as the transport, and is killed.
    const program = `
      const { spawn } = require('node:child_process');
      const [command, ...args] = ${JSON.stringify(argvOf(server('s')))};
      const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: { SCRIPTED_STUBBORN: 'yes' } });
      child.once('spawn', () => setTimeout(() => console.log(child.pid), 300));
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
    expect(isAlive(Number(line))).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !isAlive(Number(line)));
  });
});
