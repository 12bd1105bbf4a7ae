import pg from 'pg';
import { BulkService } from '../../src/bulk/bulk.service.js';
import { type Principal } from '../../src/common/principal.js';
import { type JsonObject } from '../../src/engine/values.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { routingPlaybook } from '../support/documents.js';
import { type HttpClient, type TestAnswer } from '../support/http-client.js';
import { type ServiceProcess, spawnService, startTestService, type TestService } from '../support/service.js';
import { countRows, query } from '../support/sql.js';

/** Nothing listens there: the step fails, and waits ten minutes for its next attempt. */
const NOWHERE = '127.0.0.1:1';
const waitingPlaybook = (path: string): string => `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: ${path.split('/').at(-1)}, path: ${path} }
workflow:
  - { step: start, type: http, endpoint: "http://${NOWHERE}/", retry: 3, retry_delay: 600, next: end }
  - step: end
`;
const LONG = 120_000;

/** The operation as soon as it is in a state. */
async function reached(client: HttpClient, id: string, wanted: (operation: JsonObject) => boolean): Promise<JsonObject> {
  for (const until = performance.now() + 60_000; ;) {
    const { json } = await client.get(`/bulk-operations/${id}`);
    if (wanted(json)) return json;
    if (performance.now() > until) throw new Error(`the operation stays ${JSON.stringify(json)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
const ended = (client: HttpClient, id: string): Promise<JsonObject> => reached(client, id, ({ ended_at }) => ended_at !== null);
const ask = (client: HttpClient, action: string, filter: object, extra: object = {}): Promise<TestAnswer> =>
  client.post('/bulk-operations', { action, filter, ...extra });
async function operate(client: HttpClient, action: string, filter: object, extra: object = {}): Promise<JsonObject> {
  const { status, json } = await ask(client, action, filter, extra);
  expect([status, json]).toEqual([202, expect.objectContaining({ action, filter })]);
  return ended(client, json.id as string);
}

/** Holds a transaction open in a database until it is let go. */
async function holding(databaseUrl: string, statement: string, values: unknown[]): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('BEGIN');
  await client.query(statement, values);
  return async () => {
    await client.query('ROLLBACK');
    await client.end();
  };
}

describe('on one node', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ OUTBOUND_ALLOW: NOWHERE });
    for (const name of ['bulk/wait', 'bulk/other']) await service.register(waitingPlaybook(name));
    await service.register(routingPlaybook('bulk/route'), { version: '1.0.0' });
    await service.register(routingPlaybook('bulk/route'), { version: '2.0.0' });
  });
  afterAll(() => service.stop());

  const waiting = async (count: number, group: string, path = 'bulk/wait'): Promise<string[]> => {
    const ids = await Promise.all(Array.from({ length: count }, () => service.execute(path, { metadata: { group } })));
    return ids.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  };
  const statesOf = async (group: string): Promise<Record<string, number>> => {
    const rows = await query<{ status: string; count: number }>(
      service.databaseUrl,
      `SELECT status, count(*)::int AS count FROM execution WHERE metadata @> $1 GROUP BY status`,
      [{ group }],
    );
    return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
  };
  const allCancelled = async (group: string): Promise<void> => {
    for (const until = performance.now() + 30_000; Object.keys(await statesOf(group)).join() !== 'cancelled';) {
      if (performance.now() > until) throw new Error(`still ${JSON.stringify(await statesOf(group))}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  };

  it('a dry run counts and changes nothing; then 300 waiting executions are cancelled, and the progress can be read', async () => {
    await waiting(300, 'many');
    const filter = { metadata: { group: 'many' }, path: 'bulk/wait' };
    const before = await countRows(service.databaseUrl);
    const dry = await ask(service, 'cancel', filter, { dry_run: true });
    expect([dry.status, dry.json]).toEqual([200, { action: 'cancel', filter, dry_run: true, count: 300 }]);
    expect(await countRows(service.databaseUrl)).toEqual(before);
    expect((await service.get('/bulk-operations')).json).toEqual([]);

    const { status, headers, json } = await ask(service, 'cancel', filter, { reason: 'wrong month' });
    expect([status, headers.get('location')]).toEqual([202, `/bulk-operations/${String(json.id)}`]);
    expect(json).toMatchObject({ filter, reason: 'wrong month', total: 300, created_by: 'anonymous', errors: [] });
    expect(await ended(service, json.id as string)).toMatchObject({
      status: 'completed',
      total: 300,
      done: 300,
      succeeded: 300,
      skipped: 0,
      failed: 0,
    });
    await allCancelled('many');
    const [one] = await query<{ id: string }>(service.databaseUrl, `SELECT id FROM execution WHERE metadata @> $1 LIMIT 1`, [
      { group: 'many' },
    ]);
    expect((await service.events(one!.id)).find(({ event_type }) => event_type === 'cancel_requested')?.error).toBe('wrong month');
    const again = await operate(service, 'cancel', filter);
    expect(again).toMatchObject({ status: 'completed', total: 300, done: 300, succeeded: 0, skipped: 300, failed: 0 });
  });

  it('stops where it is aborted, and says what it did', async () => {
    const ids = await waiting(60, 'abort');
    // Somebody holds the row of the 30th: its cancel cannot come through, and the operation stays in the middle.
    const release = await holding(service.databaseUrl, 'SELECT FROM execution WHERE id = $1 FOR UPDATE', [ids[29]]);
    const { json } = await ask(service, 'cancel', { metadata: { group: 'abort' } });
    const id = json.id as string;
    expect(await reached(service, id, ({ done }) => Number(done) >= 20)).toMatchObject({ status: 'running', total: 60, ended_at: null });
    const aborted = await service.post(`/bulk-operations/${id}/abort`);
    expect([aborted.status, aborted.json]).toEqual([200, expect.objectContaining({ status: 'aborted' })]);
    await release();
    await reached(service, id, () => true);
    // Its holder leaves once it has counted what it was doing.
    for (;;) {
      const [row] = await query<{ held: boolean }>(
        service.databaseUrl,
        `SELECT lease_token IS NOT NULL AS held FROM bulk_operation WHERE id = $1`,
        [id],
      );
      if (row?.held === false) break;
      await new Promise((done) => setTimeout(done, 50));
    }
    const now = await ended(service, id);
    const [row] = await query<{ asked: number }>(
      service.databaseUrl,
      `SELECT count(*)::int AS asked FROM execution WHERE metadata @> $1 AND cancel_requested_at IS NOT NULL`,
      [{ group: 'abort' }],
    );
    expect(Number(now.done)).toBeLessThan(40);
    expect(now).toMatchObject({ status: 'aborted', ended_at: aborted.json.ended_at, done: row!.asked, succeeded: row!.asked });
    expect(await service.post(`/bulk-operations/${id}/abort`)).toMatchObject({ status: 200, json: { status: 'aborted' } });
    expect(await operate(service, 'cancel', { metadata: { group: 'abort' } })).toMatchObject({
      done: 60,
      succeeded: 60 - row!.asked,
      skipped: row!.asked,
    });
  });

  it('chooses by path, version, status, metadata, time, parent and ids', async () => {
    const group = 'filters';
    const all = [
      await service.execute('bulk/route', { version: '1.0.0', metadata: { group, n: 1 } }),
      await service.execute('bulk/route', { version: '2.0.0', metadata: { group, n: 2 }, context: { parent_execution_id: 'exec_9' } }),
      await service.execute('bulk/route', { version: '2.0.0', metadata: { group, n: 3 } }),
    ];
    const ended = await Promise.all(all.map((id) => service.waitDone(id)));
    const middle = String(ended[1]!.start_time);
    const count = async (filter: object): Promise<unknown> =>
      (await ask(service, 'rerun', { metadata: { group }, ...filter }, { dry_run: true })).json.count;
    expect(await count({})).toBe(3);
    expect(await count({ path: '/bulk/route.yaml' })).toBe(3);
    expect(await count({ path: 'bulk/wait' })).toBe(0);
    expect(await count({ version: 'v2.0.0' })).toBe(2);
    expect(await count({ status: 'failed,SUCCESS' })).toBe(3);
    expect(await count({ status: 'running' })).toBe(0);
    expect(await count({ metadata: { group, n: 3 } })).toBe(1);
    expect(await count({ started_before: middle })).toBe(1);
    expect(await count({ started_after: middle, ended_after: middle })).toBe(2);
    expect(await count({ parent_execution_id: 'exec_9' })).toBe(1);
    expect(await count({ ids: [all[0], all[2], '4611686018427387903'] })).toBe(2);
    expect(await count({ type: 'playbook' })).toBe(3);
    expect(await count({ type: 'tool' })).toBe(0);

    // Those that a rerun starts match its filter too, and are not meant by it.
    expect(await operate(service, 'rerun', { metadata: { group } })).toMatchObject({ total: 3, done: 3, succeeded: 3 });
    const forks = await query<{ forked_from: string }>(
      service.databaseUrl,
      `SELECT forked_from FROM execution WHERE metadata @> $1 AND forked_from IS NOT NULL ORDER BY 1`,
      [{ group }],
    );
    expect(forks.map(({ forked_from }) => forked_from)).toEqual(all);
  });

  it('counts and names what cannot be done, and skips what has ended otherwise', async () => {
    const group = 'mixed';
    const [gone, done] = [
      await service.execute('bulk/route', { metadata: { group } }),
      await service.execute('bulk/route', { metadata: { group } }),
    ];
    await Promise.all([gone, done].map((id) => service.waitDone(id)));
    const [open] = await waiting(1, group, 'bulk/other');
    expect(await operate(service, 'cancel', { metadata: { group } })).toMatchObject({ done: 3, succeeded: 1, skipped: 2, failed: 0 });
    await service.waitDone(open!);
    // As if the version had been removed since.
    await query(service.databaseUrl, `UPDATE execution SET version = '7.7.7' WHERE id = $1`, [gone]);
    expect(await operate(service, 'rerun', { ids: [gone, done] })).toMatchObject({
      status: 'completed',
      done: 2,
      succeeded: 1,
      failed: 1,
      errors: [{ execution_id: gone, code: 'unknown_version', message: expect.any(String) as string }],
    });
  });

  it('the same Idempotency-Key is the same operation', async () => {
    const body = { action: 'cancel', filter: { metadata: { group: 'nobody' } } };
    const [one, two] = await Promise.all([1, 2].map(() => service.post('/bulk-operations', body, { 'idempotency-key': 'bulk-1' })));
    expect(two!.json.id).toBe(one!.json.id);
    expect([one, two].map((answer) => answer!.headers.get('idempotency-replayed')).sort()).toEqual(['true', null].sort());
    expect(await service.post('/bulk-operations', { ...body, action: 'rerun' }, { 'idempotency-key': 'bulk-1' })).toMatchObject({
      status: 422,
      json: { code: 'idempotency_key_reused' },
    });
  });

  it('is listed, newest first, in pages', async () => {
    const made: unknown[] = [];
    for (let n = 0; n < 3; n++) made.unshift((await operate(service, 'cancel', { metadata: { group: 'nobody' } })).id);
    const first = await service.get('/bulk-operations?limit=2');
    expect((first.json as unknown as JsonObject[]).map(({ id }) => id)).toEqual(made.slice(0, 2));
    const next = await service.get(`/bulk-operations?limit=2&cursor=${first.headers.get('x-next-cursor')!}`);
    expect((next.json as unknown as JsonObject[])[0]!.id).toBe(made[2]);
    expect(first.headers.get('link')).toContain('rel="next"');
    const completed = await service.post(`/bulk-operations/${String(made[0])}/abort`);
    expect([completed.status, completed.json.code]).toEqual([409, 'already_completed']);
  });

  it('an operation that brought down five holders in a row is given up', async () => {
    const { json } = await ask(service, 'cancel', { metadata: { group: 'nobody' } });
    await ended(service, json.id as string);
    await query(
      service.databaseUrl,
      `UPDATE bulk_operation SET status = 'running', ended_at = NULL, attempts = 4, lease_token = gen_random_uuid(), lease_until = now() WHERE id = $1`,
      [json.id],
    );
    expect(await ended(service, json.id as string)).toMatchObject({
      status: 'failed',
      errors: [{ execution_id: null, code: 'poison', message: expect.any(String) as string }],
    });
    expect(await service.post(`/bulk-operations/${String(json.id)}/abort`)).toMatchObject({
      status: 409,
      json: { code: 'already_failed' },
    });
  });

  it.each<[string, object, string, string, string]>([
    ['no filter', { action: 'cancel' }, 'invalid_request', '/filter', 'missing_field'],
    ['a filter that is null', { action: 'cancel', filter: null }, 'invalid_request', '/filter', 'invalid_type'],
    ['an empty filter', { action: 'cancel', filter: {} }, 'empty_filter', '/filter', 'empty_filter'],
    ['a filter of nothing', { action: 'cancel', filter: { status: ' , ', metadata: {} } }, 'empty_filter', '/filter', 'empty_filter'],
    ['an empty filter, dry', { action: 'cancel', filter: {}, dry_run: true }, 'empty_filter', '/filter', 'empty_filter'],
    ['no ids', { action: 'cancel', filter: { ids: [] } }, 'invalid_request', '/filter/ids', 'invalid_value'],
    [
      'too many ids',
      { action: 'cancel', filter: { ids: Array.from({ length: 1001 }, (_, n) => String(n + 1)) } },
      'invalid_request',
      '/filter/ids',
      'invalid_value',
    ],
    [
      'an id beyond 63 bits',
      { action: 'cancel', filter: { ids: ['1', '9'.repeat(19)] } },
      'invalid_request',
      '/filter/ids/1',
      'invalid_value',
    ],
    ['an id that is a number', { action: 'cancel', filter: { ids: [7] } }, 'invalid_request', '/filter/ids/0', 'invalid_type'],
    ['an unknown action', { action: 'explode', filter: { path: 'a' } }, 'invalid_request', '/action', 'invalid_value'],
    ['no action', { filter: { path: 'a' } }, 'invalid_request', '/action', 'missing_field'],
    ['an unknown field', { action: 'cancel', filter: { path: 'a' }, all: true }, 'invalid_request', '/all', 'unknown_field'],
    ['an unknown filter', { action: 'cancel', filter: { paths: 'a' } }, 'invalid_request', '/filter/paths', 'unknown_field'],
    ['paging in a filter', { action: 'cancel', filter: { path: 'a', limit: 5 } }, 'invalid_request', '/filter/limit', 'unknown_field'],
    ['an unknown state', { action: 'cancel', filter: { status: 'asleep' } }, 'invalid_request', '/filter/status', 'invalid_value'],
    ['metadata as text', { action: 'cancel', filter: { metadata: '{"a":1}' } }, 'invalid_request', '/filter/metadata', 'invalid_type'],
    ['a bad time', { action: 'cancel', filter: { started_before: 'noon' } }, 'invalid_request', '/filter/started_before', 'invalid_value'],
    ['dry_run as text', { action: 'cancel', filter: { path: 'a' }, dry_run: 'yes' }, 'invalid_request', '/dry_run', 'invalid_type'],
  ])('%s is refused', async (_name, body, code, pointer, finding) => {
    const before = await query(service.databaseUrl, 'SELECT count(*) FROM bulk_operation');
    const answer = await service.post('/bulk-operations', body);
    expect([answer.status, answer.json.code]).toEqual([422, code]);
    expect(answer.json.errors).toContainEqual(expect.objectContaining({ pointer, code: finding }));
    expect(await query(service.databaseUrl, 'SELECT count(*) FROM bulk_operation')).toEqual(before);
  });

  it.each<[string, string, number, string]>([
    ['GET', '/bulk-operations/4611686018427387903', 404, 'unknown_bulk_operation'],
    ['GET', '/bulk-operations/nonsense', 404, 'unknown_bulk_operation'],
    ['POST', '/bulk-operations/4611686018427387903/abort', 404, 'unknown_bulk_operation'],
    ['GET', '/bulk-operations?cursor=nonsense', 400, 'invalid_cursor'],
    ['GET', '/bulk-operations?limit=501', 422, 'invalid_request'],
  ])('%s %s is refused', async (method, path, status, code) => {
    const answer = await service.request(method, path);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  it('is done in the name of who asked for it, within their tenant and scopes', async () => {
    const ids = await waiting(3, 'named');
    await query(service.databaseUrl, `UPDATE execution SET tenant_id = 'other' WHERE id = $1`, [ids[1]]);
    const bulk = service.app.get(BulkService, { strict: false });
    const ann: Principal = { tenant: 'default', subject: 'ann', scopes: new Set(['executions:control']) };
    const filter = { ids };
    await expect(bulk.create(ann, { action: 'rerun', filter, reason: null }, null)).rejects.toMatchObject({ code: 'forbidden' });
    const { operation } = await bulk.create(ann, { action: 'cancel', filter, reason: null }, null);
    expect(await ended(service, operation.id)).toMatchObject({ created_by: 'ann', total: 2, done: 2, succeeded: 2 });
    for (const id of [ids[0], ids[2]]) await service.waitDone(id!);
    const asked = await query<{ id: string; by: string }>(
      service.databaseUrl,
      `SELECT execution_id AS id, body ->> 'by' AS by FROM execution_event WHERE event_type = 'cancel_requested' AND execution_id = ANY($1::bigint[]) ORDER BY 1`,
      [ids],
    );
    expect(asked).toEqual([ids[0], ids[2]].map((id) => ({ id, by: 'ann' })));
    const [foreign] = await query<{ asked: boolean }>(
      service.databaseUrl,
      `SELECT cancel_requested_at IS NOT NULL AS asked FROM execution WHERE id = $1`,
      [ids[1]],
    );
    expect(foreign).toEqual({ asked: false });
  });

  it('another tenant neither sees nor aborts it', async () => {
    const { json } = await ask(service, 'cancel', { metadata: { group: 'nobody' } });
    await ended(service, json.id as string);
    await query(service.databaseUrl, `UPDATE bulk_operation SET tenant_id = 'other' WHERE id = $1`, [json.id]);
    expect((await service.get(`/bulk-operations/${String(json.id)}`)).status).toBe(404);
    expect((await service.post(`/bulk-operations/${String(json.id)}/abort`)).status).toBe(404);
    expect(JSON.stringify((await service.get('/bulk-operations')).json)).not.toContain(String(json.id));
  });

  describe('POST /executions/cleanup', () => {
    it('cancels what has been open for longer, and only says which in a dry run', async () => {
      const ids = await waiting(5, 'cleanup');
      const young = await waiting(1, 'cleanup-young');
      await query(service.databaseUrl, `UPDATE execution SET created_at = created_at - interval '2 hours' WHERE metadata @> $1`, [
        { group: 'cleanup' },
      ]);
      const dry = await service.post('/executions/cleanup', { older_than_minutes: 60, dry_run: true });
      expect([dry.status, dry.json]).toEqual([
        200,
        { cancelled_count: 5, execution_ids: ids, message: '5 executions would be cancelled.' },
      ]);
      const { json } = await service.post('/api/executions/cleanup', { older_than_minutes: 60, dry_run: false });
      expect(json).toEqual({ cancelled_count: 5, execution_ids: ids, message: '5 executions are being cancelled.' });
      await allCancelled('cleanup');
      expect((await service.get(`/executions/${young[0]!}`)).json.status).toBe('running');
      expect((await service.post('/executions/cleanup', { older_than_minutes: 60 })).json).toMatchObject({ cancelled_count: 0 });
    });

    it('goes by the clock of the database, whatever the node believes', async () => {
      await waiting(1, 'cleanup-clocks');
      const { now } = Date;
      try {
        Date.now = () => now() + 7_200_000;
        const { json } = await service.post('/executions/cleanup', { older_than_minutes: 60, dry_run: true });
        expect(json).toMatchObject({ cancelled_count: 0 });
      } finally {
        Date.now = now;
      }
    });

    it('is about 1,000 executions at most, the oldest', async () => {
      await query(
        service.databaseUrl,
        `INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at)
         SELECT n, 'default', 1, 'p', 'p', '1.0.0', '1.0.0', 'latest', 'playbook', '', 'pending', 'epoch', 'epoch' FROM generate_series(1, 1005) n`,
      );
      const { json } = await service.post('/executions/cleanup', { older_than_minutes: 600, dry_run: true });
      await query(service.databaseUrl, `DELETE FROM execution WHERE id <= 1005`);
      expect(json).toMatchObject({ cancelled_count: 1000, execution_ids: Array.from({ length: 1000 }, (_, n) => String(n + 1)) });
    });

    it.each([{}, { older_than_minutes: 0 }, { older_than_minutes: '60' }, { older_than_minutes: 60, all: true }])(
      '%j is refused',
      async (body) => {
        const answer = await service.post('/executions/cleanup', body);
        expect([answer.status, answer.json.code]).toEqual([422, 'invalid_request']);
      },
    );
  });
});

describe('over nodes', () => {
  let database: TestDatabase;
  let nodes: ServiceProcess[] = [];
  beforeEach(async () => {
    nodes = [];
    database = await createTestDatabase();
  });
  afterEach(async () => {
    for (const node of nodes) await node.end('SIGTERM');
    await database.drop();
  });
  const node = async (role: string): Promise<ServiceProcess> => {
    const started = await spawnService({ DATABASE_URL: database.url, LEASE_SECONDS: '2', ROLE: role });
    nodes.push(started);
    return started;
  };

  it(
    'a node is killed in the middle of a rerun: another finishes it, and every execution is started again exactly once',
    async () => {
      const starter = await node('all');
      await starter.register(routingPlaybook('bulk/route'));
      const ids = await Promise.all(Array.from({ length: 60 }, () => starter.execute('bulk/route', { metadata: { group: 'again' } })));
      await Promise.all(ids.map((id) => starter.waitDone(id)));
      ids.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
      nodes = [];
      await starter.end('SIGTERM');

      const front = await node('api');
      const { json } = await ask(front, 'rerun', { metadata: { group: 'again' } });
      const id = json.id as string;
      expect(json).toMatchObject({ status: 'pending', total: 60 });
      // Somebody is just storing the key of the 31st: its rerun cannot come through, and the operation stays in the middle.
      const release = await holding(
        database.url,
        `INSERT INTO idempotency_key (tenant_id, key, fingerprint, execution_id, expires_at) VALUES ('default', $1, '', 1, now() + interval '1 day')`,
        [`bulk ${id} ${ids[30]!}`],
      );
      const reruns = (): Promise<{ origin: string }[]> =>
        query(database.url, `SELECT forked_from AS origin FROM execution WHERE forked_from IS NOT NULL ORDER BY 1`);
      const victim = await node('worker');
      await reached(front, id, ({ done }) => Number(done) >= 20);
      // As if it had died before it recorded anything.
      expect((await reruns()).length).toBeGreaterThanOrEqual(20);
      nodes = nodes.filter((each) => each !== victim);
      await victim.end('SIGKILL');
      await release();
      await query(database.url, `UPDATE bulk_operation SET last_id = 0, done = 0, succeeded = 0 WHERE id = $1`, [id]);

      await node('worker');
      expect(await ended(front, id)).toMatchObject({ status: 'completed', total: 60, done: 60, succeeded: 60, skipped: 0, failed: 0 });
      expect((await reruns()).map(({ origin }) => origin)).toEqual(ids);
    },
    LONG,
  );

  it(
    'a node that is told to stop gives it back, and another goes on at once',
    async () => {
      const first = await node('all');
      await first.register(routingPlaybook('bulk/route'));
      const ids = await Promise.all(Array.from({ length: 20 }, () => first.execute('bulk/route', { metadata: { group: 'handed' } })));
      await Promise.all(ids.map((id) => first.waitDone(id)));
      const front = await node('api');
      ids.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
      const lock = await holding(database.url, 'LOCK TABLE idempotency_key IN SHARE MODE', []);
      const { json } = await ask(front, 'rerun', { metadata: { group: 'handed' } });
      const id = json.id as string;
      await reached(front, id, ({ status }) => status === 'running');
      const stopping = first.end('SIGTERM');
      await lock();
      await stopping;
      nodes = nodes.filter((each) => each !== first);
      const [row] = await query<{ held: boolean; attempts: number }>(
        database.url,
        `SELECT lease_token IS NOT NULL AS held, attempts FROM bulk_operation WHERE id = $1`,
        [id],
      );
      expect(row).toEqual({ held: false, attempts: 0 });
      await node('worker');
      expect(await ended(front, id)).toMatchObject({ status: 'completed', done: 20, succeeded: 20 });
      const [forks] = await query<{ count: number }>(
        database.url,
        `SELECT count(DISTINCT forked_from)::int AS count FROM execution WHERE forked_from IS NOT NULL`,
      );
      expect(forks).toEqual({ count: 20 });
    },
    LONG,
  );
});
