import { type JsonObject } from '../../src/engine/values.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { EffectServer } from '../support/effect-server.js';
import { type TestAnswer } from '../support/http-client.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

// 200 executions that do a bit of everything, on two nodes of which one is killed while they are told to pause, go on and end.
const RUNS = 200;
const LONG = 180_000;
let database: TestDatabase;
let effects: EffectServer;
const nodes: ServiceProcess[] = [];

const node = async (): Promise<ServiceProcess> => {
  const started = await spawnService({ DATABASE_URL: database.url, LEASE_SECONDS: '2', OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` });
  nodes.push(started);
  return started;
};
beforeAll(async () => {
  [database, effects] = [await createTestDatabase(), await EffectServer.start()];
  await node();
  await node();
}, LONG);
afterAll(async () => {
  for (const each of nodes) await each.end('SIGTERM');
  await effects.close();
  await database.drop();
}, LONG);

const document = (name: string, steps: string): string =>
  `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: ${name}, path: storm/${name} }\nworkflow:\n${steps}  - step: end\n`;
const http = (path: string, rest: string): string => `type: http, endpoint: "http://127.0.0.1:${effects.port}${path}", ${rest}`;
const PLAYBOOKS: Readonly<Record<string, () => string>> = {
  waits: () =>
    `  - { step: start, type: wait, duration: "{{ workload.naps }}", next: call }\n  - { step: call, ${http('/call', 'next: end')} }\n`,
  signals: () => `  - { step: start, ${http('/call', 'next: hold')} }\n  - { step: hold, type: wait_for, name: go, next: end }\n`,
  // One branch waits for a signal that does not come, the other for a time.
  both: () =>
    `  - { step: start, next: [hold, nap] }\n  - { step: hold, type: wait_for, name: go, timeout: 3, on_timeout: end, next: end }\n  - { step: nap, type: wait, duration: 1, next: end }\n`,
  fails: () => `  - { step: start, ${http('/status/500', 'retry: 3, retry_delay: 0.5, next: end')} }\n`,
  // Long enough for a snapshot, and then it waits.
  long: () =>
    `  - { step: start, next: count }\n  - { step: count, vars: { n: "{{ (vars.n | default(0)) + 1 }}" }, next: back }\n` +
    `  - { step: back, next: [{ when: "{{ vars.n < 250 }}", then: [count] }, { else: [hold] }] }\n  - { step: hold, type: wait_for, name: go, next: end }\n`,
};
/** What is started, and what may come of it if nobody cancels it. */
const KINDS: readonly (readonly [string, JsonObject, 'completed' | 'failed'])[] = [
  ['waits', { naps: 0.5 }, 'completed'],
  ['waits', { naps: 3 }, 'completed'],
  ['waits', { naps: 6 }, 'completed'],
  ['signals', {}, 'completed'],
  ['signals', {}, 'completed'],
  ['both', {}, 'completed'],
  ['fails', {}, 'failed'],
  ['long', {}, 'completed'],
];

interface Run {
  readonly id: string;
  readonly kind: (typeof KINDS)[number];
  cancelled: boolean;
}

/** Starts one; where a slow machine makes 200 starts at once too many for a lease of two seconds, it is started again, as the answer says. */
async function start(n: number, path: string, parameters: JsonObject): Promise<string> {
  for (;;) {
    const { status, json } = await nodes[n % 2]!.post('/execute', { path, parameters });
    if (status === 202) return json.id as string;
    expect({ status, json }).toMatchObject({ status: 503, json: { code: 'overloaded' } });
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** Asks one node, and where that one is not there any more, the other. */
async function ask(n: number, verb: string, run: Run, body: object = {}): Promise<TestAnswer> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await nodes[(n + attempt) % nodes.length]!.post(`/executions/${run.id}/${verb}`, verb === 'resume' ? undefined : body);
    } catch (error) {
      if ((error as Error).message !== 'fetch failed' || attempt > 3) throw error;
    }
  }
}

it(
  'nothing is stuck after a storm, and what has ended leaves nothing behind',
  async () => {
    for (const [name, steps] of Object.entries(PLAYBOOKS)) await nodes[0]!.register(document(name, steps()));
    const runs: Run[] = await Promise.all(
      Array.from({ length: RUNS }, async (_, n) => {
        const kind = KINDS[n % KINDS.length]!;
        return { id: await start(n, `storm/${kind[0]}`, kind[1]), kind, cancelled: false };
      }),
    );
    const storm = runs.map(async (run, n) => {
      await new Promise((done) => setTimeout(done, (n % 50) * 60));
      // Coprime to the number of kinds: each kind meets each wish.
      if (n % 3 !== 0) await ask(n, 'pause', run);
      if (n % 5 === 0) await ask(n + 1, 'resume', run);
      if (n % 7 === 0) run.cancelled = (await ask(n, 'cancel', run)).status < 300;
      if (n % 2 === 0 && run.kind[0] === 'signals') await ask(n, 'signal', run, { name: 'go', payload: n });
    });
    let before = { held: 0, snapshots: 0 };
    for (const until = performance.now() + 30_000; before.held === 0 || before.snapshots === 0;) {
      if (performance.now() > until) throw new Error(`nothing that a kill could harm: ${JSON.stringify(before)}`);
      [before] = (await query<typeof before>(
        database.url,
        `SELECT count(lease_token)::int AS held, (SELECT count(*)::int FROM execution_snapshot) AS snapshots FROM execution`,
      )) as [typeof before];
    }
    const victim = nodes.pop()!;
    await victim.end('SIGKILL');
    await Promise.all(storm);

    await Promise.all(runs.map((run, n) => ask(n, 'resume', run)));
    await Promise.all(
      runs.filter(({ kind }) => ['signals', 'long'].includes(kind[0])).map((run, n) => ask(n, 'signal', run, { name: 'go' })),
    );
    const ends = new Map<string, string>();
    for (const run of runs) ends.set(run.id, (await nodes[0]!.waitDone(run.id)).status);
    const counts = [...Map.groupBy(ends.values(), (end) => end)].map(([end, those]) => `${those.length} ${end}`);
    console.log(`at the kill: ${before.held} held, ${before.snapshots} snapshots; in the end: ${counts.join(', ')}`);
    expect(runs.filter(({ id, kind, cancelled }) => ends.get(id) !== (cancelled ? 'cancelled' : kind[2]))).toEqual([]);
    expect([...ends.values()]).toContain('cancelled');

    const [left] = await query(
      database.url,
      `SELECT count(*) FILTER (WHERE status NOT IN ('completed', 'failed', 'cancelled'))::int AS open, count(lease_token)::int AS leases,
         count(lease_until)::int AS terms, count(wake_at)::int AS due, count(*) FILTER (WHERE inbox_seq <> inbox_consumed)::int AS unread,
         count(*) FILTER (WHERE waiting_for IS NOT NULL)::int AS waiting, (SELECT count(*)::int FROM execution_inbox) AS inbox,
         (SELECT count(*)::int FROM execution_snapshot) AS snapshots,
         (SELECT count(*)::int FROM (SELECT FROM execution_event GROUP BY execution_id
            HAVING max(seq) <> count(*) OR count(*) FILTER (WHERE event_type IN ('execution_completed', 'execution_failed', 'execution_cancelled')) <> 1) g) AS broken
       FROM execution`,
    );
    expect(left).toEqual({ open: 0, leases: 0, terms: 0, due: 0, unread: 0, waiting: 0, inbox: 0, snapshots: 0, broken: 0 });
  },
  LONG,
);
