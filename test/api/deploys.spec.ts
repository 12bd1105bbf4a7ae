import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DurableServer, startDurableServer } from '../support/database.js';
import { EffectServer } from '../support/effect-server.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

/**
 * Twenty timers. Beyond 5 s a run gives up its lease and waits as a row; the four around 4 s follow each other, so that a node that is told to
 * stop in the first of them cannot drain and has to give the run back.
 */
const TIMERS = [
  ...['400ms', '5.6', '2.4', '300ms', '4', '4.5', '4.5', '4.5', '6', '5.2'],
  ...['1.5', '300ms', '400ms', '5.2', '3', '300ms', '400ms', '5.2', '2', '300ms'],
];
const RELEASED = TIMERS.filter((text) => !text.endsWith('ms') && Number(text) > 5).length;
const LONG = 300_000;
let database: DurableServer;
let effects: EffectServer;
let service: ServiceProcess | null = null;

beforeAll(async () => {
  [database, effects] = [await startDurableServer(), await EffectServer.start()];
}, LONG);
afterAll(async () => {
  await service?.end('SIGTERM');
  await effects.close();
  await database.stop();
}, LONG);

const start = async (): Promise<ServiceProcess> => {
  service = await spawnService({ DATABASE_URL: database.url, LEASE_SECONDS: '2', OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` });
  return service;
};

/** start, then by turns a timer and an effect. */
const playbook = (): string => {
  const rounds = TIMERS.map((duration, n) => {
    const next = n + 1 < TIMERS.length ? `wait_${n + 1}` : 'end';
    const effect = `  - { step: call_${n}, type: http, endpoint: "http://127.0.0.1:${effects.port}/${n}", next: ${next} }
`;
    return `  - { step: wait_${n}, type: wait, duration: '${duration}', next: call_${n} }
${effect}`;
  });
  return `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: deploys, path: deploys }\nworkflow:\n  - { step: start, next: wait_0 }\n${rounds.join('')}  - step: end\n`;
};

async function deploy(): Promise<void> {
  const ending = service;
  service = null;
  expect(await ending!.end('SIGTERM')).toBe(0);
  await start();
}

/** Whoever watches the server starts it again. */
async function restartDatabase(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
  const postmaster = (): string => readFileSync(join(database.dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]!;
  const startedAt = async (): Promise<string> =>
    (await query<{ at: string }>(database.url, 'SELECT pg_postmaster_start_time()::text AS at'))[0]!.at;
  const before = await startedAt();
  process.kill(Number(postmaster()), signal);
  for (const until = performance.now() + 60_000; (await startedAt().catch(() => before)) === before;) {
    if (performance.now() > until) throw new Error('the database does not come back');
    await new Promise((done) => setTimeout(done, 50));
  }
}

it(
  'an execution with twenty timers outlives ten deploys and five restarts of the database, and nobody counts them against it',
  async () => {
    await (await start()).register(playbook());
    // Whatever is counted is remembered, also where later progress takes it back.
    await query(
      database.url,
      `CREATE TABLE counted AS SELECT attempts, 0::float8 AS up_seconds FROM execution WHERE false;
       CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
         INSERT INTO counted VALUES (NEW.attempts, extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())); RETURN NULL; END$$;
       CREATE TRIGGER counts AFTER UPDATE ON execution FOR EACH ROW WHEN (NEW.attempts > OLD.attempts) EXECUTE FUNCTION count_it()`,
    );
    const id = await service!.execute('deploys');
    for (let n = 0; n < TIMERS.length; n++) {
      if (n % 4 < 2) await deploy();
      if (n % 4 === 2) await restartDatabase(n % 8 === 2 ? 'SIGKILL' : 'SIGINT');
      await effects.called(`/${n}`, 1, 60);
    }
    expect(await service!.waitDone(id)).toMatchObject({ status: 'completed', progress: 100 });

    const [row] = await query<{ claim_no: number }>(
      database.url,
      `SELECT attempts, lease_token, wake_at, claim_no FROM execution WHERE id = ${id}`,
    );
    const counted = await query<{ attempts: number; up_seconds: number }>(database.url, 'SELECT * FROM counted');
    console.log(`${row!.claim_no} claims, ${counted.length} counted, ${effects.effects.length} calls`);
    expect(row).toEqual({ attempts: 0, lease_token: null, wake_at: null, claim_no: expect.any(Number) as number });
    expect(row!.claim_no).toBeGreaterThan(RELEASED);
    // No deploy was ever counted, and never twice in a row the loss of a lease that ran out while the database was away.
    expect(counted.filter(({ attempts, up_seconds: seconds }) => attempts > 1 || seconds > 10)).toEqual([]);
    const events = await service!.events(id);
    for (const [type, step] of [
      ['step_woken', 'wait'],
      ['step_completed', 'call'],
    ] as const) {
      const steps = events
        .filter(({ event_type, node_name }) => event_type === type && node_name?.startsWith(step))
        .map(({ node_name }) => node_name);
      expect(steps).toEqual(TIMERS.map((_, n) => `${step}_${n}`));
    }
    // Each effect happened; where it had to happen again, under the same key.
    for (let n = 0; n < TIMERS.length; n++) expect([n, new Set(effects.of(`/${n}`).map(({ key }) => key)).size]).toEqual([n, 1]);
  },
  LONG,
);
