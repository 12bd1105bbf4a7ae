import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { EffectServer } from '../support/effect-server.js';
import { type FaultProxy, faultProxyBefore } from '../support/fault-proxy.js';
import { type TestAnswer } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

const LONG = 180_000;
const PATH = 'silent/holding';
const NAMED = `path=${encodeURIComponent(PATH)}`;
/** Not known yet, so that the answer cannot be in memory. */
const UNHEARD = 'path=silent%2Funheard';

const KEYED = [
  { path: PATH, parameters: { at: 'keyed' } },
  { 'idempotency-key': 'silent', prefer: 'wait=30' },
] as const;

let effects: EffectServer;
let proxy: FaultProxy;
let service: TestService;
let folder: string;
let document: string;
/** Of what is asked about while the database is silent. */
let ids: { readonly entry: string; readonly done: string; readonly holding: string; readonly operation: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'showrunner-silent-'));
  writeFileSync(join(folder, 'key'), randomBytes(32).toString('base64'), { mode: 0o600 });
  effects = await EffectServer.start();
  service = await startTestService(
    { OUTBOUND_ALLOW: `127.0.0.1:${effects.port}`, ENCRYPTION_KEY_FILE: join(folder, 'key') },
    undefined,
    async (direct) => {
      const through = await faultProxyBefore(direct);
      proxy = through.proxy;
      return through.url;
    },
  );
  document =
    `apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: { name: holding, path: ${PATH} }\nworkload: { at: hold }\nworkflow:\n` +
    `  - { step: start, type: http, timeout: 100, endpoint: "http://127.0.0.1:${effects.port}/{{ workload.at }}", next: end }\n  - step: end\n`;
  const { catalog_id: entry } = await service.register(document);
  const done = await service.execute(PATH, { parameters: { at: 'now' } });
  await service.waitDone(done);
  const holding = await service.execute(PATH);
  await effects.called('/hold', 1);
  const credential = { name: 'known', type: 'bearer', data: { token: 'a token' } };
  expect((await service.post('/credentials', credential)).status).toBeLessThan(300);
  const { json } = await service.post('/bulk-operations', { action: 'cancel', filter: { path: 'silent/nobody' } });
  ids = { entry: entry as string, done, holding, operation: json.id as string };
}, LONG);
afterAll(async () => {
  await service.stop();
  await proxy.close();
  await effects.close();
  rmSync(folder, { recursive: true, force: true });
}, LONG);

/** Whatever depends on the database: method, path, body, headers. */
function asked(): readonly (readonly [string, string, object?, Record<string, string>?])[] {
  const { entry, done, holding, operation } = ids;
  return [
    ...[
      `/executions/${done}`,
      `/executions/${done}?include=events`,
      `/executions/${done}/status`,
      `/executions/${done}/events`,
      `/executions/${done}/events/1/inputs`,
      `/executions/${done}/result`,
      `/executions/${done}/steps`,
      `/executions/${done}/tree`,
      '/executions',
      `/executions?${NAMED}`,
      '/playbooks',
      '/catalog/list',
      `/catalog/versions?${UNHEARD}`,
      `/catalog/resolve?${UNHEARD}`,
      `/catalog/tags?${NAMED}`,
      `/catalog/entries/${entry}`,
      `/catalog/entries/${entry}/content`,
      '/credentials',
      '/credentials/known',
      '/bulk-operations',
      `/bulk-operations/${operation}`,
    ].map((path) => ['GET', path] as const),
    ['GET', `/executions/${done}`, undefined, { prefer: 'wait=30' }],
    ['GET', `/executions/${done}/events`, undefined, { accept: 'text/event-stream' }],
    ['POST', '/execute', { path: PATH, parameters: { at: 'now' } }],
    ['POST', '/execute', { path: PATH, parameters: { at: 'waited' } }, { prefer: 'wait=30' }],
    ['POST', '/execute', ...KEYED],
    ['POST', '/executions/run', { playbook_id: entry, parameters: { at: 'now' } }],
    ['POST', `/executions/${holding}/pause`],
    ['POST', `/executions/${holding}/resume`],
    ['POST', `/executions/${holding}/signal`, { name: 'none' }],
    ['POST', `/executions/${done}/cancel`],
    ['POST', `/executions/${done}/rerun`],
    ['POST', `/executions/${done}/fork`, { from_step: 'start' }],
    ['POST', '/executions/cleanup', { older_than_minutes: 1, dry_run: true }],
    ['POST', '/bulk-operations', { action: 'cancel', filter: { path: 'silent/nobody' } }],
    ['POST', '/catalog/register', { content: document.replace('hold }', 'now }') }],
    ['PUT', `/catalog/tags/silent?${NAMED}`, { version: 'latest' }],
    ['POST', '/credentials', { name: 'other', type: 'bearer', data: { token: 'another token' } }],
  ];
}

async function eachIsRefused(): Promise<void> {
  const requests = asked();
  const answers = await Promise.all(requests.map(([method, path, body, headers]) => service.request(method, path, body, headers)));
  const seen = answers.map(({ status, headers, json }, at) => {
    const [method, path] = requests[at]!;
    const code = ['database_unavailable', 'outcome_unknown'].includes(String(json?.code)) ? 'as it should be' : json?.code;
    return { request: `${method} ${path}`, status, code, retryAfter: headers.get('retry-after') };
  });
  expect(seen).toEqual(seen.map(({ request }) => ({ request, status: 503, code: 'as it should be', retryAfter: '1' })));
}

/** Repeats a start that was refused, as its client would, until the node takes it again. */
async function untilTaken(): Promise<TestAnswer> {
  for (const until = performance.now() + 60_000; ;) {
    const answer = await service.post('/execute', ...KEYED);
    if (answer.status !== 503 || performance.now() > until) return answer;
    await new Promise((done) => setTimeout(done, 50));
  }
}

it(
  'a database that does not answer at all, or hardly, is no reason to let a client wait; who waits for an end does not notice',
  async () => {
    const waited: Promise<TestAnswer> = service.get(`/executions/${ids.holding}`, { prefer: 'wait=60' });
    const stream = await fetch(`${service.url}/executions/${ids.holding}/events`, { headers: { accept: 'text/event-stream' } });

    proxy.hold();
    await eachIsRefused();
    proxy.release('reset');
    expect(await untilTaken()).toMatchObject({ status: 200, json: { status: 'completed' } });
    expect(effects.of('/keyed')).toHaveLength(1);

    proxy.bytesPerSecond = 16;
    await eachIsRefused();
    proxy.bytesPerSecond = Infinity;
    expect(await untilTaken()).toMatchObject({ status: 200, json: { status: 'completed' } });
    expect(effects.of('/keyed')).toHaveLength(1);
    effects.release();
    expect(await waited).toMatchObject({ status: 200, json: { status: 'completed' } });
    expect(await stream.text()).toContain('event: execution_completed');
    for (const [method, path] of asked().filter(([method]) => method === 'GET')) {
      expect([path, (await service.request(method, path)).status]).toEqual([path, path.includes(UNHEARD) ? 404 : 200]);
    }
    // Nothing that was refused is left without an end.
    for (const until = performance.now() + 60_000; ;) {
      const open = await query(
        service.databaseUrl,
        `SELECT id FROM execution WHERE status NOT IN ('completed', 'failed', 'cancelled', 'paused')`,
      );
      if (open.length === 0) break;
      if (performance.now() > until) expect(open).toEqual([]);
      await new Promise((done) => setTimeout(done, 100));
    }
  },
  LONG,
);
