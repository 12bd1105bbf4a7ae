import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { fingerprintOf } from '../../src/common/idempotency.js';
import { type JsonObject } from '../../src/engine/values.js';
import { routingPlaybook } from '../support/documents.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await startTestService();
  await service.register(routingPlaybook('keys/route'), { version: '1.0.0' });
  await service.register(routingPlaybook('keys/route'), { version: '2.0.0' });
  client = new Client({ name: 'spec', version: '1.0.0' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${service.url}/mcp`)));
});
afterAll(async () => {
  await client.close();
  await service.stop();
});

interface Answered {
  readonly id: unknown;
  readonly refusal: string | null;
}

/** Runs the entry under a key. */
async function run(key: unknown, meta: JsonObject = {}, more: JsonObject = {}): Promise<Answered> {
  const call = { name: 'execute', arguments: { path: 'keys/route', arguments: { n: 1 }, ...more } };
  const answer = await client.callTool({ ...call, _meta: { 'noetl/idempotency_key': key, ...meta } });
  const [content] = answer.content as { text?: string }[];
  return { id: answer._meta?.['noetl/execution_id'], refusal: answer.isError ? (content?.text ?? '') : null };
}

describe('noetl/idempotency_key', () => {
  it.each([['a b'], ['bulk 1 2'], ['é'], ['\t'], [' '], [''], ['x'.repeat(256)], [7], ['a\n']])('%j is refused', async (key) => {
    expect(await run(key)).toEqual({ id: undefined, refusal: expect.stringContaining('/idempotency_key') });
  });

  it.each<[string, JsonObject, JsonObject]>([
    ['a version', { 'noetl/version': '1.0.0' }, {}],
    ['metadata', { 'noetl/metadata': { ticket: 'T-1' } }, {}],
    ['a priority', { 'noetl/priority': 3 }, {}],
    ['a timeout', { 'noetl/timeout': '1h' }, {}],
    ['a delay', { 'noetl/delay': '10ms' }, {}],
    ['merge', { 'noetl/merge': true }, {}],
    ['the version as an argument', {}, { version: '1.0.0' }],
  ])('is of a call with its options: %s', async (name, meta, more) => {
    const key = name.replaceAll(' ', '-');
    const plain = await run(key);
    expect(plain).toEqual({ id: expect.any(String), refusal: null });
    expect(await run(key, meta, more)).toEqual({ id: undefined, refusal: expect.stringContaining('idempotency_key_reused') });
    expect(await run(key)).toEqual(plain);

    const optioned = await run(`${key}-2`, meta, more);
    expect(await run(`${key}-2`, meta, more)).toEqual({ id: optioned.id, refusal: null });
    expect(await run(`${key}-2`)).toEqual({ id: undefined, refusal: expect.stringContaining('idempotency_key_reused') });
  });

  it('options that say what holds anyway are none', async () => {
    const plain = await run('nothing');
    const same = { 'noetl/merge': false, 'noetl/version': null, 'noetl/metadata': null, 'noetl/timeout': null };
    expect(await run('nothing', same)).toEqual(plain);
  });

  it('keys of calls without options are known that were used before options counted', async () => {
    const { id } = await run('older');
    const [row] = await query<{ fingerprint: string }>(service.databaseUrl, `SELECT fingerprint FROM idempotency_key WHERE key = 'older'`);
    expect(row!.fingerprint).toBe(fingerprintOf('mcp tools/call execute keys/route', { n: 1 }));
    expect((await run('older')).id).toBe(id);
  });
});
