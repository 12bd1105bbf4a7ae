import { readFileSync } from 'node:fs';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

const WAITING = 10_000;
const WARM_UP = 1_000;
const AT_ONCE = 50;
const LONG = 400_000;
let database: TestDatabase;
let service: ServiceProcess;
beforeAll(async () => {
  database = await createTestDatabase();
  service = await spawnService({ DATABASE_URL: database.url });
}, LONG);
afterAll(async () => {
  await service.end('SIGTERM');
  await database.drop();
}, LONG);

const residentMiB = (): number => {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))!;
  return Number(kib) / 1024;
};
const scrape = async (series: string): Promise<number> => {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  return Number(new RegExp(`^showrunner_${series} (\\S+)$`, 'm').exec(text)![1]);
};
const databaseNow = async (): Promise<number> =>
  (await query<{ now: number }>(database.url, 'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now'))[0]!.now;

/** Starts so many that wait until then. @returns milliseconds it took */
async function startWaiting(count: number, until: string): Promise<number> {
  const began = performance.now();
  const body = JSON.stringify({ path: 'waits', parameters: { until } });
  let left = count;
  const clients = Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      // Not by the test client, which holds every answer against the contract and takes longer for it than the service.
      const answer = await fetch(`${service.url}/execute`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      await answer.text();
      expect(answer.status).toBe(202);
    }
  });
  await Promise.all(clients);
  return performance.now() - began;
}

/** Resolves once so many executions are so. */
async function until(condition: string, count: number): Promise<void> {
  for (const end = performance.now() + 120_000; ;) {
    const [row] = await query<{ n: number }>(database.url, `SELECT count(*)::int AS n FROM execution WHERE ${condition}`);
    if (row!.n === count) return;
    if (performance.now() > end) throw new Error(`${row!.n} executions are ${condition}, not ${count}`);
    await new Promise((done) => setTimeout(done, 250));
  }
}

it(
  '10,000 executions that wait are rows and nothing else; every one goes on at its time or after it',
  async () => {
    await service.register(
      `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: waits, path: waits }\nworkflow:\n  - { step: start, type: wait, until: "{{ workload.until }}", next: end }\n  - step: end\n`,
    );
    // Warms the process, and says how long the real ones will take on this machine today.
    const warmUpMs = await startWaiting(WARM_UP, '2026-01-01T00:00:00Z');
    await until(`status = 'completed'`, WARM_UP);
    const before = residentMiB();
    const dueAt = Math.ceil((await databaseNow()) + 15_000 + (2.5 * warmUpMs * WAITING) / WARM_UP);
    const startedMs = await startWaiting(WAITING, new Date(dueAt).toISOString());
    await until(`status = 'running' AND lease_token IS NULL AND wake_at IS NOT NULL`, WAITING);
    expect(await scrape('runs_held')).toBe(0);
    expect(await scrape('runs_in_memory')).toBe(0);
    expect(await databaseNow()).toBeLessThan(dueAt);
    const waiting = residentMiB();

    await until(`status = 'completed'`, WARM_UP + WAITING);
    const after = residentMiB();
    const [late] = await query<Readonly<Record<'woken' | 'earliest' | 'p50' | 'p99' | 'worst', number>>>(
      database.url,
      `SELECT count(*)::int AS woken, min(late) AS earliest, percentile_disc(0.5) WITHIN GROUP (ORDER BY late) AS p50,
         percentile_disc(0.99) WITHIN GROUP (ORDER BY late) AS p99, max(late) AS worst
       FROM (SELECT extract(epoch FROM v.at)::float8 * 1000 - $1 AS late FROM execution_event v JOIN execution_payload p USING (execution_id)
             WHERE event_type = 'step_woken' AND p.part = 0 AND p.parameters ->> 'until' = $2) woken`,
      [dueAt, new Date(dueAt).toISOString()],
    );
    const kib = ((waiting - before) * 1024) / WAITING;
    console.log(
      `${WAITING} starts in ${Math.round(startedMs)} ms; late by ${late!.p50} ms (median), ${late!.p99} ms (p99), ${late!.worst} ms (worst)\n` +
        `memory of the process: ${before.toFixed()} MiB before, ${waiting.toFixed()} while all wait (${kib.toFixed(1)} KiB each), ${after.toFixed()} after`,
    );
    expect(late!.woken).toBe(WAITING);
    expect(late!.earliest).toBeGreaterThanOrEqual(0);
  },
  LONG,
);
