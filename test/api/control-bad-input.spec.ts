import { Authentication } from '../../src/common/authentication.js';
import { ANONYMOUS } from '../../src/common/principal.js';
import { routingPlaybook } from '../support/documents.js';
import { type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

// Wishes about executions that are not there, not the caller's, or over. Each is a problem document with a code, and changes nothing at all.
const UNKNOWN = '4611686018427387903';
const TABLES = [
  'execution',
  'execution_payload',
  'execution_event',
  'execution_inbox',
  'execution_snapshot',
  'idempotency_key',
  'bulk_operation',
];
const WISHES = {
  cancel: {},
  stop: {},
  pause: { reason: 'why not' },
  resume: undefined,
  signal: { name: 'go', payload: { amount: 1 } },
  retry: undefined,
  rerun: {},
  fork: { from_step: 'start' },
} as const;
type Wish = keyof typeof WISHES;
const ids: Record<string, string> = {};
let service: TestService;

/** Everybody is who the header says; the other tenant has executions of its own. */
const as = (tenant: string): Record<string, string> => (tenant === 'default' ? {} : { 'x-tenant': tenant });

beforeAll(async () => {
  service = await startTestService();
  service.app.get(Authentication).principalOf = ({ headers }) => ({ ...ANONYMOUS, tenant: String(headers['x-tenant'] ?? 'default') });
  const waiting = `apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: wait, path: bad/wait }
workflow:
  - step: start
    next: [{ when: "{{ workload.fail | default(false) }}", then: [bad] }, { else: [hold] }]
  - { step: hold, type: wait_for, name: go, schema: { type: object, required: [amount] }, next: [end] }
  - { step: bad, type: wait, duration: "soon {{ workload.fail }}", next: [end] }
  - step: end
`;
  for (const tenant of ['default', 'other']) {
    for (const content of [waiting, routingPlaybook('bad/route')]) {
      expect(await service.post('/catalog/register', { content }, as(tenant))).toMatchObject({ status: 201 });
    }
    const start = async (name: string, path: string, parameters = {}): Promise<string> => {
      const { json } = await service.post('/execute', { path, parameters }, as(tenant));
      return (ids[tenant === 'default' ? name : `foreign ${name}`] = json.execution_id as string);
    };
    const end = async (id: string, status: string): Promise<void> => {
      const { json } = await service.get(`/executions/${id}`, { prefer: 'wait=30', ...as(tenant) });
      expect(json).toMatchObject({ id, status });
    };
    const [cancelled, paused] = [await start('cancelled', 'bad/wait'), await start('paused', 'bad/wait')];
    await service.post(`/executions/${cancelled}/cancel`, {}, as(tenant));
    await service.post(`/executions/${paused}/pause`, {}, as(tenant));
    await end(cancelled, 'cancelled');
    await end(await start('completed', 'bad/route'), 'completed');
    await end(await start('failed', 'bad/wait', { fail: true }), 'failed');
    await start('waiting', 'bad/wait');
  }
  await settled();
});
afterAll(() => service.stop());

/** Resolves when nothing writes any more. */
async function settled(): Promise<void> {
  for (const until = performance.now() + 30_000; ;) {
    const [row] = await query<{ open: number }>(
      service.databaseUrl,
      `SELECT count(*)::int AS open FROM execution WHERE lease_token IS NOT NULL OR inbox_seq > inbox_consumed OR wake_at IS NOT NULL`,
    );
    if (row!.open === 0) return;
    if (performance.now() > until) throw new Error(`${row!.open} executions do not come to rest`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Every row there is. */
async function rows(): Promise<string> {
  const dumps = TABLES.map((table) => `SELECT '${table}' AS name, t::text AS row FROM ${table} t`);
  return JSON.stringify(await query(service.databaseUrl, `${dumps.join(' UNION ALL ')} ORDER BY 1, 2`));
}
const ask = (verb: Wish, id: string, tenant = 'default'): Promise<TestAnswer> =>
  service.post(`/executions/${id}/${verb}`, WISHES[verb], as(tenant));

const OVER: readonly Wish[] = ['cancel', 'stop', 'pause', 'resume', 'signal'];
const FOREIGN = ['waiting', 'paused', 'completed', 'failed', 'cancelled'].map((state) => `foreign ${state}`);
const REFUSED: readonly (readonly [Wish, string, number, string])[] = [
  ...(Object.keys(WISHES) as Wish[]).flatMap((verb) =>
    ['unknown', ...FOREIGN].map((whose) => [verb, whose, 404, 'unknown_execution'] as const),
  ),
  ...OVER.flatMap((verb) =>
    ['completed', 'failed', 'cancelled']
      .filter((state) => state !== 'cancelled' || (verb !== 'cancel' && verb !== 'stop'))
      .map((state) => [verb, state, 409, `already_${state}`] as const),
  ),
  ['retry', 'completed', 409, 'already_completed'],
  ['retry', 'waiting', 409, 'not_ended'],
  ['retry', 'paused', 409, 'not_ended'],
];

it.each(REFUSED)('%s of one that is %s is %i %s and changes nothing', async (verb, whose, status, code) => {
  const before = await rows();
  const answer = await ask(verb, ids[whose] ?? UNKNOWN);
  expect(answer).toMatchObject({ status, json: { status, code } });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  // Nothing of the other tenant's is told, not even that it is there.
  if (whose.startsWith('foreign')) {
    const unknown = await ask(verb, UNKNOWN);
    expect({ ...answer.json, detail: '', instance: '', request_id: '' }).toEqual({
      ...unknown.json,
      detail: '',
      instance: '',
      request_id: '',
    });
  }
  expect(await rows()).toBe(before);
});

it.each<readonly [Wish, string]>([
  ['cancel', 'cancelled'],
  ['stop', 'cancelled'],
  ['pause', 'paused'],
  ['resume', 'waiting'],
])('%s of one that is %s is 200, and changes nothing', async (verb, whose) => {
  const before = await rows();
  expect(await ask(verb, ids[whose]!)).toMatchObject({ status: 200 });
  expect(await rows()).toBe(before);
});

it.each([
  ['a signal that no step waits for', '/executions/:waiting/signal', { name: 'stop', payload: {} }, {}, 422, 'unknown_signal'],
  ['a signal that violates its schema', '/executions/:waiting/signal', { name: 'go', payload: {} }, {}, 422, 'schema_violation'],
  ['a fork from a step that never ran', '/executions/:completed/fork', { from_step: 'hold' }, {}, 422, 'step_never_ran'],
  ['a fork of a waiting one from a step that never ran', '/executions/:waiting/fork', { from_step: 'bad' }, {}, 422, 'step_never_ran'],
  [
    'a key of another body',
    '/execute',
    { path: 'bad/route', parameters: { n: 2 } },
    { 'idempotency-key': 'k' },
    422,
    'idempotency_key_reused',
  ],
  ['a priority out of range', '/execute', { path: 'bad/route', priority: 101 }, {}, 422, 'invalid_request'],
  ['a delay out of range', '/execute', { path: 'bad/route', delay: '3654d' }, {}, 422, 'invalid_request'],
  ['a time-out out of range', '/execute', { path: 'bad/route', timeout: 0 }, {}, 422, 'invalid_request'],
  ['a retry with other parameters', '/executions/:failed/retry', { parameters: { fail: false } }, {}, 422, 'invalid_request'],
  ['a retry with a list', '/executions/:failed/retry', [], {}, 422, 'invalid_request'],
  ['a resume with a reason', '/executions/:paused/resume', { reason: 'why not' }, {}, 422, 'invalid_request'],
  ['a bulk operation without a filter', '/bulk-operations', { action: 'cancel' }, {}, 422, 'invalid_request'],
  ['a bulk operation with an empty filter', '/bulk-operations', { action: 'cancel', filter: {} }, {}, 422, 'empty_filter'],
  [
    'a bulk operation on foreign ones by their ids',
    '/bulk-operations',
    { action: 'cancel', filter: { ids: [':foreign waiting'] }, dry_run: true },
    {},
    200,
    null,
  ],
] as const)('%s changes nothing', async (_name, path, body, headers, status, code) => {
  await service.post('/execute', { path: 'bad/route', parameters: { n: 1 } }, { 'idempotency-key': 'k', prefer: 'wait=20' });
  const before = await rows();
  const answer = await service.post(named(path), JSON.parse(named(JSON.stringify(body))) as object, { ...headers });
  expect([answer.status, answer.json.code ?? null]).toEqual([status, code]);
  if (code === null) expect(answer.json).toMatchObject({ count: 0 });
  expect(await rows()).toBe(before);
});

/** With the ids of what it names. */
function named(text: string): string {
  return text.replace(
    /:(foreign )?(waiting|completed|failed|paused)/g,
    (_match, foreign: string | undefined, state: string) => ids[`${foreign ?? ''}${state}`]!,
  );
}

it('whose it is may do all of that', async () => {
  expect((await service.get(`/executions/${ids['foreign waiting']!}`)).status).toBe(404);
  expect((await ask('signal', ids['foreign waiting']!, 'other')).status).toBe(202);
  expect((await ask('resume', ids['foreign paused']!, 'other')).status).toBe(202);
  expect((await ask('retry', ids['foreign cancelled']!, 'other')).status).toBe(202);
  expect((await ask('rerun', ids['foreign completed']!, 'other')).status).toBe(202);
  expect((await ask('fork', ids['foreign completed']!, 'other')).status).toBe(202);
  expect((await ask('cancel', ids['foreign paused']!, 'other')).status).toBe(202);
});
