import { routingPlaybook } from '../support/documents.js';
import { type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
let other: TestService;
beforeAll(async () => {
  service = await startTestService({ HTTP_MAX_IN_FLIGHT: '2000' });
  other = await startTestService({ HTTP_MAX_IN_FLIGHT: '2000' }, service);
  await service.register(routingPlaybook('idempotency/route'));
});
afterAll(async () => {
  await other.stop();
  await service.stop();
});

const start = (key: string, body: object = {}, node: TestService = service, headers: Record<string, string> = {}): Promise<TestAnswer> =>
  node.post('/execute', { path: 'idempotency/route', ...body }, { 'idempotency-key': key, ...headers });

const executions = async (): Promise<number> => {
  const [row] = await query<{ count: number }>(service.databaseUrl, 'SELECT count(*)::int AS count FROM execution');
  return row!.count;
};

describe('Idempotency-Key', () => {
  it('the same key and body is the same execution, and says so', async () => {
    const first = await start('one', { parameters: { a: 1, b: { c: 2, d: 3 } } });
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([202, null]);
    // Another order of keys and other spelling of numbers is the same value (RFC 8785).
    const text = '{"parameters": {"b":{"d":3.0,"c":2},"a":1e0},  "path":"idempotency/route"}';
    const again = await service.request('POST', '/execute', text, { 'idempotency-key': 'one', 'content-type': 'application/json' });
    expect([again.status, again.headers.get('idempotency-replayed'), again.json.execution_id]).toEqual([
      202,
      'true',
      first.json.execution_id,
    ]);
    const waiting = await start('one', { parameters: { a: 1, b: { c: 2, d: 3 } } }, other, { prefer: 'wait=10' });
    expect([waiting.status, waiting.json]).toEqual([
      200,
      expect.objectContaining({ execution_id: first.json.execution_id, status: 'completed' }),
    ]);
  });

  it('another body, or the other endpoint, is refused and starts nothing', async () => {
    await start('two', { parameters: { a: 1 } });
    const before = await executions();
    for (const answer of [
      await start('two', { parameters: { a: 2 } }),
      await start('two', { parameters: { a: 1 }, version: 'latest' }),
      await service.post('/executions/run', { playbook_id: 'idempotency/route', parameters: { a: 1 } }, { 'idempotency-key': 'two' }),
    ]) {
      expect([answer.status, answer.json.code]).toEqual([422, 'idempotency_key_reused']);
    }
    expect(await executions()).toBe(before);
  });

  it.each(['', ' ', 'a b', 'é', 'x'.repeat(256)])('the key %j is refused', async (key) => {
    const answer = await service.post(
      '/execute',
      { path: 'idempotency/route' },
      { 'idempotency-key': encodeURIComponent(key) === key ? key : Buffer.from(key, 'utf8').toString('latin1') },
    );
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_header']);
  });

  it('a run without rows cannot have one', async () => {
    const answer = await start('three', { sync_to_postgres: false });
    expect([answer.status, answer.json.code]).toEqual([422, 'not_durable_unsupported']);
  });

  it('100 keys, 16 starts each at once on two nodes: exactly 100 executions, and everybody hears of the right one', async () => {
    const before = await executions();
    const answers = await Promise.all(
      Array.from({ length: 1_600 }, (_, n) => start(`many-${n % 100}`, { parameters: { key: n % 100 } }, n % 32 < 16 ? service : other)),
    );
    expect([...new Set(answers.map(({ status }) => status))]).toEqual([202]);
    const byKey = Map.groupBy(
      answers.map(({ json }, n) => [n % 100, json.execution_id] as const),
      ([key]) => key,
    );
    for (const ids of byKey.values()) expect(new Set(ids.map(([, id]) => id)).size).toBe(1);
    expect(await executions()).toBe(before + 100);
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(100);
    for (const [, [first]] of byKey) expect(await service.waitDone(first![1] as string)).toMatchObject({ status: 'completed' });
    const [events] = await query<{ gaps: string }>(
      service.databaseUrl,
      `SELECT count(*) AS gaps FROM (SELECT execution_id FROM execution_event GROUP BY 1 HAVING max(seq) <> count(*)) g`,
    );
    expect(events?.gaps).toBe('0');
  });

  it('an expired key is a new one; a key outlives its execution and remembers the end', async () => {
    const first = await start('old');
    await query(service.databaseUrl, `UPDATE idempotency_key SET expires_at = now() - interval '1 s' WHERE key = 'old'`);
    const second = await start('old', { parameters: { other: true } });
    expect(second.json.execution_id).not.toBe(first.json.execution_id);
    await service.waitDone(second.json.execution_id as string);
    await query(service.databaseUrl, `UPDATE idempotency_key SET final_status = 'completed' WHERE key = 'old'`);
    await query(service.databaseUrl, `DELETE FROM execution WHERE id = ${String(second.json.execution_id)}`);
    const third = await start('old', { parameters: { other: true } });
    expect([third.status, third.json.code]).toEqual([409, 'execution_removed']);
    expect(third.json.detail).toContain('completed');
  });
});
