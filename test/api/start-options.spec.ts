import { type JsonObject } from '../../src/engine/values.js';
import { routingPlaybook } from '../support/documents.js';
import { EffectServer } from '../support/effect-server.js';
import { type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

// One node only answers, so that what it starts waits in the queue; the other has room for a single run.
let api: TestService;
let effects: EffectServer;
let worker: TestService | null = null;
const startWorker = async (): Promise<TestService> => {
  worker = await startTestService({ MAX_IN_FLIGHT_RUNS: '1', OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` }, api);
  return worker;
};

beforeAll(async () => {
  effects = await EffectServer.start();
  api = await startTestService({ ROLE: 'api' });
  await api.register(routingPlaybook('options/route'));
  await api.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: call, path: options/call }
workflow:
  - step: start
    type: http
    endpoint: "http://127.0.0.1:${effects.port}/{{ workload.call }}"
    timeout: 60
    next: end
  - step: end
`);
});
afterEach(async () => {
  await worker?.stop();
  worker = null;
});
afterAll(async () => {
  await api.stop();
  await effects.close();
});

const start = (body: JsonObject, headers: Record<string, string> = {}): Promise<TestAnswer> =>
  api.post('/execute', { path: 'options/route', ...body }, headers);
const columnsOf = async (id: unknown): Promise<Record<string, number | string>> => {
  const ms = (expression: string): string => `(extract(epoch FROM ${expression}) * 1000)::float8`;
  const [row] = await query<Record<string, number | string>>(
    api.databaseUrl,
    `SELECT status, claim_no, ${ms('created_at')} AS created, ${ms('start_at')} AS start, ${ms('expires_at')} AS expires,
       ${ms('timeout_at')} AS timeout, ${ms('wake_at')} AS wake, ${ms('ended_at')} AS ended,
       (SELECT ${ms('min(at)')} FROM execution_event v WHERE v.execution_id = e.id AND seq > 1) AS begun
     FROM execution e WHERE id = $1`,
    [id],
  );
  return row!;
};

describe('priority', () => {
  it('what waits is begun in its order, and what stands back does not wait for nothing', async () => {
    const ids: string[] = [];
    for (const [call, priority] of [['zero'], ['low', -50], ['high', 50], ['highest', 100], ['lowest', -100]] as const) {
      ids.push(await api.execute('options/call', { parameters: { call }, ...(priority === undefined ? {} : { priority }) }));
    }
    expect((await api.get(`/executions/${ids[1]}`)).json).toMatchObject({ status: 'pending', priority: -50 });
    await startWorker();
    for (const id of ids) expect(await api.waitDone(id)).toMatchObject({ status: 'completed' });
    expect(effects.effects.map(({ path }) => path)).toEqual(['/highest', '/high', '/zero', '/low', '/lowest']);
    const rerun = await api.post(`/executions/${ids[2]}/rerun`, {}, { prefer: 'wait=20' });
    expect(rerun.json).toMatchObject({ status: 'completed', priority: 50 });
    expect((await api.post(`/executions/${ids[2]}/rerun`, { priority: 1 })).json).toMatchObject({ priority: 1 });
  });
});

describe('start_at and delay', () => {
  it('nothing begins before its time, also where the node that accepts it has room', async () => {
    const node = await startWorker();
    const delayed = await node.post('/execute', { path: 'options/route', delay: 1.5, timeout: '1h', expires_in: 'PT2H' });
    expect(delayed).toMatchObject({ status: 202, json: { status: 'pending' } });
    const at = new Date(Date.now() + 2_500);
    const local = new Date(at.getTime() + 5_400_000).toISOString().replace('Z', '+01:30');
    const later = await node.post('/executions/run', { playbook_id: 'options/route', start_at: local });
    expect(later.json).toMatchObject({ status: 'pending', start_at: at.toISOString(), expires_at: null, timeout_at: null });
    for (const { json } of [delayed, later]) {
      expect(await node.waitDone(json.id as string)).toMatchObject({ status: 'completed' });
      const { begun, start: from, created } = await columnsOf(json.id);
      expect(from).toBeGreaterThan(created as number);
      expect(begun).toBeGreaterThanOrEqual(from as number);
    }
    const { start: from, expires, timeout } = await columnsOf(delayed.json.id);
    expect([Number(expires) - Number(from), Number(timeout) - Number(from)]).toEqual([7_200_000, 3_600_000]);
    expect((await node.get(`/executions/${String(delayed.json.id)}`)).json).toMatchObject({
      start_at: new Date(Number(from)).toISOString(),
      expires_at: new Date(Number(expires)).toISOString(),
      timeout_at: new Date(Number(timeout)).toISOString(),
    });
  });

  it('a time that has passed means at once, and nothing expires before it was asked for', async () => {
    const node = await startWorker();
    const past = await node.post(
      '/execute',
      { path: 'options/route', start_at: '2001-01-01T00:00:00Z', expires_in: '1h' },
      { prefer: 'wait=20' },
    );
    expect(past).toMatchObject({ status: 200, json: { status: 'completed' } });
    const { created, expires } = await columnsOf(past.json.id);
    expect(Number(expires)).toBeGreaterThan(Number(created) + 3_000_000);
  });

  it('one that waits for its time is cancelled at once', async () => {
    const id = (await start({ delay: '9d' })).json.id as string;
    const { wake, start: at } = await columnsOf(id);
    expect(wake).toBe(at);
    await startWorker();
    expect((await api.post(`/executions/${id}/cancel`)).status).toBe(202);
    expect(await api.waitDone(id)).toMatchObject({ status: 'cancelled' });
  });

  it('a repeated start is the same start, whatever the time is by now', async () => {
    const [first, again] = [
      await start({ delay: '1h' }, { 'idempotency-key': 'later' }),
      await start({ delay: '1h' }, { 'idempotency-key': 'later' }),
    ];
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.json).toEqual(first.json);
    expect(await start({ delay: '2h' }, { 'idempotency-key': 'later' })).toMatchObject({
      status: 422,
      json: { code: 'idempotency_key_reused' },
    });
  });
});

describe('expires_in', () => {
  it('what nobody begins in time fails, with no worker at all', async () => {
    const ids = await Promise.all(Array.from({ length: 250 }, () => api.execute('options/route', { expires_in: '400ms' })));
    const kept = await api.execute('options/route', { expires_in: '1h' });
    for (const id of ids) {
      expect(await api.waitDone(id)).toMatchObject({ status: 'failed', progress: 100, error_details: { code: 'expired' } });
    }
    const { ended, expires } = await columnsOf(ids[0]);
    expect(ended).toBeGreaterThanOrEqual(expires as number);
    expect((await api.events(ids[0]!)).map(({ event_type }) => event_type)).toEqual(['execution_started', 'execution_failed']);
    expect(await columnsOf(kept)).toMatchObject({ status: 'pending', claim_no: 0 });
  });

  it('a full node expires what waits, and never what was begun', async () => {
    const node = await startWorker();
    const begun = await node.execute('options/call', { parameters: { call: 'hold' }, expires_in: 1 });
    await effects.called('/hold', 1);
    const waiting = await node.execute('options/route', { expires_in: 1 });
    expect(await node.waitDone(waiting)).toMatchObject({ status: 'failed', error_details: { code: 'expired' } });
    const { expires } = await columnsOf(begun);
    expect(Number((await columnsOf(waiting)).ended)).toBeGreaterThan(expires as number);
    effects.release();
    expect(await node.waitDone(begun)).toMatchObject({ status: 'completed' });
  });

  it('is too late after a crash of the node that had taken it and recorded nothing, and a cancel comes first', async () => {
    const [lost, cancelled] = [
      await api.execute('options/route', { expires_in: '1h' }),
      await api.execute('options/route', { expires_in: '1h' }),
    ];
    await api.post(`/executions/${cancelled}/cancel`);
    await query(
      api.databaseUrl,
      `UPDATE execution SET expires_at = now(), wake_at = NULL, claim_no = 1, lease_token = gen_random_uuid(),
         lease_until = '2020-01-01' WHERE id = ANY($1)`,
      [[lost, cancelled]],
    );
    // Right after a start of the database no lease counts as expired.
    await query(api.databaseUrl, `SELECT pg_sleep(greatest(0, 15.1 - extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())))`);
    expect(await api.waitDone(lost)).toMatchObject({ status: 'failed', error_details: { code: 'expired' } });
    expect(await api.waitDone(cancelled)).toMatchObject({ status: 'cancelled' });
  });
});

describe('bad options', () => {
  const BAD: readonly (readonly [JsonObject, string])[] = [
    [{ priority: 101 }, '/priority'],
    [{ priority: -101 }, '/priority'],
    [{ priority: 1.5 }, '/priority'],
    [{ priority: '1' }, '/priority'],
    [{ start_at: 'tomorrow' }, '/start_at'],
    [{ start_at: '2026-02-30T00:00:00Z' }, '/start_at'],
    [{ start_at: '2026-02-28' }, '/start_at'],
    [{ start_at: '2026-02-28T10:00:00' }, '/start_at'],
    [{ start_at: 1_800_000_000 }, '/start_at'],
    [{ start_at: '2999-01-01T00:00:00Z' }, '/start_at'],
    [{ start_at: '2026-02-28T10:00:00Z', delay: 0 }, '/delay'],
    [{ delay: -1 }, '/delay'],
    [{ delay: '5 weeks' }, '/delay'],
    [{ delay: '3654d' }, '/delay'],
    [{ delay: 1e9 }, '/delay'],
    [{ delay: '9'.repeat(60) }, '/delay'],
    [{ delay: true }, '/delay'],
    [{ expires_in: 0 }, '/expires_in'],
    [{ expires_in: '0ms' }, '/expires_in'],
    [{ expires_in: 'PT' }, '/expires_in'],
    [{ timeout: 'PT0S' }, '/timeout'],
    [{ timeout: -5 }, '/timeout'],
    [{ timeout: '11y' }, '/timeout'],
    [{ timeout: [1] }, '/timeout'],
  ];
  let before: string;
  const count = async (): Promise<string> => (await query<{ n: string }>(api.databaseUrl, 'SELECT count(*) AS n FROM execution'))[0]!.n;
  beforeAll(async () => {
    before = await count();
  });
  it.each(BAD)('%j is refused everywhere', async (options, pointer) => {
    for (const answer of [
      await start(options),
      await api.post('/executions/run', { playbook_id: 'options/route', ...options }),
      await api.post('/executions/1/rerun', options),
    ]) {
      expect(answer).toMatchObject({ status: 422, json: { code: 'invalid_request', errors: [{ pointer }] } });
      expect(answer.json.errors).toHaveLength(1);
    }
  });
  it('names every bad one at once, and nothing was started', async () => {
    const { json } = await start({ delay: 'x', timeout: 0, expires_in: '0s' });
    expect((json.errors as JsonObject[]).map(({ pointer }) => pointer)).toEqual(['/delay', '/expires_in', '/timeout']);
    expect(await count()).toBe(before);
  });
  it.each<JsonObject>([{ start_at: '2001-01-01T00:00:00Z' }, { delay: 0 }, { delay: '1h' }])(
    'a run without rows cannot have %j',
    async (options) => {
      expect(await start({ sync_to_postgres: false, ...options })).toMatchObject({
        status: 422,
        json: { code: 'not_durable_unsupported' },
      });
    },
  );
  it.each<JsonObject>([
    { priority: -100, delay: '3652d' },
    { priority: 100, start_at: null, delay: null, expires_in: null, timeout: null },
    { start_at: '2026-02-28t10:00:00.123456789-23:59', timeout: 1e-9 },
    { delay: 'P1DT2H', expires_in: '1ms' },
  ])('%j is accepted', async (options) => expect((await start(options)).status).toBe(202));
});
