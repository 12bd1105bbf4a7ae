import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { EffectServer } from '../support/effect-server.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

// An execution with a long history outlives its node: the next holder begins at the snapshot, not at the first event.
const ROUNDS = 990;
let database: TestDatabase;
let effects: EffectServer;
let running: Set<ServiceProcess>;

const node = async (): Promise<ServiceProcess> => {
  const started = await spawnService({
    DATABASE_URL: database.url,
    LEASE_SECONDS: '2',
    OUTBOUND_ALLOW: `127.0.0.1:${effects.port}`,
  });
  running.add(started);
  return started;
};
const kill = async (victim: ServiceProcess): Promise<void> => {
  running.delete(victim);
  await victim.end('SIGKILL');
};
const playbook = (): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: long, path: long }
workflow:
  - step: start
    next: count
  - step: count
    vars: { n: '{{ (vars.n | default(0)) + 1 }}' }
    next: back
  - step: back
    next:
      - when: '{{ vars.n < ${ROUNDS} }}'
        then: [{ step: count }]
      - else: [{ step: hold }]
  - step: hold
    type: http
    endpoint: http://127.0.0.1:${effects.port}/hold
    timeout: 60
    next: end
  - step: end
    result: { rounds: '{{ vars.n }}', held: '{{ hold.data.path }}' }
`;

beforeEach(async () => {
  running = new Set();
  [database, effects] = [await createTestDatabase(), await EffectServer.start()];
});
afterEach(async () => {
  for (const each of running) await each.end('SIGTERM');
  await effects.close();
  await database.drop();
});

const snapshots = (): Promise<{ seq: number }[]> => query(database.url, `SELECT seq FROM execution_snapshot`);

it('an execution of 2,000 events is continued from its snapshot, which goes with its end', async () => {
  const first = await node();
  await first.register(playbook());
  const id = await first.execute('long');
  await effects.called('/hold', 1);
  const [snapshot, ...others] = await snapshots();
  expect(others).toEqual([]);
  expect(snapshot?.seq).toBeGreaterThan(1_400);
  const second = await node();
  await kill(first);
  // Nobody could go on from these any more.
  await query(
    database.url,
    `UPDATE execution_event SET step = 'nowhere', body = '{}' WHERE execution_id = ${id} AND seq <= ${snapshot?.seq}`,
  );
  await effects.called('/hold', 2);
  effects.release();
  expect(await second.waitDone(id)).toMatchObject({ status: 'completed', result: { rounds: ROUNDS, held: 'released' } });
  expect(await snapshots()).toEqual([]);
  const [row] = await query<{ last_seq: number }>(database.url, `SELECT last_seq FROM execution WHERE id = ${id}`);
  const [events] = await query(database.url, `SELECT count(*)::int AS n, max(seq) AS last FROM execution_event WHERE execution_id = ${id}`);
  expect(events).toEqual({ n: row?.last_seq, last: row?.last_seq });
  expect(row?.last_seq).toBeGreaterThan(2 * ROUNDS);
}, 120_000);

it('a snapshot of another build is ignored: the execution is folded from its first event', async () => {
  const first = await node();
  await first.register(playbook());
  const id = await first.execute('long');
  await effects.called('/hold', 1);
  const second = await node();
  await kill(first);
  await query(database.url, `UPDATE execution_snapshot SET engine_digest = 'another', state = '{}'`);
  await effects.called('/hold', 2);
  effects.release();
  expect(await second.waitDone(id)).toMatchObject({ status: 'completed', result: { rounds: ROUNDS } });
  expect(await snapshots()).toEqual([]);
}, 120_000);
