import pg from 'pg';
import { type JsonObject } from '../../src/engine/values.js';
import { routingPlaybook } from '../support/documents.js';
import { type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

const LIMIT = 4;
let service: TestService;
afterEach(() => service.stop());

const begin = async (settings: Record<string, string>): Promise<void> => {
  service = await startTestService(settings);
  await service.register(routingPlaybook('overload/route'));
};
const start = (body: JsonObject = {}, headers: Record<string, string> = {}): Promise<TestAnswer> =>
  service.post('/execute', { path: 'overload/route', ...body }, headers);
const queued = async (): Promise<number> => {
  const [row] = await query<{ n: number }>(service.databaseUrl, `SELECT count(*)::int AS n FROM execution WHERE status = 'pending'`);
  return row!.n;
};
/** Starts until so many wait; the count of a node may be ahead of the database's for a moment. */
const fill = async (): Promise<void> => {
  for (const until = performance.now() + 30_000; (await queued()) < LIMIT && performance.now() < until;) {
    const { status, json } = await start();
    if (status !== 202) expect([status, json.code]).toEqual([429, 'queue_full']);
  }
  expect(await queued()).toBe(LIMIT);
};

describe('the queue', () => {
  it.each(['MAX_QUEUED_PER_TENANT', 'MAX_QUEUED_TOTAL'])(
    'holds as many as %s and no more, until some of them are begun',
    async (setting) => {
      await begin({ ROLE: 'api', [setting]: String(LIMIT) });
      const known = await start({}, { 'idempotency-key': 'known' });
      await fill();
      // Nothing is looked up for one that is refused: not even whether there is such a playbook.
      const unknown = start({ path: 'overload/unknown' });
      for (const style of [start(), start({ delay: '1h' }), unknown, service.post('/executions/run', { playbook_id: 'overload/route' })]) {
        const answer = await style;
        expect(answer).toMatchObject({ status: 429, json: { code: 'queue_full', errors: [] } });
        expect(answer.headers.get('retry-after')).toBe('1');
      }
      // Neither a repeated start nor one without rows takes a place.
      expect((await start({}, { 'idempotency-key': 'known' })).json.id).toBe(known.json.id);
      expect(await queued()).toBe(LIMIT);

      const worker = await startTestService({ [setting]: String(LIMIT) }, service);
      try {
        expect((await worker.post('/execute', { path: 'overload/route' }, { prefer: 'wait=20' })).json).toMatchObject({
          status: 'completed',
        });
        expect(await service.waitDone(known.json.id as string)).toMatchObject({ status: 'completed' });
      } finally {
        await worker.stop();
      }
      let status = 429;
      for (const until = performance.now() + 30_000; status === 429 && performance.now() < until;) ({ status } = await start());
      expect(status).toBe(202);
    },
  );

  it('never keeps out what can begin at once', async () => {
    await begin({ MAX_QUEUED_TOTAL: '1' });
    expect((await start({ delay: '1h' })).status).toBe(202);
    for (let n = 0; n < 20; n++) expect((await start()).status).toBe(202);
    expect((await start({ delay: '1h' })).status).toBe(429);
  });
});

describe('the database pool', () => {
  it('lets so many wait and refuses more at once, and serves again afterwards', async () => {
    await begin({ DATABASE_POOL: '2', DATABASE_POOL_WAITERS: '3' });
    const blocker = new pg.Client({ connectionString: service.databaseUrl });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE execution IN ACCESS EXCLUSIVE MODE');
    const answers = Array.from({ length: 20 }, () => service.get('/executions'));
    await Promise.any(
      answers.map(async (answer) => ((await answer).json.code === 'overloaded' ? null : Promise.reject(new Error('served')))),
    );
    await blocker.query('ROLLBACK');
    await blocker.end();
    for (const { status, json } of await Promise.all(answers)) {
      if (status !== 200) expect([status, json.code]).toEqual([503, expect.stringMatching(/^(overloaded|database_unavailable)$/)]);
    }
    expect((await service.get('/executions')).status).toBe(200);
  });
});
