import { type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JsonObject } from '../../src/engine/values.js';
import { closedOrigin, type ModelServer, type SeenCall, sendJson, startModelServer } from '../support/model-server.js';
import { startTestService, type TestService } from '../support/service.js';
import { streamEvents } from '../support/event-source.js';

const KEY = 'sk-test-4711-secret';
const TEAM = 'team-of-the-environment';
const USAGE = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const chatAnswer = (content: string) => ({
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'stand-in-2026',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }],
  usage: USAGE,
});
const sse = (response: ServerResponse): ServerResponse => response.writeHead(200, { 'content-type': 'text/event-stream' });
const piece = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', model: 'stand-in-2026', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
/** Streams that wait until somebody watches. */
let watched = Promise.withResolvers<void>();

let service: TestService;
let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer({
    v1: (call, response) => {
      if (call.url.endsWith('/embeddings')) {
        const input = call.body.input as string[];
        const data = input.map((text, index) => ({ object: 'embedding', index, embedding: [text.length, 0.5] })).reverse();
        return sendJson(response, {
          object: 'list',
          model: 'stand-in-2026',
          data,
          usage: { prompt_tokens: input.length, total_tokens: 1 },
        });
      }
      if (call.url.endsWith('/chat/completions')) {
        const isStructured = call.body.response_format !== undefined;
        return sendJson(response, chatAnswer(isStructured ? '{"mood":"glad"}' : `echo ${String(call.headers.authorization)}`));
      }
      const prompts = [call.body.prompt].flat() as string[];
      const choices = prompts.map((prompt, index) => ({ index, text: prompt.toUpperCase(), finish_reason: 'length', logprobs: null }));
      return sendJson(response, { id: 'x', object: 'text_completion', created: 1, model: 'stand-in-2026', choices, usage: USAGE });
    },
    stream: (_call, response) => {
      sse(response).write(piece({ role: 'assistant', content: '' }));
      void watched.promise.then(() => {
        response.write(piece({ content: 'Hel' }) + piece({ content: 'lo ' }) + piece({ content: KEY.slice(0, 8) }));
        response.write(piece({ content: `${KEY.slice(8)}!` }) + piece({}, 'stop'));
        response.end(`data: ${JSON.stringify({ model: 'stand-in-2026', choices: [], usage: USAGE })}\n\ndata: [DONE]\n\n`);
      });
    },
    repeating: (call, response) => {
      sse(response).write(piece({ role: 'assistant', content: '' }));
      void watched.promise.then(() => response.end(piece({ content: `heard ${String(call.headers['x-team'])}` }) + piece({}, 'stop')));
    },
    limited: (_call, response, before) =>
      before === 0
        ? sendJson(response, { error: { message: KEY, type: 'rate_limit' } }, 429, { 'retry-after': '1' })
        : sendJson(response, chatAnswer('ok')),
    shaky: (_call, response, before) => (before < 2 ? sendJson(response, {}, [500, 503][before]) : sendJson(response, chatAnswer('ok'))),
    torn: (_call, response, before) => (before === 0 ? void response.destroy() : sendJson(response, chatAnswer('ok'))),
    refusing: (_call, response) => sendJson(response, { error: { message: `bad key ${KEY}`, type: 'auth', code: 'invalid_api_key' } }, 401),
    hanging: () => undefined,
    stalling: (_call, response) => void sse(response).write(piece({ content: 'x' })),
    html: (_call, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>'),
    list: (_call, response) => sendJson(response, [1]),
    nothing: (_call, response) => sendJson(response, { choices: [] }),
    garbage: (_call, response) => void sse(response).end('data: {"choices": [}\n\n'),
    cut: (_call, response) => void sse(response).end(piece({ content: 'half' })),
    page: (_call, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    large: (_call, response) => sendJson(response, chatAnswer('x'.repeat(200_000))),
    endless: (_call, response) => {
      sse(response);
      const more = (): void => void (response.destroyed || response.write(piece({ content: 'y'.repeat(10_000) }), more));
      more();
    },
    moved: (_call, response) => void response.writeHead(307, { location: 'http://169.254.169.254/' }).end(),
    prose: (_call, response) => sendJson(response, chatAnswer('I am glad.')),
    mistaken: (_call, response) => sendJson(response, chatAnswer('{"mood":1}')),
    down: (_call, response) => sendJson(response, {}, 502),
  });
  service = await startTestService({ OUTBOUND_ALLOW: '127.0.0.1', NOETL_SECRET_TEAM: TEAM });
  await service.post('/credentials', { name: 'llm', type: 'bearer', data: { token: KEY } });
});
afterAll(async () => {
  await service.stop();
  await server.close();
});

let count = 0;
const SCHEMA = { type: 'object', required: ['mood'], properties: { mood: { type: 'string' } } };
/** Registers a model on one behaviour of the server. */
async function model(behaviour: string, spec: JsonObject = {}): Promise<string> {
  const path = `models/m${++count}`;
  const entry = { endpoint: `${server.origin}/${behaviour}/`, provider: 'openai', model: 'gpt-x', auth: 'llm', retry: false, ...spec };
  await service.register(
    JSON.stringify({ apiVersion: 'noetl.io/v1', kind: 'Model', metadata: { name: `m${count}`, path, version: '1.0.0' }, spec: entry }),
  );
  return path;
}
const ask = async (path: string, inputs: JsonObject, more: JsonObject = {}): Promise<JsonObject> =>
  (await service.post('/execute', { path, execution_type: 'model', inputs, ...more }, { prefer: 'wait=30' })).json;
const callsOf = (behaviour: string): SeenCall[] => server.calls.filter(({ url }) => url.startsWith(`/${behaviour}/`));
const historyOf = async (json: JsonObject): Promise<JsonObject[]> =>
  (await service.get(`/executions/${String(json.execution_id)}/events?limit=100`)).json.events as JsonObject[];

describe('a model on an OpenAI-compatible server', () => {
  it('chats: what goes over the wire, and what comes of it', async () => {
    const path = await model('v1', {
      system: 'Be short.',
      headers: { 'X-Team': 'ops' },
      inference_config: { temperature: { default: 0.2, max: 1 }, max_tokens: 64, seed: { fixed: 7 }, stop: null, model: 'other' },
    });
    const json = await ask(path, { text: 'Hi' }, { inference_config: { temperature: 0.7, stop: ['.'] } });
    expect(json.result).toMatchObject({
      finish_reason: 'stop',
      model: { requested: 'm1', served: 'stand-in-2026', provider: 'openai' },
      usage: { input_tokens: 7, output_tokens: 3 },
    });
    expect(JSON.stringify(json)).not.toContain(KEY); // the server repeats it
    const [call] = callsOf('v1').slice(-1);
    expect([call?.url, call?.headers.authorization, call?.headers['x-team']]).toEqual(['/v1/chat/completions', `Bearer ${KEY}`, 'ops']);
    expect(call?.headers['idempotency-key']).toBe(`${String(json.execution_id)}/call/1/-/action`);
    expect(call?.headers).not.toHaveProperty('x-stainless-lang');
    expect(call?.body).toEqual({
      model: 'gpt-x',
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'Hi' },
      ],
      temperature: 0.7,
      max_tokens: 64,
      seed: 7,
      stop: ['.'],
    });
    expect(JSON.stringify(await historyOf(json))).not.toContain(KEY);
  });

  it('answers JSON by a schema', async () => {
    const json = await ask(await model('v1', { response_schema: SCHEMA }), { messages: [{ role: 'user', content: 'Hi' }] });
    expect(json.result).toMatchObject({ json: { mood: 'glad' } });
    expect(callsOf('v1').at(-1)?.body.response_format).toEqual({
      type: 'json_schema',
      json_schema: { name: 'answer', schema: SCHEMA, strict: true },
    });
  });

  it('completes prompts and embeds texts, in batches', async () => {
    const completing = await model('v1', { task: 'completion', batch_size: 2 });
    expect((await ask(completing, { prompt: 'a' })).result).toMatchObject({ text: 'A', finish_reason: 'length' });
    expect((await ask(completing, { prompts: ['a', 'b', 'c'] })).result).toMatchObject({
      results: [{ text: 'A' }, { text: 'B' }, { text: 'C' }],
      usage: { input_tokens: 14, output_tokens: 6 },
    });
    const before = callsOf('v1').length;
    const embedding = await model('v1', { task: 'embeddings', batch_size: 2 });
    const json = await ask(embedding, { texts: ['a', 'bb', 'ccc'] });
    expect(json.result).toMatchObject({
      embeddings: [
        [1, 0.5],
        [2, 0.5],
        [3, 0.5],
      ],
      usage: { input_tokens: 3, output_tokens: null },
    });
    expect(
      callsOf('v1')
        .slice(before)
        .map(({ body, headers }) => [body.input, body.encoding_format, headers['idempotency-key']]),
    ).toEqual([
      [['a', 'bb'], 'float', `${String(json.execution_id)}/call/1/-/action`],
      [['ccc'], 'float', `${String(json.execution_id)}/call/1/-/action/2`],
    ]);
    expect((await ask(embedding, { text: 1 })).error_details).toMatchObject({ code: 'invalid_parameters', retryable: false });
  });

  it('streams tokens to whoever watches, strikes out the key, and stores only the whole', async () => {
    watched = Promise.withResolvers();
    const path = await model('stream', { stream: true });
    const { json } = await service.post('/execute', { path, execution_type: 'model', inputs: { text: 'Hi' } });
    const seen: [string, unknown][] = [];
    let ids: number[] = [];
    for await (const { id, type, data } of streamEvents(`${service.url}/executions/${String(json.execution_id)}/events`)) {
      watched.resolve();
      if (type === 'model_token') seen.push([type, data.text]);
      else ids = [...ids, id];
      if (type === 'model_token') expect([id, data.execution_id, data.step, data.attempt]).toEqual([NaN, json.execution_id, 'call', 1]);
    }
    expect(seen.map(([, text]) => text).join('')).toBe('Hello ***!');
    expect(seen.length).toBeGreaterThan(1);
    expect(ids).toEqual(ids.map((_id, index) => index + 1));
    const status = await service.waitDone(json.execution_id as string);
    expect(status.result).toMatchObject({ finish_reason: 'stop', usage: { input_tokens: 7, output_tokens: 3 } });
    expect((status.result as JsonObject).text).toMatch(/^Hello .*!$/);
    expect(callsOf('stream')[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    const stored = JSON.stringify(await historyOf(json));
    expect([stored.includes('model_token'), stored.includes(KEY), JSON.stringify(status).includes(KEY)]).toEqual([false, false, false]);
  });

  it('streams tokens to whoever watches the execution that calls the model', async () => {
    watched = Promise.withResolvers();
    const path = await model('stream', { stream: true });
    const steps = [
      { step: 'start', next: 'talk' },
      { step: 'talk', type: 'model', path, data: { text: 'Hi' }, next: 'end' },
      { step: 'end', result: '{{ talk.finish_reason }}' },
    ];
    const document = { apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: 'talk', path: 'calls/talk', version: '1.0.0' } };
    await service.register(JSON.stringify({ ...document, workflow: steps }));
    const { json } = await service.post('/execute', { path: 'calls/talk' });
    const called = new Set<unknown>();
    let text = '';
    for await (const { type, data } of streamEvents(`${service.url}/executions/${String(json.execution_id)}/events`)) {
      if (type === 'child_started') watched.resolve();
      if (type !== 'model_token') continue;
      text += String(data.text);
      called.add(data.execution_id);
    }
    expect([text, called.size, called.has(json.execution_id)]).toEqual(['Hello ***!', 1, false]);
  });

  it('strikes out of what it streams whatever is secret in the execution', async () => {
    watched = Promise.withResolvers();
    const path = await model('repeating', { stream: true, headers: { 'X-Team': '{{ secret.TEAM }}' } });
    const { json } = await service.post('/execute', { path, execution_type: 'model', inputs: { text: 'Hi' } });
    let text = '';
    for await (const { type, data } of streamEvents(`${service.url}/executions/${String(json.execution_id)}/events`)) {
      watched.resolve();
      if (type === 'model_token') text += String(data.text);
    }
    expect((await service.waitDone(json.execution_id as string)).result).toMatchObject({ text: 'heard [REDACTED]' });
    expect(text).toBe('heard ***');
  });

  it('waits as long as the server asks when it is called too often', async () => {
    const json = await ask(await model('limited', { retry: { max_attempts: 2, initial_delay: 0.01, jitter: false } }), { text: 'Hi' });
    expect(json.result).toMatchObject({ text: 'ok' });
    const [retry] = (await historyOf(json)).filter(({ event_type }) => event_type === 'action_retry');
    expect(JSON.stringify(retry)).toContain('"delay":1,');
    expect(JSON.stringify(retry)).not.toContain(KEY);
  });

  it.each(['shaky', 'torn'])('asks a %s server again by itself', async (behaviour) => {
    const path = await model(behaviour, { retry: { max_attempts: 3, initial_delay: 0.01 } });
    expect((await ask(path, { text: 'Hi' })).result).toMatchObject({ text: 'ok' });
    expect(callsOf(behaviour)).toHaveLength(behaviour === 'shaky' ? 3 : 2);
  });

  it.each<[string, string, JsonObject]>([
    ['refusing', 'http_error', { retry: 3 }],
    ['moved', 'http_error', { retry: 3 }],
    ['hanging', 'timeout', { timeout: 0.3 }],
    ['stalling', 'timeout', { timeout: 0.3, stream: true }],
    ['html', 'invalid_model_response', {}],
    ['list', 'invalid_model_response', {}],
    ['nothing', 'invalid_model_response', {}],
    ['garbage', 'invalid_model_response', { stream: true }],
    ['cut', 'invalid_model_response', { stream: true }],
    ['page', 'invalid_model_response', { stream: true }],
    ['large', 'response_too_large', { max_response_bytes: 100_000 }],
    ['endless', 'response_too_large', { stream: true, max_response_bytes: 100_000 }],
    ['prose', 'invalid_model_response', { response_schema: SCHEMA }],
    ['mistaken', 'invalid_model_response', { response_schema: SCHEMA }],
  ])('fails, and says so, where the server is %s: %s', async (behaviour, code, spec) => {
    const json = await ask(await model(behaviour, spec), { text: 'Hi' });
    expect([json.status, (json.error_details as JsonObject).code]).toEqual(['failed', code]);
    expect(callsOf(behaviour)).toHaveLength(1);
    expect(JSON.stringify([json, await historyOf(json)])).not.toContain(KEY);
  });

  it.each([
    ['10.0.0.1', 'http://10.0.0.1/v1', 'outbound_blocked'],
    ['a file', 'file:///etc/passwd', 'invalid_endpoint'],
  ])('never gets to %s', async (_name, endpoint, code) => {
    expect((await ask(await model('v1', { endpoint }), { text: 'Hi' })).error_details).toMatchObject({ code });
  });

  it('says that nobody is there', async () => {
    const path = await model('v1', { endpoint: `${await closedOrigin()}/v1` });
    expect((await ask(path, { text: 'Hi' })).error_details).toMatchObject({ code: 'connection_error', retryable: true });
  });

  it('leaves an endpoint alone that failed five times, without a call', async () => {
    const path = await model('down');
    for (let n = 0; n < 5; n += 1) expect((await ask(path, { text: 'Hi' })).error_details).toMatchObject({ code: 'http_error' });
    expect((await ask(path, { text: 'Hi' })).error_details).toMatchObject({ code: 'circuit_open', retryable: true });
    expect(callsOf('down')).toHaveLength(5);
  });

  it('can be cancelled while it is asked', async () => {
    const { json } = await service.post('/execute', { path: await model('hanging'), execution_type: 'model', inputs: { text: 'Hi' } });
    while (callsOf('hanging').length < 2) await sleep(20);
    await service.post(`/executions/${String(json.execution_id)}/cancel`, {});
    expect(await service.waitDone(json.execution_id as string)).toMatchObject({ status: 'cancelled' });
  });
});
