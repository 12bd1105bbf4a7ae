import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { EffectServer } from '../support/effect-server.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

// Two nodes, each a process of its own, on one database; the steps' effects are seen from outside.
const LEASE_MS = 2_000;
const LONG = 120_000;
let database: TestDatabase;
let effects: EffectServer;
let nodes: ServiceProcess[] = [];
let gone: ServiceProcess[] = [];

const node = async (env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> => {
  const started = await spawnService({
    DATABASE_URL: database.url,
    LEASE_SECONDS: String(LEASE_MS / 1000),
    OUTBOUND_ALLOW: `127.0.0.1:${effects.port}`,
    ...env,
  });
  nodes.push(started);
  return started;
};
const kill = async (victim: ServiceProcess): Promise<void> => {
  gone.push(victim);
  await victim.end('SIGKILL');
};
const http = (step: string, path: string, next: string): string =>
  `  - step: ${step}\n    type: http\n    endpoint: http://127.0.0.1:${effects.port}${path}\n    timeout: 60\n    next: ${next}\n`;
const playbook = (): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: recovery, path: recovery }
workflow:
${http('start', '/once', 'hold')}${http('hold', '/hold', 'last')}${http('last', '/last', 'end')}  - step: end
    result: { held: '{{ hold.data.path }}', last: '{{ last.data.path }}' }
`;

beforeEach(async () => {
  nodes = [];
  gone = [];
  [database, effects] = [await createTestDatabase(), await EffectServer.start()];
});
afterEach(async () => {
  for (const each of nodes) if (!gone.includes(each)) await each.end('SIGTERM');
  await effects.close();
  await database.drop();
});

const attemptsOf = async (id: string): Promise<unknown> =>
  (await query(database.url, `SELECT attempts, claim_no, lease_token FROM execution WHERE id = ${id}`))[0];

it(
  'a node is killed in the middle of a step: the other finishes the execution, and no completed effect happens again',
  async () => {
    const first = await node();
    await first.register(playbook());
    const id = await first.execute('recovery');
    await effects.called('/hold', 1);
    const second = await node();
    await kill(first);
    await effects.called('/hold', 2);
    effects.release();
    expect(await second.waitDone(id)).toMatchObject({ status: 'completed', result: { held: 'released', last: '/last' } });
    expect([effects.of('/once'), effects.of('/last')].map((calls) => calls.length)).toEqual([1, 1]);
    const keys = effects.of('/hold').map(({ key }) => key);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
    const events = await second.events(id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, at) => at + 1));
    expect(events.filter(({ event_type }) => event_type.startsWith('execution_')).map(({ event_type }) => event_type)).toEqual([
      'execution_started',
      'execution_completed',
    ]);
    expect(await attemptsOf(id)).toEqual({ attempts: 0, claim_no: 2, lease_token: null });
  },
  LONG,
);

it(
  'a node that stands still for two leases comes back: its late result is refused, and it goes on serving',
  async () => {
    const first = await node();
    await first.register(playbook());
    const id = await first.execute('recovery');
    await effects.called('/hold', 1);
    const second = await node();
    first.signal('SIGSTOP');
    await effects.called('/hold', 2);
    effects.release(); // both get their answers; only the second node still has the lease
    const done = await second.waitDone(id);
    first.signal('SIGCONT');
    expect(await first.waitDone(id)).toEqual(done);
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
    const events = await first.events(id);
    expect(events.filter(({ event_type, node_name }) => event_type === 'step_completed' && node_name === 'hold')).toHaveLength(1);
    expect(events.at(-1)?.event_type).toBe('execution_completed');
    expect(effects.of('/last')).toHaveLength(1);
    expect(await first.waitDone(await first.execute('recovery'))).toMatchObject({ status: 'completed' });
  },
  LONG,
);

it(
  'a node that cannot have its port has taken executions already: it gives them back, and none of its starts counts as a crash of theirs',
  async () => {
    const first = await node({ ROLE: 'api' });
    await first.register(playbook());
    const id = await first.execute('recovery');
    // Holds up the start where it registers what comes with the service, until the execution is taken.
    const held = new pg.Client({ connectionString: database.url });
    await held.connect();
    await held.query(`SELECT pg_advisory_lock(hashtextextended('catalog default tools/data_validator', 0))`);
    const refused = expect(node({ EXAMPLES: 'true', PORT: new URL(first.url).port })).rejects.toThrow('the service ended at once');
    await effects.called('/hold', 1);
    await held.end();
    await refused;
    expect(await attemptsOf(id)).toEqual({ attempts: 0, claim_no: 1, lease_token: null });
    effects.release();
    const second = await node();
    expect(await second.waitDone(id)).toMatchObject({ status: 'completed' });
    expect(effects.of('/once')).toHaveLength(1);
  },
  LONG,
);

it(
  'an execution that was lost with five holders ends as poison; one that was lost with four is run alone, and may complete',
  async () => {
    const first = await node();
    await first.register(playbook());
    const ids = [await first.execute('recovery'), await first.execute('recovery')];
    await effects.called('/hold', 2);
    await kill(first);
    effects.release();
    // As if four, and three, holders had crashed before this one.
    await query(database.url, `UPDATE execution SET attempts = CASE id WHEN ${ids[0]} THEN 4 ELSE 3 END`);
    const second = await node();
    expect(await second.waitDone(ids[0]!)).toMatchObject({ status: 'failed', error_details: { code: 'poison' }, progress: 100 });
    expect(await second.waitDone(ids[1]!)).toMatchObject({ status: 'completed' });
    expect(await attemptsOf(ids[1]!)).toMatchObject({ attempts: 0 });
    expect(effects.of('/hold')).toHaveLength(3);
  },
  LONG,
);
