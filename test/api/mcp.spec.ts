import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Authentication } from '../../src/common/authentication.js';
import { ANONYMOUS } from '../../src/common/principal.js';
import { type JsonObject } from '../../src/engine/values.js';
import { startTestService, type TestService } from '../support/service.js';

const TASKS = 'io.modelcontextprotocol/tasks';
let service: TestService;
let neighbour: TestService;
const clients: Client[] = [];

beforeAll(async () => {
  const env = { MCP_ALLOWED_HOSTS: 'mcp.example.com', MCP_ALLOWED_ORIGINS: 'https://app.example.com', MCP_CALL_SECONDS: '2' };
  service = await startTestService(env);
  neighbour = await startTestService(env, service);
  for (const { app } of [service, neighbour]) {
    app.get(Authentication, { strict: false }).principalOf = ({ headers }) => ({
      ...ANONYMOUS,
      tenant: String(headers['x-tenant'] ?? 'default'),
      scopes: headers['x-scopes'] === undefined ? ANONYMOUS.scopes : new Set(String(headers['x-scopes']).split(' ') as never[]),
    });
  }
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await neighbour.stop();
  await service.stop();
});

interface Connection {
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly options?: ClientOptions;
  readonly at?: TestService;
}

async function connect({ path = '/mcp', headers = {}, options = {}, at = service }: Connection = {}): Promise<Client> {
  const client = new Client({ name: 'spec', version: '1.0.0' }, { versionNegotiation: { mode: { pin: '2026-07-28' } }, ...options });
  await client.connect(new StreamableHTTPClientTransport(new URL(at.url + path), { requestInit: { headers } }));
  clients.push(client);
  return client;
}

/** Registers a document of these steps. @param more further keys of the document */
function register(
  path: string,
  workflow: readonly JsonObject[],
  more: JsonObject = {},
  headers: Record<string, string> = {},
): Promise<unknown> {
  const steps = workflow.map((step, index) => ({
    step: index === 0 ? 'start' : `step_${index}`,
    ...(index === workflow.length - 1 ? {} : { next: index === workflow.length - 2 ? 'end' : `step_${index + 1}` }),
    ...step,
    ...(index === workflow.length - 1 ? { step: 'end' } : {}),
  }));
  const { metadata, ...rest } = more;
  const document = {
    apiVersion: 'noetl.io/v1',
    kind: 'Playbook',
    metadata: { name: path.split('/').at(-1)!, path, ...(metadata as JsonObject | undefined) },
    ...(workflow.length > 0 ? { workflow: steps } : {}),
    ...rest,
  };
  return service.post('/catalog/register', { content: JSON.stringify(document) }, headers).then(({ status, json }) => {
    expect({ status, json }).toMatchObject({ status: 201 });
    return json;
  });
}

const ask = (key: string, property: string): JsonObject => ({
  type: 'input',
  timeout: '1h',
  requests: {
    [key]: {
      method: 'elicitation/create',
      params: {
        message: `Which ${property}?`,
        requestedSchema: { type: 'object', properties: { [property]: { type: 'string' } }, required: [property] },
      },
    },
  },
});

/** One JSON-RPC request as it goes over the wire. */
async function send(
  method: string,
  params: JsonObject,
  capabilities: JsonObject = {},
  headers: Record<string, string> = {},
  at: TestService = service,
): Promise<JsonObject> {
  const name = params.name ?? params.uri ?? params.taskId;
  const response = await fetch(`${at.url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 7,
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': capabilities,
          ...(params._meta as JsonObject | undefined),
        },
      },
    }),
  });
  const text = await response.text();
  const data = text.split('\n').filter((line) => line.startsWith('data: '));
  return JSON.parse(data.length > 0 ? data.at(-1)!.slice(6) : text) as JsonObject;
}

const withTasks: JsonObject = { extensions: { [TASKS]: {} }, elicitation: {} };
const resultOf = (answer: JsonObject): JsonObject => answer.result as JsonObject;
const textOf = (result: unknown): string => ((result as { content: { text: string }[] }).content[0] ?? { text: '' }).text;

async function taskUntil(taskId: string, status: string): Promise<JsonObject> {
  for (let tries = 0; ; tries++) {
    const task = resultOf(await send('tasks/get', { taskId }, withTasks));
    if (task.status === status || tries > 400) {
      expect(task).toMatchObject({ status });
      return task;
    }
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** A request that says what it likes for a host and an origin, which `fetch` would not. */
async function statusBy(headers: Record<string, string>): Promise<number> {
  const { port } = new URL(service.url);
  const asked = httpRequest({
    port,
    host: '127.0.0.1',
    path: '/mcp',
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
  });
  asked.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }));
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode!;
}

describe('the way in', () => {
  it.each([
    [{ host: 'localhost' }, 200],
    [{ host: 'mcp.example.com:8443' }, 200],
    [{ host: 'evil.example' }, 403],
    [{ host: 'localhost.evil.example' }, 403],
    [{ host: 'localhost', origin: 'http://localhost:6274' }, 200],
    [{ host: 'localhost', origin: 'https://app.example.com' }, 200],
    [{ host: 'localhost', origin: 'https://evil.example' }, 403],
    [{ host: 'localhost', origin: 'null' }, 403],
    [{ host: 'evil.example', origin: 'https://app.example.com' }, 403],
  ])('%j is answered with %d', async (headers, status) =>
    expect(await statusBy({ accept: 'application/json, text/event-stream', ...headers })).toBe(status),
  );

  it('has the limits, scopes and errors of every route', async () => {
    const post = async (path: string, body: string, headers: Record<string, string> = {}): Promise<[number, unknown]> => {
      const accept = 'application/json';
      const answer = await fetch(service.url + path, { method: 'POST', body, headers: { 'content-type': accept, accept, ...headers } });
      return [answer.status, ((await answer.json()) as JsonObject).code];
    };
    expect(await post('/mcp', `"${'x'.repeat(2_000_000)}"`)).toEqual([413, 'body_too_large']);
    expect(await post('/mcp', '{"a":')).toEqual([400, 'malformed_json']);
    expect(await post('/mcp', `${'['.repeat(100)}${']'.repeat(100)}`)).toEqual([400, 'depth_exceeded']);
    expect(await post('/mcp', '{}', { 'x-scopes': 'executions:read' })).toEqual([403, 'forbidden']);
    expect(await post('/mcp', '{}', { accept: 'text/html' })).toEqual([406, 'not_acceptable']);
    expect(await post('/mcp/No.Set', '{}')).toEqual([404, 'not_found']);
    for (const [name, scopes] of [
      ['execute', 'catalog:read'],
      ['execution_status', 'catalog:read executions:start'],
      ['execution_cancel', 'catalog:read executions:read'],
    ] as const)
      expect(await send('tools/call', { name, arguments: {} }, {}, { 'x-scopes': scopes })).toMatchObject({
        status: 403,
        code: 'forbidden',
      });
    // What only the document says is asked for by whoever reads it.
    const scoped = await send('resources/read', { uri: 'execution://1' }, {}, { 'x-scopes': 'catalog:read' });
    expect(scoped).toMatchObject({ error: { code: -32000, data: { code: 'forbidden' } } });
  });
});

describe('tools', () => {
  it('lists the pinned ones beside five that are always there, a named set, or all in pages that cannot be forged', async () => {
    await register('sets/pinned', [{}, { result: 1 }], { mcp: { expose: ['pinned'] } });
    await register('sets/billing', [{}, { result: 2 }], {
      mcp: { expose: ['billing'], tool_name: 'bill.it' },
      title: 'Bill',
      annotations: { readOnlyHint: true },
    });
    for (let index = 0; index < 100; index++)
      await register(`sets/many/n${String(index).padStart(3, '0')}`, [{}, { result: index }], { workload: { index } });
    const list = async (path: string): Promise<string[]> => (await (await connect({ path })).listTools()).tools.map(({ name }) => name);
    expect(await list('/mcp')).toEqual([
      'catalog_search',
      'catalog_describe',
      'execute',
      'execution_status',
      'execution_cancel',
      'sets_pinned',
    ]);
    expect(await list('/mcp/billing')).toEqual(['execution_status', 'execution_cancel', 'bill.it']);
    const all = await list('/mcp?all');
    expect(all).toEqual(expect.arrayContaining(['bill.it', 'sets_pinned', 'sets_many_n000', 'sets_many_n099']));
    expect(new Set(all).size).toBe(all.length);
    const { tools } = await (await connect({ path: '/mcp/billing' })).listTools();
    expect(tools.at(-1)).toMatchObject({
      title: 'Bill',
      description: 'sets/billing@1.0.0',
      annotations: { readOnlyHint: true, destructiveHint: true },
      _meta: { 'noetl/path': 'sets/billing', 'noetl/type': 'playbook' },
    });
    for (const cursor of ['x', 'YQ.YQ'])
      expect(await send('tools/list', { cursor })).toMatchObject({ error: { code: -32602, data: { code: 'invalid_cursor' } } });
    expect(
      await (await connect({ path: '/mcp/billing' })).callTool({ name: 'sets_pinned' }).catch((error: Error) => error.message),
    ).toMatch(/Unknown tool/);
  });

  it('calls: texts, structure, declared schemas, arguments that do not fit, failures, and what a client says of the start', async () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
    await register('calls/double', [{}, { result: { twice: '{{ workload.n * 2 }}' } }], {
      input_schema: schema,
      output_schema: { type: 'object' },
    });
    await register('calls/fails', [{ type: 'fail', message: 'No way.', code: 'no_way' }, {}]);
    await register('calls/wrong', [{}, { result: { other: 1 } }], { output_schema: { type: 'object', required: ['total'] } });
    const client = await connect();
    expect(await client.callTool({ name: 'calls_double', arguments: { n: 4 } })).toMatchObject({
      content: [{ type: 'text', text: '{"twice":8}' }],
      structuredContent: { twice: 8 },
      _meta: { 'noetl/status': 'completed', 'noetl/path': 'calls/double', 'noetl/execution_id': expect.stringMatching(/^\d+$/) as string },
    });
    const misfit = await client.callTool({ name: 'calls_double', arguments: { n: 'x' } });
    expect([misfit.isError, textOf(misfit)]).toEqual([true, expect.stringContaining('/arguments/n')]);
    const failed = await client.callTool({ name: 'calls_fails' });
    expect([failed.isError, textOf(failed)]).toEqual([true, 'No way. (no_way)']);
    await expect(client.callTool({ name: 'calls_wrong' })).rejects.toMatchObject({
      code: -32603,
      data: { code: 'output_schema_mismatch' },
    });
    await expect(client.callTool({ name: 'calls_none' })).rejects.toMatchObject({ code: -32602 });
    const meta = { 'noetl/metadata': { ticket: 'T-1' }, 'noetl/priority': 5, 'noetl/idempotency_key': 'same' };
    const once = await client.callTool({ name: 'calls_double', arguments: { n: 1 }, _meta: meta });
    expect([once.isError, textOf(once)]).toEqual([undefined, '{"twice":2}']);
    const again = await client.callTool({ name: 'calls_double', arguments: { n: 1 }, _meta: meta });
    expect(again._meta?.['noetl/execution_id']).toBe(once._meta?.['noetl/execution_id']);
    const { json } = await service.get(`/executions/${String(once._meta?.['noetl/execution_id'])}`);
    expect(json).toMatchObject({ metadata: { ticket: 'T-1' }, priority: 5 });
    const unknown = await client.callTool({ name: 'calls_double', arguments: { n: 1 }, _meta: { 'noetl/colour': 'red' } });
    expect([unknown.isError, textOf(unknown)]).toEqual([true, expect.stringContaining('/colour')]);
  });

  it('the constant ones find, describe, run, follow and cancel', async () => {
    await register('finance/close_books', [{}, { result: 'closed {{ workload.month }}' }], {
      metadata: { description: 'Closes the accounts of one month' },
      workload: { month: 'May' },
    });
    const client = await connect();
    const call = async (name: string, given: JsonObject): Promise<JsonObject> =>
      (await client.callTool({ name, arguments: given })).structuredContent as JsonObject;
    expect((await call('catalog_search', { query: 'accounts closing' })).entries).toMatchObject([
      { path: 'finance/close_books', tool_name: 'finance_close_books' },
    ]);
    expect(await call('catalog_describe', { path: 'finance/close_books' })).toMatchObject({
      version: '1.0.0',
      input_schema: { properties: { month: { type: 'string', default: 'May' } } },
    });
    const ran = await client.callTool({
      name: 'execute',
      arguments: { path: 'finance/close_books', version: '^1', arguments: { month: 'June' } },
    });
    expect(textOf(ran)).toBe('closed June');
    const id = String(ran._meta?.['noetl/execution_id']);
    expect(await call('execution_status', { execution_id: id })).toMatchObject({ status: 'completed', result: 'closed June' });
    const ended = await client.callTool({ name: 'execution_cancel', arguments: { execution_id: id } });
    expect([ended.isError, textOf(ended)]).toEqual([true, expect.stringContaining('already_completed')]);
    const bad = await client.callTool({ name: 'catalog_search', arguments: { limit: 1_000 } });
    expect([bad.isError, textOf(bad)]).toEqual([true, expect.stringContaining('/limit')]);
  });

  it('tells progress and logs, and cancels the execution whose answer was closed', async () => {
    await register('talk/steps', [
      { type: 'progress', progress: 1, total: 2, message: 'half' },
      { type: 'log', level: 'warning', message: 'look' },
      { type: 'progress', progress: 2, total: 2 },
      { result: 'done' },
    ]);
    await register('talk/long', [{ type: 'wait', duration: '1h' }, {}]);
    const client = await connect();
    const seen: unknown[] = [];
    const logs: unknown[] = [];
    client.setNotificationHandler('notifications/message', ({ params }) => void logs.push(params));
    const meta = { 'io.modelcontextprotocol/logLevel': 'info' };
    await client.callTool({ name: 'talk_steps', _meta: meta }, { onprogress: (progress) => void seen.push(progress) });
    expect(seen).toMatchObject([{ progress: 1, total: 2, message: 'half' }, { progress: 2 }]);
    expect(logs).toMatchObject([{ level: 'warning', data: 'look' }]);

    const leave = new AbortController();
    const call = client.callTool({ name: 'talk_long' }, { signal: leave.signal }).catch(() => 'left');
    const running = async (): Promise<JsonObject[]> => (await service.get('/executions?path=talk/long')).json as unknown as JsonObject[];
    while ((await running()).length === 0) await new Promise((done) => setTimeout(done, 20));
    leave.abort();
    expect(await call).toBe('left');
    const [{ id }] = (await running()) as [{ id: string }];
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
  });

  it('an older client calls as well; what takes longer than a call may goes on without it', async () => {
    const client = await connect({ options: { versionNegotiation: { mode: 'legacy' } } });
    // What would be told in a session is not promised.
    expect(client.getServerCapabilities()).toEqual({ tools: {}, prompts: {}, resources: {}, completions: {}, logging: {} });
    expect(await client.request({ method: 'resources/subscribe', params: { uri: 'execution://1' } })).toEqual({});
    const answer = await client.callTool({ name: 'talk_long' });
    expect(answer).toMatchObject({
      structuredContent: { status: 'running' },
      content: [{}, { type: 'resource_link', uri: expect.stringMatching(/^execution:/) as string }],
    });
    const { execution_id: id } = answer.structuredContent as { execution_id: string };
    await client.callTool({ name: 'execution_cancel', arguments: { execution_id: id } });
    expect(await service.waitDone(id)).toMatchObject({ status: 'cancelled' });
  });

  it('a node that stops answers calls that wait, ends its streams, and cancels nothing', async () => {
    const stopping = await startTestService({ MCP_CALL_SECONDS: '60' }, service);
    const client = await connect({ at: stopping });
    const stream = await client.listen({ toolsListChanged: true });
    const call = client.callTool({ name: 'talk_long', _meta: { 'noetl/metadata': { of: 'shutdown' } } });
    const started = async (): Promise<{ id: string }[]> =>
      (await service.get('/executions?path=talk/long&metadata=%7B%22of%22%3A%22shutdown%22%7D')).json as unknown as { id: string }[];
    while ((await started()).length === 0) await new Promise((done) => setTimeout(done, 20));
    await stopping.stop();
    expect(await call).toMatchObject({ structuredContent: { status: 'running' } });
    expect(await stream.closed).toBe('graceful');
    const [{ id }] = (await started()) as [{ id: string }];
    expect((await service.get(`/executions/${id}`)).json).toMatchObject({ status: 'running' });
    await service.post(`/executions/${id}/cancel`, {});
  });
});

describe('what a call asks for', () => {
  it('is asked round by round, from whichever node, and a state that was changed, or is another caller’s, is refused', async () => {
    await register('ask/twice', [
      ask('name', 'name'),
      ask('colour', 'colour'),
      { result: '{{ start.name.content.name }} {{ step_1.colour.content.colour }}' },
    ]);
    const client = await connect({ options: { capabilities: { elicitation: {} } } });
    const asked: string[] = [];
    client.setRequestHandler('elicitation/create', ({ params }) => {
      asked.push(params.message);
      const content: Record<string, string> = params.message.includes('name') ? { name: 'Alice' } : { colour: 'blue' };
      return { action: 'accept', content };
    });
    expect(textOf(await client.callTool({ name: 'ask_twice' }))).toBe('Alice blue');
    expect(asked).toEqual(['Which name?', 'Which colour?']);

    const call = { name: 'ask_twice', arguments: {} };
    const first = resultOf(await send('tools/call', call, { elicitation: {} }));
    expect(first).toMatchObject({ resultType: 'input_required', inputRequests: { name: {} } });
    const inputResponses = { name: { action: 'accept', content: { name: 'Bob' } } };
    const state = String(first.requestState);
    const refused = { error: { code: -32602, data: { reason: 'invalid_request_state' } } };
    const again = { ...call, inputResponses };
    expect(await send('tools/call', { ...again, requestState: `${state}x` }, { elicitation: {} })).toMatchObject(refused);
    expect(await send('tools/call', { ...again, name: 'calls_double', requestState: state }, { elicitation: {} })).toMatchObject(refused);
    const misfit = resultOf(
      await send(
        'tools/call',
        { ...call, inputResponses: { name: { action: 'accept', content: { name: 5 } } }, requestState: state },
        { elicitation: {} },
      ),
    );
    expect(misfit).toMatchObject({ resultType: 'input_required', inputRequests: { name: {} } });
    expect(resultOf(await send('tools/call', { ...again, requestState: state }, { elicitation: {} }, {}, neighbour))).toMatchObject({
      inputRequests: { colour: {} },
    });
    await register('ask/twice', [{}, { result: 'theirs' }], {}, { 'x-tenant': 'other' });
    expect(await send('tools/call', { ...again, requestState: state }, { elicitation: {} }, { 'x-tenant': 'other' })).toMatchObject(
      refused,
    );
  });

  it('a client that cannot be asked is told so, and leaves nothing behind', async () => {
    expect(await send('tools/call', { name: 'ask_twice' })).toMatchObject({
      error: { code: -32021, data: { requiredCapabilities: { elicitation: {} } } },
    });
    const open = (await service.get('/executions?path=ask/twice')).json as unknown as { id: string; status: string }[];
    expect(await service.waitDone(open[0]!.id)).toMatchObject({ status: 'cancelled' });
  });
});

describe('tasks', () => {
  it('take the place of a wait: asked for, answered in part, completed, failed, cancelled; nobody else’s ids are any', async () => {
    const both = { ...(ask('a', 'x').requests as JsonObject), ...(ask('b', 'y').requests as JsonObject) };
    await register('tasks/asks', [
      { type: 'wait', duration: '700ms' },
      { ...ask('a', 'x'), requests: both },
      { result: '{{ step_1.a.content.x }}{{ step_1.b.content.y }}' },
    ]);
    await register('tasks/breaks', [{ type: 'wait', duration: '700ms' }, { result: 1 }], {
      output_schema: { type: 'object' },
      mcp: { task: 'required' },
    });
    expect(await send('tools/call', { name: 'tasks_breaks' })).toMatchObject({
      error: { code: -32021, data: { requiredCapabilities: { extensions: { [TASKS]: {} } } } },
    });
    const broken = resultOf(await send('tools/call', { name: 'tasks_breaks' }, withTasks));
    expect(await taskUntil(String(broken.taskId), 'failed')).toMatchObject({
      error: { code: -32603, data: { code: 'output_schema_mismatch' } },
    });

    const created = resultOf(await send('tools/call', { name: 'tasks_asks' }, withTasks));
    expect(created).toMatchObject({ resultType: 'task', status: 'working', ttlMs: null, pollIntervalMs: expect.any(Number) as number });
    const taskId = String(created.taskId);
    expect(Object.keys((await taskUntil(taskId, 'input_required')).inputRequests as object)).toEqual(['a', 'b']);
    const accept = (content: JsonObject): JsonObject => ({ action: 'accept', content });
    const update = (inputResponses: JsonObject): Promise<JsonObject> => send('tasks/update', { taskId, inputResponses }, withTasks);
    expect(resultOf(await update({ a: accept({ x: 1 }), stray: accept({}) }))).toMatchObject({ resultType: 'complete' });
    await update({ a: accept({ x: 'one' }) });
    expect(Object.keys((await taskUntil(taskId, 'input_required')).inputRequests as object)).toEqual(['b']);
    await update({ b: accept({ y: 'two' }) });
    expect(textOf((await taskUntil(taskId, 'completed')).result)).toBe('onetwo');

    const long = String(resultOf(await send('tools/call', { name: 'talk_long' }, withTasks)).taskId);
    const unknown = { error: { code: -32602 } };
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      expect(await send(method, { taskId: long }, withTasks, { 'x-tenant': 'other' })).toMatchObject(unknown);
      for (const id of [long.split('-')[0]!, `${long}x`, long.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')), '', '-'])
        expect(await send(method, { taskId: id }, withTasks)).toMatchObject(unknown);
      expect(await send(method, { taskId: long })).toMatchObject({ error: { code: -32021 } });
    }
    expect(await taskUntil(long, 'working')).not.toHaveProperty('result');
    expect(resultOf(await send('tasks/cancel', { taskId: long }, withTasks))).not.toHaveProperty('taskId');
    await taskUntil(long, 'cancelled');
    expect(await send('tasks/cancel', { taskId: long }, withTasks)).toMatchObject({ result: { resultType: 'complete' } });
  });
});

describe('prompts, resources and completion', () => {
  it('prompts of the catalog, and one that runs any entry', async () => {
    await register('prompts/review', [], {
      kind: 'Prompt',
      arguments: [{ name: 'tone', required: true, enum: ['kind', 'strict'] }],
      messages: [{ role: 'user', content: { type: 'text', text: 'Be {{ arguments.tone }}.' } }],
    });
    const client = await connect();
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(['run_playbook', 'prompts_review']);
    const got = await client.getPrompt({ name: 'prompts_review', arguments: { tone: 'kind' } });
    expect(got.messages).toEqual([{ role: 'user', content: { type: 'text', text: 'Be kind.' } }]);
    await expect(client.getPrompt({ name: 'prompts_review' })).rejects.toMatchObject({ code: -32602 });
    await expect(client.getPrompt({ name: 'prompts_review', arguments: { tone: 'rude' } })).rejects.toMatchObject({ code: -32602 });
    await expect(client.getPrompt({ name: 'calls_double' })).rejects.toMatchObject({ code: -32602 });
    const run = await client.getPrompt({ name: 'run_playbook', arguments: { path: 'calls/double' } });
    expect(JSON.stringify(run.messages)).toContain('calls/double');
    // Rendering leaves no rows behind.
    expect((await service.get('/executions?path=prompts/review')).json).toEqual([]);
    const complete = (name: string, value: string, context?: JsonObject): Promise<unknown> =>
      client
        .complete({
          ref: { type: 'ref/prompt', name: 'run_playbook' },
          argument: { name, value },
          ...(context && { context: { arguments: context as never } }),
        })
        .then(({ completion }) => completion.values);
    expect(await complete('path', 'calls/d')).toEqual(['calls/double']);
    expect(await complete('version', '1', { path: 'calls/double' })).toEqual(['1.0.0']);
    const tones = await client.complete({ ref: { type: 'ref/prompt', name: 'prompts_review' }, argument: { name: 'tone', value: 's' } });
    expect(tones.completion.values).toEqual(['strict']);
  });

  it('resources of the catalog, executions and documents; another tenant’s are not there', async () => {
    await register('res/static', [], { kind: 'Resource', uri: 'docs://static', mime_type: 'text/plain', text: 'hello' });
    await register('res/by_id', [], {
      kind: 'Resource',
      uri_template: 'docs://by/{id}/x',
      mime_type: 'text/plain',
      text: 'id {{ arguments.id }}',
    });
    const client = await connect();
    const read = async (uri: string): Promise<unknown> => (await client.readResource({ uri })).contents[0];
    expect(await read('docs://static')).toEqual({ uri: 'docs://static', mimeType: 'text/plain', text: 'hello' });
    expect(await read('docs://by/4%202/x')).toMatchObject({ text: 'id 4 2' });
    expect((await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(
      expect.arrayContaining(['execution://{id}', 'docs://by/{id}/x']),
    );
    const ran = await client.callTool({ name: 'talk_steps' });
    const uri = `execution://${String(ran._meta?.['noetl/execution_id'])}`;
    expect((await client.listResources()).resources.map((resource) => resource.uri)).toEqual(
      expect.arrayContaining(['docs://static', uri]),
    );
    expect(await read(uri)).toMatchObject({ mimeType: 'application/json', text: expect.stringContaining('"completed"') as string });
    expect(await read(`${uri}/result`)).toMatchObject({ text: '"done"' });
    expect(await read(`${uri}/logs`)).toMatchObject({ text: expect.stringMatching(/warning step_1: look$/) as string });
    expect(await read('catalog://resource/res/static@latest')).toMatchObject({ text: expect.stringContaining('docs://static') as string });
    const stranger = await connect({ headers: { 'x-tenant': 'other' } });
    for (const foreign of [
      uri,
      `${uri}/logs`,
      `${uri}/result`,
      'docs://static',
      'docs://by/1/x',
      'catalog://resource/res/static@latest',
      'execution://99',
      'no://such',
    ])
      await expect(stranger.readResource({ uri: foreign })).rejects.toMatchObject({ code: -32602, data: { uri: foreign } });
    expect((await stranger.listResources()).resources).toEqual([]);
  });

  it('tells who listens what changed, whichever node changed it, and nobody of another tenant', async () => {
    const listening = async (headers: Record<string, string>, uri: string): Promise<{ seen: string[]; client: Client }> => {
      const client = await connect({ at: neighbour, headers });
      const seen: string[] = [];
      client.setNotificationHandler('notifications/tools/list_changed', () => void seen.push('tools'));
      client.setNotificationHandler('notifications/resources/updated', ({ params }) => void seen.push(params.uri));
      await client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] });
      return { seen, client };
    };
    const id = await service.execute('talk/long');
    const uri = `execution://${id}`;
    const [own, foreign] = [await listening({}, uri), await listening({ 'x-tenant': 'other' }, uri)];
    await register('changes/one', [{}, { result: 1 }]);
    await service.post(`/executions/${id}/cancel`, {});
    while (!own.seen.includes('tools') || !own.seen.includes(uri)) await new Promise((done) => setTimeout(done, 25));
    expect(foreign.seen).toEqual([]);
  });
});
