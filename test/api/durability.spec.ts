import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonPlaybook, routingPlaybook } from '../support/documents.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

// The built program as an operator runs it, on the embedded database with all guarantees on.
let dataDir: string;
/** Starting and stopping the database takes seconds each time. */
const LONG = 180_000;
let service: ServiceProcess | null = null;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'showrunner-durability-'));
});
afterEach(async () => {
  await service?.end('SIGTERM');
  service = null;
  rmSync(dataDir, { recursive: true, force: true });
});

const start = async (env: Record<string, string> = {}): Promise<ServiceProcess> => {
  service = await spawnService({ DATA_DIR: dataDir, LEASE_SECONDS: '1', ...env });
  return service;
};
const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> => {
  const ending = service;
  service = null;
  return ending!.end(signal);
};
const databaseUrl = (): string => readFileSync(join(dataDir, 'database.url'), 'utf8').trim();

it(
  'a start that was acknowledged outlives a kill, five times in a row',
  async () => {
    const ids: string[] = [];
    for (let round = 0; round < 5; round++) {
      const process = await start();
      if (round === 0) await process.register(routingPlaybook('durable/route'));
      const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => process.execute('durable/route', { parameters: { n } })));
      await end('SIGKILL');
      ids.push(...answers);
    }
    const process = await start();
    for (const [index, id] of ids.entries()) {
      expect(await process.waitDone(id)).toMatchObject({ status: 'completed', result: { n: index % 10 } });
      const events = await process.events(id);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, at) => at + 1));
      expect(events[0]?.event_type).toBe('execution_started');
      expect(events.filter(({ event_type }) => event_type === 'execution_completed')).toHaveLength(1);
    }
  },
  LONG,
);

it(
  'a start that nobody runs yet is there after a kill, with its first event',
  async () => {
    const api = await start({ ROLE: 'api' });
    await api.register(routingPlaybook('durable/route'));
    const id = await api.execute('durable/route', { parameters: { n: 7 } });
    await end('SIGKILL');

    const again = await start({ ROLE: 'api' });
    expect((await again.get(`/executions/${id}`)).json).toMatchObject({ id, status: 'pending', progress: 0, parameters: { n: 7 } });
    expect((await again.events(id)).map(({ event_type }) => event_type)).toEqual(['execution_started']);
    expect(await query(databaseUrl(), `SELECT lease_token FROM execution WHERE id = $1`, [id])).toEqual([{ lease_token: null }]);
    await end('SIGKILL');

    const worker = await start();
    expect(await worker.waitDone(id)).toMatchObject({ status: 'completed', result: { n: 7 } });
  },
  LONG,
);

it(
  'SIGTERM gives a run back, and the next start goes on after its last finished step',
  async () => {
    const first = await start();
    // Longer than a node that shuts down lets steps go on, so that it must be given back; the second run of the step is short.
    const nap = ['import time', 'time.sleep(max(0, context["workload"]["until"] - time.time()))', 'return 2'];
    await first.register(pythonPlaybook('durable/nap', { first: ['import uuid', 'return str(uuid.uuid4())'], nap }));
    const id = await first.run('durable/nap', { parameters: { until: Math.floor(Date.now() / 1000) + 17 } });
    await first.waitEvent(id, ({ event_type, node_name }) => event_type === 'step_started' && node_name === 'nap');
    const before = await first.events(id);
    expect(await end('SIGTERM')).toBe(0);
    const stopped = Date.now();

    const second = await start();
    expect(await second.waitDone(id)).toMatchObject({ status: 'completed', result: 2 });
    const events = await second.events(id);
    expect(events.slice(0, before.length)).toEqual(before);
    const done = events.find(({ event_type, node_name }) => event_type === 'step_completed' && node_name === 'nap');
    expect(Date.parse(done!.created_at)).toBeGreaterThanOrEqual(stopped);
    const of = (type: string, step: string): number =>
      events.filter((event) => event.event_type === type && event.node_name === step).length;
    expect([of('step_started', 'first'), of('step_completed', 'first'), of('step_completed', 'nap')]).toEqual([1, 1, 1]);
  },
  LONG,
);
