import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type JsonObject } from '../../src/engine/values.js';
import { McpClient } from '../../src/mcp-client/mcp-client.js';
import { type SeenExecution } from '../support/http-client.js';
import { oneCall } from '../support/mcp-peers.js';
import { startTestService, type TestService } from '../support/service.js';

const TOKEN = 'a-token-for-the-server';
const TOOLS = [
  'echo',
  'report',
  'hang',
  'flood',
  'garbage',
  'html',
  'huge',
  'huge_event',
  'cut',
  'refuse',
  'away',
  'input',
  'roots',
  'again',
  'endless',
].map((name) => ({
  name,
  description: name,
  inputSchema: { type: 'object' },
}));

/** A server over Streamable HTTP whose tools misbehave as their names say. Which generation it speaks is in its path. */
let server: Server;
let service: TestService;
let silent: Server;
const seen: { readonly path: string; readonly method: string; readonly headers: JsonObject; aborted: boolean; tool: string }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(request, response, Buffer.concat(chunks).toString()));
  });
  silent = createServer(() => undefined);
  for (const each of [server, silent]) await new Promise<void>((done) => each.listen(0, '127.0.0.1', done));
  service = await startTestService({ OUTBOUND_ALLOW: `127.0.0.1:${portOf(server)},127.0.0.1:${portOf(silent)}` });
  await service.post('/credentials', { name: 'server_token', type: 'bearer', data: { token: TOKEN } });
  for (const name of ['old', 'new']) {
    const made = await service.post('/mcp-servers', { name, url: urlOf(`/${name}`), auth: 'server_token', headers: { 'X-Region': 'eu' } });
    expect(made).toMatchObject({ status: 201, json: { name, transport: 'streamable_http', version: 1, auth: 'server_token' } });
    const { json } = await service.post(`/mcp-servers/${name}/import`);
    expect((json.tools as JsonObject[]).map(({ outcome }) => outcome)).toEqual(TOOLS.map(() => 'imported'));
  }
});
afterAll(async () => {
  await service.stop();
  for (const each of [server, silent]) each.closeAllConnections();
  server.close();
  silent.close();
});
const portOf = (of: Server): number => (of.address() as AddressInfo).port;
const urlOf = (path: string): string => `http://127.0.0.1:${portOf(server)}${path}`;

function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
  const path = request.url ?? '';
  const entry = { path, method: request.method ?? '', headers: { ...request.headers } as JsonObject, aborted: false, tool: '' };
  seen.push(entry);
  response.on('close', () => (entry.aborted = !response.writableFinished));
  if (request.method !== 'POST') return void response.writeHead(405).end();
  const { id, method, params } = JSON.parse(body) as { id?: number; method: string; params?: JsonObject };
  entry.tool = String(params?.['name']);
  if (id === undefined) return void response.writeHead(202).end();
  const reply = (message: JsonObject): void => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id, ...message }));
  };
  const result = (value: JsonObject): void => reply({ result: path === '/new' ? { resultType: 'complete', ...value } : value });
  const about = { capabilities: { tools: {} }, serverInfo: { name: 'stub', version: '1.0.0' } };
  if (method === 'server/discover' && path === '/new')
    return result({ supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' });
  if (method === 'initialize') return result({ protocolVersion: '2025-11-25', ...about });
  if (method === 'tools/list') return result({ tools: TOOLS, ...(path === '/new' ? { ttlMs: 0, cacheScope: 'private' } : {}) });
  if (method === 'tools/call' && params && ASKING.has(String(params['name']))) return ask(params, result);
  if (method === 'tools/call' && params?.['name'] === 'report') return report(params, request, response);
  if (method === 'tools/call') return misbehave(String(params?.['name']), request, response, result);
  reply({ error: { code: -32_601, message: 'unknown method' } });
}

const ASKING = new Set(['input', 'roots', 'again', 'endless']);
const form = (property: string): JsonObject => ({
  method: 'elicitation/create',
  params: {
    message: `Which ${property}, ${TOKEN}?`,
    requestedSchema: { type: 'object', properties: { [property]: { type: 'string' } }, required: [property] },
  },
});

/** Tools that ask before they answer, without keeping anything of a call: what they know comes back to them. */
function ask({ name: tool, inputResponses, requestState, _meta: meta }: JsonObject, result: (value: JsonObject) => void): void {
  const questions = (inputRequests: JsonObject, state: string): void =>
    result({ resultType: 'input_required', inputRequests, requestState: state });
  const capabilities = (meta as JsonObject | undefined)?.['io.modelcontextprotocol/clientCapabilities'] ?? null;
  if (tool === 'roots') return questions({ where: { method: 'roots/list', params: {} } }, 's');
  if (tool === 'endless') return questions({ name: form('name') }, 's');
  if (tool === 'again')
    return requestState === 'second'
      ? result({ resultType: undefined as never, content: [{ type: 'text', text: 'done' }] })
      : questions({}, requestState === 'first' ? 'second' : 'first');
  const answers = (inputResponses ?? {}) as Record<string, JsonObject>;
  if (answers.name) return questions({ colour: form('colour') }, `${String(requestState)} then ${JSON.stringify(answers.name)}`);
  if (answers.colour) return result({ content: [], structuredContent: { state: requestState!, colour: answers.colour, capabilities } });
  return questions({ name: form('name') }, `first "${TOKEN}"`);
}

/** Says what it was given while it works, and hangs. */
function report({ _meta: meta }: JsonObject, { headers }: IncomingMessage, response: ServerResponse): void {
  const { progressToken = null } = meta as JsonObject;
  const params = { progressToken, progress: 1, message: `sent with ${headers.authorization}` };
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params })}\n\n`);
}

function misbehave(tool: string, request: IncomingMessage, response: ServerResponse, result: (value: JsonObject) => void): void {
  const events = (): void => void response.writeHead(200, { 'content-type': 'text/event-stream' });
  switch (tool) {
    case 'echo':
      return result({
        content: [
          {
            type: 'text',
            text: JSON.stringify({ heard: request.headers.authorization ?? null, region: request.headers['x-region'] ?? null }),
          },
        ],
      });
    case 'flood': {
      events();
      const event = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(100_000) } })}\n\n`;
      const go = (): void => {
        if (response.destroyed || response.closed) return;
        if (response.write(event)) setImmediate(go);
        else response.once('drain', go);
      };
      return go();
    }
    case 'garbage':
      return void response.setHeader('content-type', 'application/json').end('{"jsonrpc": ');
    case 'html':
      return void response.setHeader('content-type', 'text/html').end('<html>');
    case 'huge':
      return result({ content: [{ type: 'text', text: 'x'.repeat(9 * 1024 * 1024) }] });
    case 'huge_event':
      events();
      return void response.end(`data: ${'x'.repeat(9 * 1024 * 1024)}`);
    case 'cut':
      events();
      return void response.end('data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"so far"}}\n\n');
    case 'refuse':
      return void response.writeHead(401).end(`no ${TOKEN}`);
    case 'away':
      return void response.writeHead(307, { location: 'http://127.0.0.1:1/elsewhere' }).end();
    default:
      return undefined; // hangs
  }
}

let documents = 0;
async function started(step: JsonObject): Promise<string> {
  const path = `tests/http_${(documents += 1)}`;
  await service.register(oneCall(path, step));
  return service.execute(path);
}
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('it never came true');
    await new Promise((done) => setTimeout(done, 10));
  }
}
const stepped = async (step: JsonObject): Promise<SeenExecution> => service.waitDone(await started(step));

describe('an MCP server over HTTP', () => {
  it.each(['old', 'new'])('is called with its own credential and headers, or with those of the step: %s', async (name) => {
    expect(await stepped({ server: name, tool: 'echo' })).toMatchObject({
      result: { heard: 'Bearer [REDACTED]', region: 'eu' },
    });
    await service.post('/credentials', { name: 'step_token', type: 'api_key', data: { header: 'Authorization', value: 'of-the-step' } });
    expect(await stepped({ server: name, tool: 'echo', auth: 'step_token' })).toMatchObject({ result: { heard: '[REDACTED]' } });
    const sent = new Set(seen.map(({ headers }) => headers['authorization']));
    expect(sent).toEqual(new Set([`Bearer ${TOKEN}`, 'of-the-step']));
  });

  it.each(['old', 'new'])('says nothing secret while it works, whatever it was given: %s', async (name) => {
    await service.post('/credentials', { name: 'reported_token', type: 'bearer', data: { token: 'of-the-step-alone' } });
    const id = await started({ server: name, tool: 'report', auth: 'reported_token' });
    const said = await service.waitEvent(id, ({ event_type }) => event_type === 'step_progress');
    await service.post(`/executions/${id}/cancel`);
    expect(said.meta).toMatchObject({ message: 'sent with Bearer [REDACTED]' });
  });

  it.each<[string, string, string]>([
    ['hang', 'timeout', 'did not end'],
    ['flood', 'result_too_large', 'a stream of more than'],
    ['garbage', 'mcp_protocol_error', 'no MCP'],
    ['html', 'mcp_protocol_error', 'CLIENT_HTTP_UNEXPECTED_CONTENT'],
    ['huge', 'result_too_large', 'an answer of more than'],
    ['huge_event', 'result_too_large', 'an event of more than'],
    ['cut', 'mcp_protocol_error', 'ended without an answer'],
    ['refuse', 'http_error', 'status 401'],
    ['away', 'http_error', 'status 307'],
  ])('fails the step of %s with %s', async (tool, code, message) => {
    for (const name of ['old', 'new']) {
      const failed = await stepped({ server: name, tool, ...(tool === 'hang' ? { timeout: 0.3 } : {}) });
      expect([name, failed.error_details]).toMatchObject([name, { code, message: expect.stringContaining(message) as string }]);
      expect(JSON.stringify(failed)).not.toContain(TOKEN);
      expect(await stepped({ server: name, tool: 'echo' })).toMatchObject({ status: 'completed' });
    }
  });

  it('that asks in the middle of a call is answered round by round, as a step of type input is', async () => {
    const id = await started({ server: 'new', tool: 'input' });
    const asks = async (key: string): Promise<JsonObject> => {
      await service.waitEvent(id, ({ event_type, meta }) => event_type === 'step_waiting' && JSON.stringify(meta).includes(`Which ${key}`));
      return (await service.get(`/executions/${id}`)).json.waiting_for as JsonObject;
    };
    const answer = (payload: JsonObject) => service.post(`/executions/${id}/signal`, { name: 'call', payload });
    const first = await asks('name');
    expect(
      await service.post(`/executions/${id}/signal`, { name: 'call', payload: { name: { action: 'accept', content: {} } } }),
    ).toMatchObject({
      status: 422,
      json: { code: 'schema_violation' },
    });
    expect((await answer({ name: { action: 'accept', content: { name: 'Ada' } } })).status).toBe(202);
    await asks('colour');
    // Nobody waits for it in memory: a call is a round, and what it has to know is in the history.
    expect(service.app.get(McpClient).calls).toBe(0);
    expect((await answer({ colour: { action: 'decline' } })).status).toBe(202);
    const done = await service.waitDone(id);
    expect(done).toMatchObject({
      status: 'completed',
      result: {
        state: 'first "[REDACTED]" then {"action":"accept","content":{"name":"Ada"}}',
        colour: { action: 'decline' },
        capabilities: { elicitation: { form: {} } },
      },
    });
    const kinds = (await service.events(id)).filter(({ node_name }) => node_name === 'call').map(({ event_type }) => event_type);
    expect(kinds).toEqual(['step_started', 'step_waiting', 'step_woken', 'step_waiting', 'step_woken', 'step_completed']);
    expect(await answer({ colour: { action: 'decline' } })).toMatchObject({ status: 409 });
    expect(first === null || JSON.stringify(first).includes('[REDACTED]')).toBe(true);
  });

  it('that asks too much, or for what nobody may be asked, fails the step; one that asks nothing is called again', async () => {
    for (const step of [
      { server: 'new', tool: 'roots' },
      { type: 'iterator', collection: [1], element: 'n', task: { type: 'mcp', server: 'new', tool: 'input' } },
    ] as JsonObject[])
      expect(await stepped(step)).toMatchObject({
        status: 'failed',
        error_details: { message: expect.stringContaining('asks for input in the middle') as string },
      });
    expect(await stepped({ server: 'new', tool: 'again' })).toMatchObject({ result: { content: [{ type: 'text', text: 'done' }] } });
    const id = await started({ server: 'new', tool: 'endless' });
    let seq = 0;
    for (let round = 0; round < 16; round += 1) {
      const asked = await service.waitEvent(id, (event) => event.event_type === 'step_waiting' && event.seq > seq);
      seq = asked.seq;
      await service.post(`/executions/${id}/signal`, { name: 'call', payload: { name: { action: 'cancel' } } });
    }
    expect(await service.waitDone(id)).toMatchObject({
      error_details: { code: 'tool_needs_input', message: expect.stringContaining('16') as string },
    });
  });

  it('that asks is asked on by the MCP endpoint: a client of this service answers it', async () => {
    const call = async (more: JsonObject): Promise<JsonObject> => {
      const name = 'execute';
      const _meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
      };
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': name,
      };
      const params = { name, arguments: { path: 'tools/new/input' }, ...more, _meta };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
      const text = await (await fetch(`${service.url}/mcp`, { method: 'POST', headers, body })).text();
      return (
        JSON.parse(
          text
            .split('\n')
            .findLast((line) => line.startsWith('data: '))
            ?.slice(6) ?? text,
        ) as JsonObject
      ).result as JsonObject;
    };
    const first = await call({});
    expect(first).toMatchObject({ resultType: 'input_required', inputRequests: { name: { method: 'elicitation/create' } } });
    const second = await call({
      requestState: first.requestState!,
      inputResponses: { name: { action: 'accept', content: { name: 'Ada' } } },
    });
    expect(second).toMatchObject({ resultType: 'input_required', inputRequests: { colour: {} } });
    const third = await call({
      requestState: second.requestState!,
      inputResponses: { colour: { action: 'accept', content: { colour: 'blue' } } },
    });
    expect(third).toMatchObject({ structuredContent: { colour: { content: { colour: 'blue' } } } });
  });

  it.each(['old', 'new'])('is let go of when the execution is cancelled: %s', async (name) => {
    const before = seen.length;
    const id = await started({ server: name, tool: 'hang' });
    const client = service.app.get(McpClient);
    await until(() => seen.slice(before).some(({ tool }) => tool === 'hang'));
    const hanging = seen.slice(before).find(({ tool }) => tool === 'hang')!;
    await service.post(`/executions/${id}/cancel`);
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
    await until(() => hanging.aborted);
    expect(client.calls).toBe(0);
  });

  it('is one connection for many calls at a time', async () => {
    const before = seen.filter(({ path }) => path === '/old').length;
    await Promise.all(Array.from({ length: 8 }, () => stepped({ server: 'old', tool: 'echo' })));
    expect(seen.filter(({ path }) => path === '/old').length - before).toBe(8);
  });
});

describe('/mcp-servers', () => {
  it.each<[string, JsonObject, number, string, string]>([
    ['a command', { name: 'x', command: '/bin/sh' }, 422, 'stdio_not_allowed', '/command'],
    ['arguments', { name: 'x', url: 'https://example.com/mcp', args: ['-c', 'id'] }, 422, 'stdio_not_allowed', '/args'],
    ['an environment', { name: 'x', url: 'https://example.com/mcp', env: {} }, 422, 'stdio_not_allowed', '/env'],
    ['stdio', { name: 'x', transport: 'stdio' }, 422, 'stdio_not_allowed', '/transport'],
    ['no url', { name: 'x' }, 422, 'missing_field', '/url'],
    ['a url that is none', { name: 'x', url: 'file:///etc/passwd' }, 422, 'invalid_endpoint', '/url'],
    ['a url with a password', { name: 'x', url: 'https://u:p@example.com/' }, 422, 'invalid_endpoint', '/url'],
    ['a name with a slash', { name: 'a/b', url: 'https://example.com/' }, 422, 'invalid_value', '/name'],
    ['a name with capitals', { name: 'Abc', url: 'https://example.com/' }, 422, 'invalid_value', '/name'],
    [
      'a header of credentials',
      { name: 'x', url: 'https://example.com/', headers: { authorization: 'x' } },
      422,
      'invalid_value',
      '/headers/authorization',
    ],
    [
      'a header of the protocol',
      { name: 'x', url: 'https://example.com/', headers: { 'MCP-Session-Id': 'x' } },
      422,
      'invalid_value',
      '/headers/MCP-Session-Id',
    ],
    [
      'a header that ends the line',
      { name: 'x', url: 'https://example.com/', headers: { 'X-A': 'a\r\nX-B: b' } },
      422,
      'invalid_value',
      '/headers/X-A',
    ],
    ['a field nobody knows', { name: 'x', url: 'https://example.com/', shell: true }, 422, 'unknown_field', '/shell'],
  ])('refuses %s', async (_name, request, status, code, pointer) => {
    const refused = await service.post('/mcp-servers', request);
    expect({ status: refused.status, errors: refused.json.errors }).toMatchObject({ status, errors: [{ code, pointer }] });
    expect(await service.get('/mcp-servers/x')).toMatchObject({ status: 404, json: { code: 'unknown_mcp_server' } });
  });

  it('never reaches private addresses, and says so when a server is imported', async () => {
    await service.post('/mcp-servers', { name: 'metadata', url: 'http://169.254.169.254/latest' });
    expect(await service.post('/mcp-servers/metadata/import')).toMatchObject({ status: 422, json: { code: 'outbound_blocked' } });
    await service.post('/mcp-servers', { name: 'nobody', url: 'http://127.0.0.1:1/mcp', auth: 'no_such_credential' });
    expect(await service.post('/mcp-servers/nobody/import')).toMatchObject({ status: 422, json: { code: 'unknown_credential' } });
    expect(await service.post('/mcp-servers/no_such/import')).toMatchObject({ status: 404, json: { code: 'unknown_mcp_server' } });
  });

  it('lists in pages, updates, and deletes with what is known of the tools', async () => {
    const first = await service.get('/mcp-servers?limit=2');
    expect((first.json.items as JsonObject[]).map(({ name }) => name)).toEqual(['metadata', 'new']);
    const next = await service.get(`/mcp-servers?limit=2&cursor=${first.headers.get('x-next-cursor')}`);
    expect((next.json.items as JsonObject[]).map(({ name }) => name)).toEqual(['nobody', 'old']);
    const tools = await service.get('/mcp-servers/old/tools?limit=5');
    const more = await service.get(`/mcp-servers/old/tools?limit=100&cursor=${tools.headers.get('x-next-cursor')}`);
    expect([...(tools.json.items as JsonObject[]), ...(more.json.items as JsonObject[])].map(({ name }) => name)).toEqual(
      TOOLS.map(({ name }) => name).sort(),
    );
    expect(await service.get('/mcp-servers?cursor=nonsense')).toMatchObject({ status: 400, json: { code: 'invalid_cursor' } });
    expect(await service.post('/mcp-servers', { name: 'old', url: urlOf('/old') })).toMatchObject({
      status: 200,
      json: { version: 2, auth: null },
    });
    expect(await stepped({ server: 'old', tool: 'echo' })).toMatchObject({ result: { heard: null, region: null } });
    expect(await service.request('DELETE', '/mcp-servers/old')).toMatchObject({ status: 204 });
    expect(await stepped({ server: 'old', tool: 'echo' })).toMatchObject({ error_details: { code: 'unknown_mcp_server' } });
    expect(await service.get('/mcp-servers/old/tools')).toMatchObject({ status: 404 });
    expect(await service.request('DELETE', '/mcp-servers/old')).toMatchObject({ status: 404 });
  });
});
