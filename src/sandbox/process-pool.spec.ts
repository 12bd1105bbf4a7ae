import { execFileSync } from 'node:child_process';
import { ProcessPool } from './process-pool.js';

const CLASSES = new URL('../../test/support/threads/typescript-classes.mjs', import.meta.url).href;

/** Answers each call with its process id, but one that says `hang` not at all. */
const PROGRAM = String.raw`
const { Socket } = require('node:net');
const answers = new Socket({ fd: 3, writable: true });
let held = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  held = Buffer.concat([held, chunk]);
  while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
    const body = held.subarray(4, 4 + held.readUInt32BE(0));
    held = held.subarray(4 + body.length);
    const call = body.length === 0 ? { hang: true } : JSON.parse(body);
    if (call.hang) continue;
    const text = Buffer.from(JSON.stringify({ id: call.id, pid: process.pid }));
    const size = Buffer.alloc(4);
    size.writeUInt32BE(text.length);
    answers.write(Buffer.concat([size, text]));
  }
});
`;

const launch = { command: process.execPath, args: ['-e', PROGRAM], user: null, ownFolder: true };
const open = (workers: number) => new ProcessPool({ launch, workers, callsPerWorker: 100, leaseMs: 15_000, maxFrameBytes: 1_000 });
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const isThere = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe(ProcessPool.name, () => {
  let pool: ProcessPool;
  afterEach(() => pool.close());
  const { signal } = new AbortController();
  const pidOf = async (): Promise<number> => Number((await pool.call('a', {}, signal))['pid']);

  it('does not give a call to a process that has died meanwhile', async () => {
    pool = open(1);
    for (let round = 0; round < 5; round += 1) {
      const pid = await pidOf();
      process.kill(pid, 'SIGKILL');
      while (isThere(pid)) await turn();
      expect(await pidOf()).not.toBe(pid);
    }
  });

  it('ends a call that was given up in the moment its turn came', async () => {
    pool = open(1);
    const abort = new AbortController();
    const first = pool.lend('a', signal, (call) => call({})).then(() => abort.abort(new Error('given up')));
    await expect(Promise.all([first, pool.lend('a', abort.signal, (call) => call({ hang: true }))])).rejects.toThrow('given up');
  });

  describe('where no process can be started', () => {
    /** What `program` says in a Node of its own, which may open 64 files and finds `poolOf(workers)` and `callIn(pool, tenant)`. */
    const saidBy = (program: string): unknown => {
      const head = `
        import { openSync, closeSync } from 'node:fs';
        import 'node:net'; // whatever is loaded late needs a descriptor
        import { ProcessPool } from ${JSON.stringify(new URL('./process-pool.ts', import.meta.url).href)};
        const options = { ...JSON.parse(process.argv[1]), callsPerWorker: 100, leaseMs: 15_000, maxFrameBytes: 1_000 };
        const poolOf = (workers) => new ProcessPool({ ...options, workers });
        const callIn = (pool, tenant) => pool.call(tenant, {}, AbortSignal.timeout(30_000)).then(({ pid }) => pid, (error) => error.message);
        const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));`;
      const node = [process.execPath, '--no-warnings', '--import', CLASSES, '--input-type=module', '-e', head + program];
      const argv = ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...node, JSON.stringify({ launch })];
      return JSON.parse(execFileSync('/bin/sh', argv, { encoding: 'utf8' }));
    };

    it('goes on with those it has', () => {
      const said = saidBy(`
        const pool = poolOf(2);
        const pid = await callIn(pool, 'a');
        for (const other of pool.pids.filter((each) => each !== pid)) process.kill(other, 'SIGKILL');
        while (pool.pids.length > 1) await sleep(5);
        process.env.TMPDIR = '/nowhere';
        const same = (await callIn(pool, 'a')) === pid;
        const other = await callIn(pool, 'b');
        delete process.env.TMPDIR;
        const atOnce = new Set(await Promise.all([callIn(pool, 'a'), callIn(pool, 'a')]));
        console.log(JSON.stringify([same, other, atOnce.size]));
        await pool.close();`);
      expect(said).toEqual([true, 'the process could not be started (ENOENT)', 2]);
    });

    it('fails the call, and not the service, for want of descriptors', () => {
      const said = saidBy(`
        const pool = poolOf(1);
        const held = [];
        try { for (;;) held.push(openSync('/dev/null')); } catch {}
        const heard = await callIn(pool, 'a');
        await sleep(50);
        held.forEach((each) => closeSync(each));
        console.log(JSON.stringify([heard, typeof (await callIn(pool, 'a'))]));
        await pool.close();`);
      expect(said).toEqual(['the process could not be started (EMFILE)', 'number']);
    });
  });
});
