import { readFileSync } from 'node:fs';
import { type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JsonObject } from '../../src/engine/values.js';
import { bertServer } from '../support/bert-server.js';
import { closedOrigin, type ModelServer, type SeenCall, sendJson, startModelServer } from '../support/model-server.js';
import { startTestService, type TestService } from '../support/service.js';

const KEY = 'kserve-4711-secret';
const answer = (outputs: object[], more: object = {}) => ({ model_name: 'm', id: null, outputs, ...more });
const score = (data: unknown, shape: number[] = [2], datatype = 'FP32') => answer([{ name: 'score', datatype, shape, data }]);
const isInference = ({ url }: SeenCall): boolean => url.endsWith('/infer');

let service: TestService;
let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer({
    bert: bertServer('distilbert'),
    /** Describes itself, and adds up the two columns of what it gets. */
    sum: (call, response) => {
      if (call.url.endsWith('/ready')) return sendJson(response, { name: 'm', ready: true });
      if (!isInference(call)) {
        return sendJson(response, {
          name: 'm',
          versions: ['3'],
          platform: 'test',
          inputs: [{ name: 'x', datatype: 'INT64', shape: [-1, 2] }],
          outputs: [{ name: 'sum', datatype: 'INT64', shape: [-1] }],
        });
      }
      const [x] = call.body.inputs as { shape: number[]; data: number[] }[];
      const rows = x!.shape[0]!;
      const data = Array.from({ length: rows }, (_, row) => x!.data[2 * row]! + x!.data[2 * row + 1]!);
      return sendJson(
        response,
        answer([{ name: 'sum', datatype: 'INT64', shape: [rows], data }], { model_version: '3', id: call.body.id }),
      );
    },
    /** Gives back what it got. */
    echo: (call, response: ServerResponse) =>
      void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(call.text.replace('"outputs"', '"asked"').replace('"inputs"', '"model_name":"echo","outputs"')),
    untold: (call, response) =>
      isInference(call) ? sendJson(response, score([1], [1])) : sendJson(response, { name: 'm', inputs: [], outputs: [] }),
    loading: (call, response, before) =>
      call.url.endsWith('/ready') ? void response.writeHead(before < 1 ? 503 : 200).end() : sendJson(response, score([1, 2])),
    idle: (_call, response) => sendJson(response, { name: 'm', ready: false }),
    refusing: (_call, response) => sendJson(response, { error: `no such model for ${KEY}` }, 400),
    limited: (_call, response, before) =>
      before === 0 ? sendJson(response, {}, 429, { 'retry-after': '1' }) : sendJson(response, score([1, 2])),
    shaky: (_call, response, before) => (before === 0 ? sendJson(response, {}, 500) : sendJson(response, score([1, 2]))),
    torn: (_call, response, before) => {
      if (before > 0) return sendJson(response, score([1, 2]));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' }).write('{"outputs": [');
      setTimeout(() => response.destroy(), 20);
    },
    hanging: () => undefined,
    stalling: (_call, response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{"outputs": ['),
    html: (_call, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>'),
    garbage: (_call, response) => void response.writeHead(200).end(Buffer.from([0, 255, 1, 254, 13, 10])),
    nan: (_call, response) =>
      void response.writeHead(200).end('{"outputs":[{"name":"score","datatype":"FP32","shape":[2],"data":[NaN,1]}]}'),
    list: (_call, response) => sendJson(response, [1]),
    deep: (_call, response) => void response.writeHead(200).end('['.repeat(100_000) + ']'.repeat(100_000)),
    nothing: (_call, response) => sendJson(response, answer([])),
    longer: (_call, response) => sendJson(response, score([1, 2, 3], [3])),
    cut: (_call, response) => sendJson(response, score([1])),
    integers: (_call, response) => sendJson(response, score([1, 2], [2], 'INT64')),
    texts: (_call, response) => sendJson(response, score(['1', '2'])),
    bomb: (_call, response) => sendJson(response, score([], [1_000_000_000, 0])),
    others: (_call, response) => sendJson(response, answer([{ name: 'score', datatype: 'FP32', shape: [2], data: [1, 2] }], { id: 'x' })),
    large: (_call, response) => sendJson(response, score(Array(50_000).fill(1), [50_000])),
    endless: (_call, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => void (response.destroyed || response.write('1,'.repeat(5_000), more));
      more();
    },
    moved: (_call, response) => void response.writeHead(307, { location: 'http://169.254.169.254/' }).end(),
    undescribed: (call, response) =>
      isInference(call) ? sendJson(response, score([1, 2])) : sendJson(response, { inputs: [{ name: 'x', datatype: 'BF16', shape: [1] }] }),
    down: (_call, response) => sendJson(response, {}, 502),
  });
  service = await startTestService({
    OUTBOUND_ALLOW: '127.0.0.1',
    ENV_ALLOW: 'SERVED_BERT_URL',
    SERVED_BERT_URL: `${server.origin}/bert`,
  });
  await service.post('/credentials', { name: 'serving', type: 'bearer', data: { token: KEY } });
});
afterAll(async () => {
  await service.stop();
  await server.close();
});

let count = 0;
const X = { name: 'x', datatype: 'FP32', shape: ['batch'] };
const DECLARED = { inputs: [X], outputs: [{ name: 'score', datatype: 'FP32', shape: ['batch'] }] };
/** Registers a model on one behaviour of the server. */
async function model(behaviour: string, spec: JsonObject = DECLARED, root: JsonObject = {}): Promise<string> {
  const path = `models/t${++count}`;
  const entry = {
    endpoint: `${server.origin}/${behaviour}/`,
    provider: 'open_inference',
    model: 'm',
    auth: 'serving',
    retry: false,
    ...spec,
  };
  const document = {
    apiVersion: 'noetl.io/v1',
    kind: 'Model',
    metadata: { name: `t${count}`, path, version: '1.0.0' },
    spec: entry,
    ...root,
  };
  await service.register(JSON.stringify(document));
  return path;
}
const execute = (path: string, inputs: JsonObject, more: JsonObject = {}) =>
  service.post('/execute', { path, execution_type: 'model', inputs, ...more }, { prefer: 'wait=30' });
const ask = async (...call: Parameters<typeof execute>): Promise<JsonObject> => (await execute(...call)).json;
const callsOf = (behaviour: string): SeenCall[] => server.calls.filter(({ url }) => url.startsWith(`/${behaviour}/`));
const historyOf = async (json: JsonObject): Promise<JsonObject[]> =>
  (await service.get(`/executions/${String(json.execution_id)}/events?limit=100`)).json.events as JsonObject[];

describe('a served BERT', () => {
  it('is asked as the protocol says, in batches, and answers labels', async () => {
    await service.register(readFileSync('docs/models/served_bert.yaml', 'utf8'));
    const texts = Array.from({ length: 20 }, (_, index) => (index % 3 === 0 ? 'I love it.' : 'I hate it.'));
    const json = await ask('models/served_bert', { texts }, { model_name: 'sentiment_bert' });
    expect([json.status, json.error]).toEqual(['completed', null]);
    expect(json.result).toEqual({
      labels: texts.map((text) => (text.includes('love') ? 'positive' : 'negative')),
      model: { requested: 'sentiment_bert', served: 'distilbert@1', provider: 'open_inference' },
      usage: { input_tokens: null, output_tokens: null, duration_ms: expect.any(Number) as number },
    });
    const calls = callsOf('bert');
    expect(calls.map(({ method, url }) => `${method} ${url}`)).toEqual(Array(2).fill('POST /bert/v2/models/distilbert/infer'));
    const id = `${String(json.execution_id)}/call/1/-/action`;
    expect(calls[1]?.body).toEqual({
      id: `${id}/2`,
      inputs: [{ name: 'input-0', shape: [4], datatype: 'BYTES', data: texts.slice(16) }],
      outputs: [{ name: 'output-0' }],
    });
    // A server that keeps answers by key must not give the first again.
    expect(calls.map(({ headers }) => headers['idempotency-key'])).toEqual([id, `${id}/2`]);
  });
});

describe('a model on a server of the Open Inference Protocol', () => {
  it('asks the server what it takes, once, and in the version that the entry names', async () => {
    const path = await model('sum', { model_version: 3, model: 'add up', check_ready: true });
    const json = await ask(path, { x: [[1, 2], [3, 4]] }); // prettier-ignore
    expect(json.result).toEqual({
      outputs: { sum: [3, 7] },
      tensors: { sum: { datatype: 'INT64', shape: [2] } },
      model: { requested: path.slice(7), served: 'm@3', provider: 'open_inference' },
      usage: { input_tokens: null, output_tokens: null, duration_ms: expect.any(Number) as number },
    });
    expect((await ask(path, { x: { shape: [1, 2], data: [5, 6] } })).result).toMatchObject({ outputs: { sum: [11] } });
    expect((await ask(path, { x: [[1, 2, 3]] })).error_details).toMatchObject({
      code: 'invalid_tensor',
      retryable: false,
      cause: { errors: [{ code: 'invalid_tensor', pointer: '/inputs/x' }] },
    });
    const of = '/sum/v2/models/add%20up/versions/3';
    expect(callsOf('sum').map(({ method, url }) => `${method} ${url}`)).toEqual([
      `GET ${of}/ready`,
      `GET ${of}`,
      `POST ${of}/infer`,
      `GET ${of}/ready`,
      `POST ${of}/infer`,
      `GET ${of}/ready`,
    ]);
    const [ready, , infer] = callsOf('sum');
    expect([ready?.headers.authorization, infer?.headers.authorization]).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`]);
    expect([ready?.headers['idempotency-key'], infer?.headers['content-type']]).toEqual([undefined, 'application/json']);
  });

  it('sends and takes every datatype, 64-bit integers to the last digit, and settings as parameters', async () => {
    const values: Record<string, [string, unknown[]]> = {
      BOOL: ['[true,false]', [true, false]],
      UINT8: ['[0,255]', [0, 255]],
      INT16: ['[-32768,1]', [-32768, 1]],
      INT64: ['[9223372036854775807,-5]', ['9223372036854775807', -5]],
      UINT64: ['[18446744073709551615,7]', ['18446744073709551615', 7]],
      FP16: ['[0.5,65504]', [0.5, 65504]],
      FP32: ['[-1.5,0.25]', [-1.5, 0.25]],
      FP64: ['[1e-300,0.1]', [1e-300, 0.1]],
      BYTES: ['["ä\\"","12345678901234567"]', ['ä"', '12345678901234567']],
    };
    const tensors = Object.keys(values).map((datatype) => ({ name: datatype.toLowerCase(), datatype, shape: [-1] }));
    const path = await model('echo', {
      inputs: tensors,
      outputs: tensors.map((tensor) => ({ ...tensor, as: `${tensor.name}_out` })),
      inference_config: { top_k: { type: 'integer', default: 3 }, mode: { type: 'string' } },
    });
    const inputs = Object.fromEntries(Object.entries(values).map(([datatype, [, data]]) => [datatype.toLowerCase(), data]));
    const json = await ask(path, inputs as JsonObject, { inference_config: { mode: 'fast' } });
    const outputs = Object.fromEntries(Object.entries(values).map(([datatype, [, data]]) => [`${datatype.toLowerCase()}_out`, data]));
    expect([json.detail, json.error, (json.result as JsonObject | undefined)?.outputs]).toEqual([undefined, null, outputs]);
    const [call] = callsOf('echo');
    for (const [datatype, [wire]] of Object.entries(values)) expect(call?.text).toContain(`"datatype":"${datatype}","data":${wire}`);
    expect(call?.body.parameters).toEqual({ top_k: 3, mode: 'fast' });
  });

  it('takes typed tensors where neither the entry nor the server says what it takes', async () => {
    const path = await model('untold', {});
    const json = await ask(path, { x: { datatype: 'BOOL', shape: [], data: true } });
    expect(json.result).toMatchObject({ outputs: { score: [1] }, tensors: { score: { datatype: 'FP32', shape: [1] } } });
    expect(callsOf('untold').at(-1)?.body.inputs).toEqual([{ name: 'x', datatype: 'BOOL', shape: [], data: [true] }]);
    expect((await ask(path, { x: [1] })).error_details).toMatchObject({ code: 'invalid_tensor' });
    expect((await ask(path, {})).error_details).toMatchObject({ code: 'invalid_tensor' });
  });

  it.each<[string, JsonObject, [string, string][]]>([
    ['too few dimensions', { x: 1, w: [1, 2] }, [['/inputs/x', 'invalid_tensor']]],
    ['lists of different lengths', { x: [[1, 2], [3]], w: [1, 2] }, [['/inputs/x/1', 'invalid_tensor']]], // prettier-ignore
    ['another size', { x: [[1, 2]], w: [1, 2, 3] }, [['/inputs/w', 'invalid_tensor']]],
    ['text', { x: [[1, '2']], w: [1, 2] }, [['/inputs/x/0/1', 'invalid_tensor']]],
    ['nothing', {}, [['/inputs/w', 'invalid_tensor'], ['/inputs/x', 'invalid_tensor']]], // prettier-ignore
    ['a stray tensor', { x: [[1, 2]], w: [1, 2], y: [1] }, [['/inputs/y', 'unknown_field']]],
  ])('refuses %s at the door, with a pointer', async (_name, inputs, pointers) => {
    const path = await model('sum', {
      inputs: [
        { ...X, shape: [-1, 'n'] },
        { ...X, name: 'w', shape: ['n'] },
      ],
    });
    const before = server.calls.length;
    const { status, json } = await execute(path, inputs);
    const found = (json.errors as JsonObject[]).map(({ pointer, code }) => [pointer, code]).sort();
    expect([status, json.code, found]).toEqual([422, 'invalid_tensor', pointers]);
    expect(server.calls).toHaveLength(before);
    const inside = await service.post('/execute', { path, execution_type: 'model', parameters: inputs });
    expect([inside.status, inside.json.code]).toEqual([422, 'invalid_tensor']);
  });

  it('fills in what the schema has a default for, and takes what it names besides tensors', async () => {
    const properties = { x: { default: [1, 2] }, note: { type: 'string' } };
    const path = await model(
      'shaky',
      { ...DECLARED, retry: { max_attempts: 2, initial_delay: 0.01 } },
      { input_schema: { type: 'object', properties } },
    );
    expect((await ask(path, { note: 'hi' })).result).toMatchObject({ outputs: { score: [1, 2] } });
    expect(callsOf('shaky').at(-1)?.body.inputs).toEqual([{ name: 'x', shape: [2], datatype: 'FP32', data: [1, 2] }]);
  });

  it('asks again by itself after 429, no earlier than it is told, and after a connection that broke', async () => {
    const limited = await ask(await model('limited', { ...DECLARED, retry: { max_attempts: 2, initial_delay: 0.01, jitter: false } }), {
      x: [1, 2],
    });
    const [retry] = (await historyOf(limited)).filter(({ event_type }) => event_type === 'action_retry');
    expect([limited.status, JSON.stringify(retry).includes('"delay":1,')]).toEqual(['completed', true]);
    const torn = await ask(await model('torn', { ...DECLARED, retry: { max_attempts: 2, initial_delay: 0.01 } }), { x: [1, 2] });
    expect(torn.result).toMatchObject({ outputs: { score: [1, 2] } });
    const [key, again] = callsOf('torn').map(({ headers }) => headers['idempotency-key']);
    expect([callsOf('torn').length, key]).toEqual([2, again]);
  });

  it('waits for a model that is not ready', async () => {
    const path = await model('loading', { ...DECLARED, check_ready: true, retry: { max_attempts: 3, initial_delay: 0.01 } });
    const json = await ask(path, { x: [1, 2] });
    expect(json.result).toMatchObject({ outputs: { score: [1, 2] } });
    expect(JSON.stringify(await historyOf(json))).toContain('model_not_ready');
    const never = await ask(await model('idle', { ...DECLARED, check_ready: true }), { x: [1, 2] });
    expect(never.error_details).toMatchObject({ code: 'model_not_ready', retryable: true });
  });

  it.each<[string, string, string, JsonObject]>([
    ['refusing', 'http_error', '', { retry: 3 }],
    ['moved', 'http_error', '', { retry: 3 }],
    ['hanging', 'timeout', '', { timeout: 0.3 }],
    ['stalling', 'timeout', '', { timeout: 0.3 }],
    ['html', 'invalid_model_response', '', {}],
    ['garbage', 'invalid_model_response', '', {}],
    ['nan', 'invalid_model_response', '', {}],
    ['list', 'invalid_model_response', '', {}],
    ['deep', 'invalid_model_response', '', {}],
    ['nothing', 'invalid_model_response', '/outputs', {}],
    ['longer', 'invalid_model_response', '/outputs/0/shape', {}],
    ['cut', 'invalid_model_response', '/outputs/0/data', {}],
    ['integers', 'invalid_model_response', '/outputs/0/datatype', {}],
    ['texts', 'invalid_model_response', '/outputs/0/data/0', {}],
    ['bomb', 'invalid_model_response', '/outputs/0/shape', {}],
    ['others', 'invalid_model_response', '', {}],
    ['undescribed', 'invalid_model_response', '', { inputs: [] }],
    ['large', 'response_too_large', '', { max_response_bytes: 50_000 }],
    ['endless', 'response_too_large', '', { max_response_bytes: 50_000 }],
  ])('fails, and says so, where the server is %s: %s', async (behaviour, code, pointer, spec) => {
    const json = await ask(await model(behaviour, { ...DECLARED, ...spec }), { x: [1, 2] });
    const details = json.error_details as JsonObject;
    expect([json.status, details.code]).toEqual(['failed', code]);
    if (pointer !== '') expect((details.cause as { errors: JsonObject[] }).errors[0]).toMatchObject({ pointer });
    expect(callsOf(behaviour)).toHaveLength(1);
    expect(JSON.stringify([json, await historyOf(json)])).not.toContain(KEY);
  });

  it('passes on what the server says of its refusal', async () => {
    const { error_details: details } = await ask(await model('refusing'), { x: [1, 2] });
    expect((details as JsonObject).cause).toEqual({ error: 'no such model for [REDACTED]', status_code: 400 });
  });

  it('refuses batches that cannot be put together', async () => {
    const free = { ...X, shape: [-1] };
    const uneven = await model('sum', { inputs: [free, { ...free, name: 'w' }], batch_size: 1 });
    expect((await ask(uneven, { x: [1, 2], w: [1] })).error_details).toMatchObject({ code: 'invalid_tensor' });
    const whole = await model('large', { ...DECLARED, outputs: [{ ...free, name: 'score' }], batch_size: 1 });
    expect((await ask(whole, { x: [1, 2] })).error_details).toMatchObject({ code: 'invalid_model_response' });
  });

  it.each([
    ['10.0.0.1', { endpoint: 'http://10.0.0.1' }, 'outbound_blocked'],
    ['a file', { endpoint: 'file:///etc/passwd' }, 'invalid_endpoint'],
    ['another route of the server', { model: '..' }, 'invalid_endpoint'],
  ])('never gets to %s', async (_name, spec, code) => {
    expect((await ask(await model('sum', { ...DECLARED, ...spec }), { x: [1, 2] })).error_details).toMatchObject({ code });
  });

  it('says that nobody is there', async () => {
    const path = await model('sum', { ...DECLARED, endpoint: await closedOrigin() });
    expect((await ask(path, { x: [1, 2] })).error_details).toMatchObject({ code: 'connection_error', retryable: true });
  });

  it('leaves an endpoint alone that failed five times, without a call', async () => {
    const path = await model('down');
    for (let n = 0; n < 5; n += 1) expect((await ask(path, { x: [1] })).error_details).toMatchObject({ code: 'http_error' });
    expect((await ask(path, { x: [1] })).error_details).toMatchObject({ code: 'circuit_open', retryable: true });
    expect(callsOf('down')).toHaveLength(5);
  });

  it('can be cancelled while it is asked', async () => {
    const before = callsOf('hanging').length;
    const { json } = await service.post('/execute', { path: await model('hanging'), execution_type: 'model', inputs: { x: [1] } });
    while (callsOf('hanging').length === before) await sleep(20);
    await service.post(`/executions/${String(json.execution_id)}/cancel`, {});
    expect(await service.waitDone(json.execution_id as string)).toMatchObject({ status: 'cancelled' });
  });
});
