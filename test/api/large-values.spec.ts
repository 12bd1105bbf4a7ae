import { type JsonObject } from '../../src/engine/values.js';
import { Purge } from '../../src/storage/upkeep/purge.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { EffectServer } from '../support/effect-server.js';
import { type HttpClient } from '../support/http-client.js';
import { spawnService, type ServiceProcess } from '../support/service.js';
import { query } from '../support/sql.js';

const INLINE = 256 * 1024;
const LARGEST = 16 * 1024 * 1024;
const LONG = 180_000;
let database: TestDatabase;
let effects: EffectServer;
let nodes: ServiceProcess[];

const node = async (): Promise<ServiceProcess> => {
  const started = await spawnService({ DATABASE_URL: database.url, LEASE_SECONDS: '3', OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` });
  nodes.push(started);
  return started;
};
beforeEach(async () => {
  nodes = [];
  [database, effects] = [await createTestDatabase(), await EffectServer.start()];
});
afterEach(async () => {
  for (const each of nodes) await each.end('SIGTERM');
  await effects.close();
  await database.drop();
});

/** A step whose value is a text of so many bytes of JSON; a call; and an end that has seen the whole value. */
const playbook = (call: string): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: large, path: large }
workflow:
  - step: start
    next: big
  - step: big
    type: python
    code: |
      def main(size):
        return "x" * (size - 2)
    args: { size: "{{ workload.size }}" }
    next: call
  - step: call
    type: http
    endpoint: http://127.0.0.1:${effects.port}${call}
    timeout: 60
    next: last
  - step: last
    type: python
    code: |
      def main(text):
        return {"length": len(text), "only": list(set(text))}
    args: { text: "{{ big }}" }
    next: end
  - step: end
    result: "{{ last }}"
`;
const blobs = (id: string): Promise<{ seq: number; part: string; size: number }[]> =>
  query(database.url, `SELECT seq, part, octet_length(body::text) AS size FROM execution_blob WHERE execution_id = $1 ORDER BY seq, part`, [
    id,
  ]);
interface Found extends JsonObject {
  readonly seq: number;
  readonly context: JsonObject | null;
}
const eventOf = async (client: HttpClient, id: string, step: string, type: string): Promise<Found> => {
  const { json } = await client.get(`/executions/${id}/events?limit=1000&event_type=${type}`);
  return (json.events as unknown as Found[]).find(({ node_name }) => node_name === step)!;
};

it(
  'up to 256 KiB a value is part of its event; above, it lies apart and is referred to, up to 16 MiB',
  async () => {
    const service = await node();
    await service.register(playbook('/call'));
    for (const [size, isApart] of [
      [INLINE, false],
      [INLINE + 1, true],
      [LARGEST / 16, true],
    ] as const) {
      const id = await service.execute('large', { parameters: { size } });
      expect(await service.waitDone(id)).toMatchObject({ status: 'completed', result: { length: size - 2, only: ['x'] } });
      const { seq, result } = await eventOf(service, id, 'big', 'step_completed');
      expect(result).toEqual(isApart ? { $ref: `/executions/${id}/events/${seq}/result` } : 'x'.repeat(size - 2));
      const read = await service.get(`/executions/${id}/events/${seq}/result`);
      expect([read.status, read.text.length, read.json as unknown as string]).toEqual([200, size, 'x'.repeat(size - 2)]);
      const started = await eventOf(service, id, 'last', 'step_started');
      const inputs = await service.get(`/executions/${id}/events/${started.seq}/inputs`);
      expect((inputs.json.text as string).length).toBe(size - 2);
      expect(JSON.stringify(started).length).toBeLessThan(2 * INLINE);
      const { steps } = (await service.get(`/executions/${id}/steps`)).json as { steps: JsonObject[] };
      expect(steps.find(({ step }) => step === 'big')?.value).toEqual(result);
      if (isApart) {
        expect(started.context).toEqual({ $ref: `/executions/${id}/events/${started.seq}/inputs` });
        expect(await blobs(id)).toContainEqual({ seq, part: 'value', size });
        // Another execution that goes on from this one's history has the value itself.
        const fork = await service.post(`/executions/${id}/fork`, { from_step: 'last' });
        expect(await service.waitDone(fork.json.id as string)).toMatchObject({ status: 'completed', result: { length: size - 2 } });
        expect((await blobs(fork.json.id as string)).map(({ part }) => part)).toContain('value');
        const [longest] = await query<{ n: number }>(
          database.url,
          `SELECT max(octet_length(body::text)) AS n FROM execution_event WHERE execution_id = $1`,
          [id],
        );
        expect(longest?.n).toBeLessThan(10_000);
      } else {
        expect((await blobs(id)).filter(({ part }) => part === 'value')).toEqual([]);
      }
    }
  },
  LONG,
);

it(
  'a value of 16 MiB is recorded, a byte more is not',
  async () => {
    const service = await node();
    await service.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: largest, path: largest }
workflow:
  - step: start
    type: python
    code: |
      def main(size):
        return "x" * (size - 2)
    args: { size: "{{ workload.size }}" }
    next: end
  - step: end
    result: ok
`);
    const id = await service.execute('largest', { parameters: { size: LARGEST } });
    const done = await service.waitDone(id);
    expect([done.error_details, done.status, done.result]).toEqual([null, 'completed', 'ok']);
    const [blob] = await blobs(id);
    expect(blob).toMatchObject({ part: 'value', size: LARGEST });
    expect((await service.get(`/executions/${id}/events/${blob!.seq}/result`)).text.length).toBe(LARGEST);
    const over = await service.execute('largest', { parameters: { size: LARGEST + 1 } });
    expect(await service.waitDone(over)).toMatchObject({ status: 'failed', error_details: { code: 'result_too_large' } });
    expect(await blobs(over)).toEqual([]);
  },
  LONG,
);

it(
  'whoever takes an execution over sees the same value, nothing of it is stored twice, and a purge removes it',
  async () => {
    const first = await node();
    await first.register(playbook('/hold'));
    const id = await first.execute('large', { parameters: { size: INLINE * 4 } });
    await effects.called('/hold', 1);
    expect((await blobs(id)).map(({ part, size }) => [part, size])).toEqual([['value', INLINE * 4]]);
    nodes = nodes.filter((each) => each !== first);
    await first.end('SIGKILL');
    const second = await node();
    await effects.called('/hold', 2);
    effects.release();
    expect(await second.waitDone(id, 60)).toMatchObject({ status: 'completed', result: { length: INLINE * 4 - 2, only: ['x'] } });
    expect((await blobs(id)).filter(({ part }) => part === 'value')).toHaveLength(1);

    expect((await second.get(`/executions/${id}/events/999/result`)).status).toBe(404);
    expect((await second.get(`/executions/${id}/events/x/inputs`)).status).toBe(404);
    expect((await second.get(`/executions/1/events/1/result`)).status).toBe(404);
    const [start, end] = [(await second.events(id))[0]!, (await second.events(id)).at(-1)!];
    expect((await second.get(`/executions/${id}/events/${start.seq}/raw`)).json).toBeNull();
    expect((await second.get(`/executions/${id}/events/${end.seq}/result`)).json).toMatchObject({ only: ['x'] });

    const db = await createDataSource(database.url, { poolSize: 1 }).initialize();
    const purge = new Purge(db).run({ olderThanMs: 1, statuses: ['completed'], path: null, tenantId: null });
    for await (const progress of purge) expect(progress.executions).toBe(1);
    await db.destroy();
    expect(await blobs(id)).toEqual([]);
  },
  LONG,
);
