import { type JsonObject } from '../../src/engine/values.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const MODERN = '2026-07-28';
const LEGACY = '2025-11-25';

/** What the server answers to a request as it stands; no client that checks its own requests would send most of these. */
async function answerTo(method: string, params: JsonObject, revision = MODERN): Promise<JsonObject> {
  const envelope = { 'io.modelcontextprotocol/protocolVersion': revision, 'io.modelcontextprotocol/clientCapabilities': {} };
  const name = params.name ?? params.uri;
  const response = await fetch(`${service.url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': revision,
      ...(revision === MODERN ? { 'mcp-method': method } : {}),
      ...(revision === MODERN && name !== undefined ? { 'mcp-name': String(name as string) } : {}),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: revision === MODERN ? { ...params, _meta: envelope } : params }),
  });
  const text = await response.text();
  return JSON.parse(text.startsWith('{') ? text : /^data: (\{.*)$/m.exec(text)![1]!) as JsonObject;
}

describe('params that are none', () => {
  it.each<[string, JsonObject, string]>([
    ['tools/list', { cursor: 1 }, 'cursor'],
    ['tools/call', { name: 1 }, 'name'],
    ['prompts/list', { cursor: 1 }, 'cursor'],
    ['prompts/get', {}, 'name'],
    ['prompts/get', { name: 'run_playbook', arguments: { path: 1 } }, 'arguments.path'],
    ['resources/list', { cursor: 1 }, 'cursor'],
    ['resources/templates/list', { cursor: 1 }, 'cursor'],
    ['resources/read', { uri: 1 }, 'uri'],
    ['completion/complete', { ref: { type: 'nothing' }, argument: { name: 'path', value: '' } }, 'ref'],
  ])('of %s, %j, are a mistake of the client, who is told where', async (method, params, where) => {
    for (const revision of [MODERN, LEGACY]) {
      const { error } = (await answerTo(method, params, revision)) as { error: JsonObject };
      expect([revision, error]).toEqual([revision, { code: -32602, message: expect.stringMatching(`^Invalid .*${where}`) as string }]);
      expect(error.message).not.toContain('\n');
    }
  });

  it('of the first request of an older client are one, too', async () => {
    expect(await answerTo('initialize', { protocolVersion: 1 }, LEGACY)).toMatchObject({ error: { code: -32602 } });
  });
});

describe('completion of the path of a catalog resource', () => {
  const ref = { type: 'ref/resource', uri: 'catalog://{type}/{+path}@{version}' };
  const paths = async (type?: string): Promise<unknown> => {
    const context: JsonObject = { arguments: type === undefined ? {} : { type } };
    const { result } = await answerTo('completion/complete', { ref, argument: { name: 'path', value: 'choices/' }, context });
    return ((result as JsonObject).completion as JsonObject).values;
  };

  it('offers those of the type that was chosen: no other could be read', async () => {
    const head = (kind: string, path: string): string => `apiVersion: noetl.io/v1\nkind: ${kind}\nmetadata: { name: x, path: ${path} }\n`;
    await service.post('/catalog/register', {
      content: `${head('Playbook', 'choices/one')}workflow: [{ step: start, next: end }, { step: end }]\n`,
    });
    await service.post('/catalog/register', { content: `${head('Prompt', 'choices/two')}messages: [{ content: Hello. }]\n` });
    expect(await paths()).toEqual(['choices/one', 'choices/two']);
    expect(await paths('playbook')).toEqual(['choices/one']);
    expect(await paths('prompt')).toEqual(['choices/two']);
    expect(await paths('tool')).toEqual([]);
    expect(await paths('nothing')).toEqual([]);
  });
});
