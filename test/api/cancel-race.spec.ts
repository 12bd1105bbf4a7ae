import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

const RACES = 1_000;
const AT_ONCE = 20;
const LONG = 180_000;
let database: TestDatabase;
let nodes: ServiceProcess[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  nodes = [await spawnService({ DATABASE_URL: database.url }), await spawnService({ DATABASE_URL: database.url })];
}, LONG);
afterAll(async () => {
  for (const node of nodes) await node.end('SIGTERM');
  await database.drop();
}, LONG);

interface Race {
  readonly id: string;
  /** What the cancel was answered. */
  readonly status: number;
  readonly code: unknown;
}

it(
  'cancel races completion 1,000 times over two nodes: one that was acknowledged is never followed by a completion',
  async () => {
    await nodes[0]!.register(
      `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: race, path: race }\nworkflow:\n  - { step: start, type: wait, duration: 150ms, next: end }\n  - step: end\n`,
    );
    const races: Race[] = [];
    const clients = Array.from({ length: AT_ONCE }, async (_, client) => {
      // Cancels come later where they came in time, and earlier where they were too late: so each client stays close to the moment of the end.
      let delay = 100;
      for (let n = 0; n < RACES / AT_ONCE; n++) {
        const [starting, cancelling] =
          n % 2 === 0 ? [nodes[client % 2]!, nodes[1 - (client % 2)]!] : [nodes[client % 2]!, nodes[client % 2]!];
        const id = await starting.execute('race');
        if (delay > 0) await new Promise((done) => setTimeout(done, delay));
        const { status, json } = await cancelling.post(`/executions/${id}/cancel`);
        races.push({ id, status, code: json.code });
        delay = Math.max(0, delay + (status === 202 ? 4 : -4));
      }
    });
    await Promise.all(clients);

    const ends = await terminalEvents();
    const outcomes = races.map(({ id, status, code }) => ({ id, answer: code ?? status, ends: ends.get(id) }));
    const cancelled = outcomes.filter(({ answer }) => answer === 202);
    const completed = outcomes.filter(({ answer }) => answer === 'already_completed');
    console.log(`cancelled ${cancelled.length}, completed ${completed.length}`);
    expect(cancelled.filter((outcome) => outcome.ends?.join() !== 'execution_cancelled cancelled')).toEqual([]);
    expect(completed.filter((outcome) => outcome.ends?.join() !== 'execution_completed completed')).toEqual([]);
    expect(cancelled.length + completed.length).toBe(RACES);
    // A fair share of each, or nothing was raced.
    expect(Math.min(cancelled.length, completed.length)).toBeGreaterThan(RACES / 10);
  },
  LONG,
);

/** By execution, once all have ended: each terminal event it has, with the status of its row. */
async function terminalEvents(): Promise<ReadonlyMap<string, readonly string[]>> {
  for (const until = performance.now() + 60_000; ;) {
    const rows = await query<{ id: string; status: string; ends: string[] | null }>(
      database.url,
      `SELECT id, status, (SELECT array_agg(event_type || ' ' || e.status) FROM execution_event v
         WHERE v.execution_id = e.id AND event_type IN ('execution_completed', 'execution_failed', 'execution_cancelled')) AS ends FROM execution e`,
    );
    const open = rows.filter(({ ends }) => ends === null).length;
    if (open === 0) return new Map(rows.map(({ id, ends }) => [id, ends ?? []]));
    if (performance.now() > until) throw new Error(`${open} executions do not end`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
