import { Authentication } from '../../src/common/authentication.js';
import { ANONYMOUS } from '../../src/common/principal.js';
import { EffectServer } from '../support/effect-server.js';
import { type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
let effects: EffectServer;

beforeAll(async () => {
  effects = await EffectServer.start();
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${effects.port}` });
  // Whoever says so is somebody.
  service.app.get(Authentication, { strict: false }).principalOf = ({ headers }) => ({
    ...ANONYMOUS,
    subject: String(headers['x-subject'] ?? ANONYMOUS.subject),
  });
  await service.register(`apiVersion: noetl.io/v1
kind: Playbook
metadata: { name: flow, path: removed/flow }
workload: { text: "" }
workflow:
  - step: start
    next: [{ step: large, data: { text: "{{ workload.text }}" } }]
  - { step: large, type: noop, next: [acts] }
  - { step: acts, type: http, endpoint: "http://127.0.0.1:${effects.port}/acts", next: [fails] }
  - { step: fails, type: fail, message: "no", next: [end] }
  - step: end
`);
});
afterAll(async () => {
  await service.stop();
  await effects.close();
});

/** An execution that acted once and then failed. */
async function failed(text = ''): Promise<string> {
  const id = await service.execute('removed/flow', { parameters: { text } });
  expect(await service.waitDone(id)).toMatchObject({ status: 'failed', error_details: { step: 'fails' } });
  return id;
}

const acted = (): number => effects.of('/acts').length;
const executions = async (): Promise<number> =>
  (await query<{ count: number }>(service.databaseUrl, 'SELECT count(*)::int AS count FROM execution'))[0]!.count;
const post = (id: string, verb: string, headers: Record<string, string> = {}): Promise<TestAnswer> =>
  service.post(`/executions/${id}/${verb}`, verb === 'fork' ? { from_step: 'fails' } : undefined, { prefer: 'wait=30', ...headers });

/** What one statement of a removal takes away that another statement of a reader has still seen. */
const REMOVALS: readonly (readonly [string, string])[] = [
  ['the whole history', 'DELETE FROM execution_event WHERE execution_id = $1'],
  ['the end of the history', 'DELETE FROM execution_event WHERE execution_id = $1 AND seq > 2'],
  ['a value that lies apart', 'DELETE FROM execution_blob WHERE execution_id = $1'],
];

describe.each(['retry', 'fork'])('%s of an execution that is being removed', (verb) => {
  it.each(REMOVALS)('starts nothing without %s', async (_name, statement) => {
    const id = await failed('x'.repeat(400_000));
    expect(await query(service.databaseUrl, 'SELECT part FROM execution_blob WHERE execution_id = $1', [id])).not.toEqual([]);
    await query(service.databaseUrl, statement, [id]);
    const before = [acted(), await executions()];
    expect(await post(id, verb)).toMatchObject({ status: 404, json: { code: 'unknown_execution' } });
    expect([acted(), await executions()]).toEqual(before);
  });
});

it('a rerun of an execution whose requesters are being removed starts nothing', async () => {
  const id = await failed();
  await query(service.databaseUrl, REMOVALS[0]![1], [id]);
  expect(await post(id, 'rerun', { 'x-subject': 'bob' })).toMatchObject({ status: 404, json: { code: 'unknown_execution' } });
});

it('a run without rows has no history that a retry or a fork could keep', async () => {
  const { json } = await service.post('/execute', { path: 'removed/flow', sync_to_postgres: false });
  expect(json).toMatchObject({ status: 'failed', durable: false });
  const before = acted();
  for (const verb of ['retry', 'fork'])
    expect(await post(json.id as string, verb)).toMatchObject({ status: 422, json: { code: 'not_durable_unsupported' } });
  expect(acted()).toBe(before);
  expect((await post(json.id as string, 'rerun')).json).toMatchObject({ status: 'failed', forked_from: json.id });
});

it.each(['retry', 'fork', 'rerun'])('the key of a %s outlives the execution it was made from', async (verb) => {
  const id = await failed();
  const key = { 'idempotency-key': `once-${verb}` };
  const first = await post(id, verb, key);
  expect([first.status, first.json.forked_from]).toEqual([200, id]);
  await query(service.databaseUrl, 'DELETE FROM execution WHERE id = $1', [id]);
  const again = await post(id, verb, key);
  expect([again.status, again.headers.get('idempotency-replayed'), again.json.id]).toEqual([200, 'true', first.json.id]);
  const other = await service.post(`/executions/${id}/${verb}`, { from_step: 'start', parameters: { text: 'other' } }, key);
  expect([other.status, other.json.code]).toEqual([422, verb === 'fork' ? 'idempotency_key_reused' : expect.any(String)]);
});
