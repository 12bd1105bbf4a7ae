import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DurableServer, startDurableServer } from '../support/database.js';
import { EffectServer } from '../support/effect-server.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

const LEASE_MS = 2_000;
const LONG = 180_000;
let database: DurableServer;
let effects: EffectServer;
let service: ServiceProcess;
beforeAll(async () => {
  [database, effects] = [await startDurableServer(), await EffectServer.start()];
  service = await spawnService({
    DATABASE_URL: database.url,
    LEASE_SECONDS: String(LEASE_MS / 1000),
    OUTBOUND_ALLOW: `127.0.0.1:${effects.port}`,
  });
}, LONG);
afterAll(async () => {
  await service.end('SIGTERM');
  await effects.close();
  await database.stop();
}, LONG);

/** The server crashes, and the one that is started instead stands still for two leases, as if it had much to recover. */
async function crashForTwoLeases(): Promise<void> {
  const postmaster = (): number => {
    try {
      return Number(readFileSync(join(database.dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
    } catch {
      return 0; // between the two
    }
  };
  const crashed = postmaster();
  process.kill(crashed, 'SIGKILL');
  let next = crashed;
  for (const until = performance.now() + 60_000; next === crashed || next === 0; next = postmaster()) {
    if (performance.now() > until) throw new Error('nobody starts the database again');
    await new Promise((done) => setTimeout(done, 5));
  }
  process.kill(next, 'SIGSTOP');
  // It begins no others any more; where it was quick, some serve already.
  const children = readFileSync(`/proc/${next}/task/${next}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  signal(children, 'SIGSTOP');
  await new Promise((done) => setTimeout(done, 2 * LEASE_MS));
  signal([...children, next], 'SIGCONT');
}

function signal(pids: readonly number[], name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended by itself.
    }
  }
}

it(
  'a lease that ran out while the database was away is not counted against its execution',
  async () => {
    await service.register(
      `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: away, path: away }\nworkflow:\n` +
        `  - { step: start, type: http, timeout: 100, endpoint: "http://127.0.0.1:${effects.port}/hold", next: end }\n  - step: end\n`,
    );
    const id = await service.execute('away');
    await effects.called('/hold', 1);
    await crashForTwoLeases();
    // The node let go of it when it could not know any more whether it was still its own, and takes it again.
    await effects.called('/hold', 2);
    expect(await query(database.url, `SELECT claim_no, attempts FROM execution WHERE id = ${id}`)).toEqual([{ claim_no: 2, attempts: 0 }]);
    effects.release();
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed' });
    expect(new Set(effects.of('/hold').map(({ key }) => key)).size).toBe(1);
  },
  LONG,
);
