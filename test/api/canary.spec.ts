import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JsonObject } from '../../src/engine/values.js';
import { createTestDatabase } from '../support/database.js';
import { EchoServer } from '../support/echo-server.js';
import { type ServiceProcess, spawnService } from '../support/service.js';
import { query } from '../support/sql.js';

/** With characters that every encoding writes otherwise. */
const CANARY = 'cänary "7f/3+b9" & x';
let echo: EchoServer;
let node: ServiceProcess;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let folder: string;

beforeAll(async () => {
  echo = await EchoServer.start();
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'canary-'));
  writeFileSync(join(folder, 'keys'), `${randomBytes(32).toString('base64')}\n`);
  node = await spawnService({
    DATABASE_URL: database.url,
    DATA_DIR: folder,
    ENCRYPTION_KEY_FILE: join(folder, 'keys'),
    OUTBOUND_ALLOW: '127.0.0.1',
    LOG_LEVEL: 'trace',
    NOETL_SECRET_CANARY: CANARY,
  });
});
afterAll(async () => {
  await node?.end('SIGTERM');
  await database.drop();
  await echo.close();
  rmSync(folder, { recursive: true, force: true });
});

const encodings: Readonly<Record<string, string>> = {
  raw: CANARY,
  base64: Buffer.from(CANARY).toString('base64'),
  'base64 after one byte': Buffer.from(`a${CANARY}b`).toString('base64'),
  'base64 after two bytes': Buffer.from(`ab${CANARY}c`).toString('base64'),
  base64url: Buffer.from(CANARY).toString('base64url'),
  'URL-encoded': encodeURIComponent(CANARY),
  'form-encoded': new URLSearchParams({ x: CANARY }).toString(),
  'URL-encoded in small letters': encodeURIComponent(CANARY).toLowerCase(),
  'JSON-escaped': JSON.stringify(CANARY).slice(1, -1),
  'JSON-escaped to ASCII': JSON.stringify(CANARY).slice(1, -1).replace('ä', '\\u00e4'),
};
/** What must be found nowhere: the middle of each form, which stands wherever the form stands. */
const needles = Object.values(encodings).flatMap((form) => {
  const middle = form.replace(/^x=/, '').slice(6, -6);
  return [middle, JSON.stringify(middle).slice(1, -1)];
});
const hits = (text: string): string[] => needles.filter((needle) => text.includes(needle));

const PYTHON = `def main(pw):
    import base64, json, urllib.parse
    print("print " + pw)
    print(base64.b64encode(("zz" + pw).encode()).decode(), urllib.parse.quote(pw), json.dumps(pw))
    return {"raw": pw, "forms": [base64.b64encode(pw.encode()).decode(), urllib.parse.quote_plus(pw), json.dumps(pw)], pw: "as a key"}`;
const FAILING = `def main(pw):\n    raise ValueError("it was " + pw)`;

/** Every channel by which something can come back. */
const STEPS: readonly JsonObject[] = [
  { type: 'http', auth: { type: 'basic', key: 'canary_login' }, endpoint: '{{ workload.origin }}/basic', on_error: 'continue' },
  { type: 'http', auth: 'canary_key', endpoint: '{{ workload.origin }}/key?q={{ auth.value | urlencode }}', on_error: 'continue' },
  {
    type: 'http',
    auth: 'canary_key',
    method: 'POST',
    endpoint: '{{ workload.origin }}/fail/500',
    data: { body: { p: '{{ auth.value }}' } },
    retry: { max_attempts: 2, initial_delay: 0.05 },
    on_error: 'continue',
  },
  {
    type: 'http',
    auth: 'canary_key',
    endpoint: '{{ workload.origin }}/text',
    headers: { 'X-P': '{{ ("a:" ~ auth.value) | b64encode }}' },
    vars: { seen: '{{ result.data }}' },
  },
  { type: 'http', auth: 'canary_key', endpoint: 'http://{{ auth.value | urlencode }}.invalid/', on_error: 'continue' },
  { type: 'http', auth: { type: 'bearer', key: 'canary_key' }, endpoint: '{{ workload.origin }}/mismatch', on_error: 'continue' },
  { type: 'secrets', provider: 'env', name: 'CANARY', as: 'canary' },
  { type: 'python', data: { pw: '{{ step_6.canary }}' }, code: PYTHON, save: { storage: 'event_log', data: '{{ result }}' } },
  { type: 'python', data: { pw: '{{ step_6.canary }}' }, code: FAILING, on_error: 'continue' },
  { type: 'python', auth: 'canary_key', data: { pw: '{{ auth.value }}' }, code: PYTHON },
];

describe('a canary among the secrets', () => {
  it('is found in no table, log, event or answer, in no encoding', async () => {
    echo.answer = ({ url, headers, body }) =>
      url.startsWith('/fail')
        ? { status: 500, body: JSON.stringify({ forms: encodings, body, headers }) }
        : {
            type: url === '/text' ? 'text/plain' : 'application/json',
            body: JSON.stringify({ url, headers, forms: encodings, [CANARY]: 1 }),
          };
    const answers: string[] = [];
    const ask = async (method: string, path: string, body?: object | string): Promise<JsonObject> => {
      const answer = await node.request(method, path, body);
      answers.push(answer.text, JSON.stringify([...answer.headers]));
      return answer.json;
    };
    for (const [name, type, data] of [
      ['canary_login', 'basic', { username: 'demo', password: CANARY }],
      ['canary_key', 'api_key', { value: CANARY }],
    ] as const)
      await ask('POST', '/credentials', { name, type, data });
    await ask('POST', '/credentials', { name: 'bad', type: 'postgres', data: { db_password: CANARY } });
    await ask('POST', '/credentials', `{"name":"broken","type":"api_key","data":{"value":${JSON.stringify(CANARY)}`);
    await ask('POST', '/credentials', { name: 'x', type: 'api_key', data: { value: 'long-enough' }, unknown: CANARY.length });
    const workflow = STEPS.map((step, index) => ({
      step: `step_${index}`,
      next: index === STEPS.length - 1 ? 'end' : `step_${index + 1}`,
      ...step,
    }));
    await node.register(
      JSON.stringify({
        apiVersion: 'noetl.io/v1',
        metadata: { name: 'canary', path: 'test/canary' },
        workload: { origin: echo.origin },
        workflow: [...workflow, { step: 'end', result: { all: '{{ steps }}' } }],
      }),
    );
    const id = await node.execute('test/canary');
    expect(await node.waitDone(id)).toMatchObject({ status: 'completed' });
    const seen = echo.seen.map(({ url, headers, body }) => JSON.stringify([url, headers, body])).join('\n');
    // It had every chance: the secret did go out, in these forms.
    expect(seen).toContain(Buffer.from(`demo:${CANARY}`).toString('base64'));
    expect(seen).toContain(Buffer.from(`a:${CANARY}`).toString('base64'));
    expect(echo.seen.filter(({ url }) => url === '/fail/500')).toHaveLength(2);

    for (const path of ['', '/status', '/result', '/events?limit=1000', '/steps', '/tree', '?include=events'])
      await ask('GET', `/executions/${id}${path}`);
    for (const { seq } of await node.events(id)) {
      for (const place of ['result', 'raw', 'inputs']) await ask('GET', `/executions/${id}/events/${seq}/${place}`);
    }
    await ask('GET', '/executions');
    await ask('GET', '/credentials');
    await ask('GET', '/credentials/canary_key');
    answers.push(await (await fetch(`${node.url}/metrics`)).text());
    answers.push(await (await fetch(`${node.url}/executions/${id}/events`, { headers: { accept: 'text/event-stream' } })).text());
    const tables = await query<{ name: string }>(
      database.url,
      `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace`,
    );
    const rows = await Promise.all(
      tables.map(({ name }) => query<{ row: string }>(database.url, `SELECT t::text AS row FROM "${name}" t`)),
    );

    const dump = rows
      .flat()
      .map(({ row }) => row)
      .join('\n');
    expect(dump).toContain('[REDACTED]');
    expect(tables.length).toBeGreaterThan(10);
    expect({ where: 'the tables', hits: hits(dump) }).toEqual({ where: 'the tables', hits: [] });
    expect({ where: 'the answers', hits: hits(answers.join('\n')) }).toEqual({ where: 'the answers', hits: [] });
    expect(node.output.length).toBeGreaterThan(5);
    expect({ where: 'the logs', hits: hits(node.output.join('\n')) }).toEqual({ where: 'the logs', hits: [] });
    expect(answers.join('\n')).not.toMatch(/__secret_|__sealed_/);
  });
});
