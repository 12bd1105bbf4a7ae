import { type RequestListener } from 'node:http';
import { EngineError } from '../../engine/engine-error.js';
import { type Outbound } from '../../engine/outbound-port.js';
import { type Action } from '../../engine/playbook/playbook.js';
import { type StepContext, type StepFailure } from '../../engine/step-executor.js';
import { type StepServices } from '../../engine/step-services.js';
import { Rendering } from '../../engine/template/rendering.js';
import { type Json, type JsonObject } from '../../engine/values.js';
import { parseOutboundAllow } from '../../outbound/allow-list.js';
import { OutboundClient } from '../../outbound/outbound-client.js';
import { type LocalServer, serveHttp } from '../../outbound/testing/local-server.js';
import createHttpStep from './http.step.js';

interface Echo extends JsonObject {
  method: string;
  url: string;
  headers: JsonObject;
  body: string;
}

const echo: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
  });
};

const outbound: Outbound & { close(): Promise<void> } = new OutboundClient({ allow: parseOutboundAllow('127.0.0.1') });
const step = createHttpStep({ outbound } as unknown as StepServices);
let server: LocalServer;
beforeAll(async () => {
  server = await serveHttp((request, response) => {
    const status = Number(/^\/status\/(\d+)/.exec(request.url ?? '')?.[1] ?? 0);
    if (status > 0) response.writeHead(status, { 'content-type': 'application/json' }).end('{"why":"asked"}');
    else if (request.url === '/large') response.end(Buffer.alloc(300_000, 'x'));
    else if (request.url !== '/silent') echo(request, response);
  });
});
afterAll(async () => {
  await outbound.close();
  await server.close();
});

const actionWith = (fields: JsonObject, more: Partial<Action> = {}): Action => ({
  type: 'http',
  fields,
  data: {},
  save: [],
  assert: null,
  auth: null,
  retry: null,
  timeout: null,
  tasks: [],
  ...more,
});
const contextWith = (signal: AbortSignal, admit: StepContext['admit'] = () => Promise.resolve()): StepContext => ({
  tenantId: 'default',
  executionId: '1',
  step: 'call',
  wave: 1,
  attempt: 1,
  claimNo: 1,
  idempotencyKey: '1/call/1/-/action',
  signal,
  timeoutMs: null,
  auth: new Map(),
  admit,
  assertHeld: () => undefined,
  mayAsk: false,
  answered: null,
  secretForms: () => [],
  report: () => undefined,
});
const names: JsonObject = { path: 'things', token: 'abc', headers: { 'X-All': 'yes' }, n: 5, breaking: 'a\r\nX-Injected: b', off: 'False' };
const scope = { lookup: (name: string): Json | undefined => names[name] };
const rendering = () => new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0.5, nextId: () => '1' });

const requestFor = (fields: JsonObject, inputs: JsonObject = {}, more: Partial<Action> = {}): Json =>
  step.render(step.parse(actionWith({ endpoint: `${server.origin}/`, ...fields }, more)), inputs, scope, rendering());
const run = async (fields: JsonObject, inputs: JsonObject = {}, signal = new AbortController().signal) =>
  (await step.execute(requestFor(fields, inputs), contextWith(signal))).value as JsonObject & { data: Echo };
const failureOf = async (work: () => Promise<unknown>): Promise<StepFailure> => {
  try {
    await work();
  } catch (error) {
    return error as StepFailure;
  }
  throw new Error('it did not fail');
};

describe('the http step', () => {
  it('is an effect of 30 seconds with four names for data', () => {
    expect(step).toMatchObject({
      kind: 'http',
      effect: true,
      defaultTimeoutSeconds: 30,
      valueAliases: { payload: 'data', body: 'data', json: 'data', response: 'data' },
    });
  });

  it('renders endpoint, method and headers, and gives the value of the language', async () => {
    const value = await run({
      endpoint: `${server.origin}/{{ path }}/{{ n }}`,
      method: '{{ "post" }}',
      headers: { Authorization: 'Bearer {{ token }}', 'X-Number': 7, 'X-None': null },
    });
    expect(value).toMatchObject({ status_code: 200, url: `${server.origin}/things/5`, headers: { 'content-type': 'application/json' } });
    expect(value.elapsed).toBeGreaterThan(0);
    expect(value.data).toMatchObject({ method: 'POST', url: '/things/5', headers: { authorization: 'Bearer abc', 'x-number': '7' } });
    expect(value.data.headers).not.toHaveProperty('x-none');
  });

  it('takes all headers from one template', async () => {
    expect((await run({ headers: '{{ headers }}' })).data.headers).toMatchObject({ 'x-all': 'yes' });
  });

  it.each<[string, string, JsonObject, string, string]>([
    ['GET: everything is the query', 'GET', { a: 1, b: true, c: 'x y' }, '/?a=1&b=true&c=x+y', ''],
    ['DELETE: everything is the query', 'DELETE', { a: 1 }, '/?a=1', ''],
    [
      'lists repeat the key, mappings are JSON, null is left out',
      'GET',
      { l: [1, 2], m: { k: 1 }, n: null },
      '/?l=1&l=2&m=%7B%22k%22%3A1%7D',
      '',
    ],
    ['POST: everything is the body', 'POST', { a: 1, b: [null] }, '/', '{"a":1,"b":[null]}'],
    ['PUT: query and body apart', 'PUT', { query: { q: 1 }, body: { b: 2 } }, '/?q=1', '{"b":2}'],
    ['PATCH: other keys join the body and win', 'PATCH', { query: { q: 1 }, body: { b: 2, a: 0 }, a: 1 }, '/?q=1', '{"b":2,"a":1}'],
    ['GET: other keys join the query and win', 'GET', { query: { q: 1, a: 0 }, a: 1 }, '/?q=1&a=1', ''],
    ['GET with a body', 'GET', { body: { b: 1 } }, '/', '{"b":1}'],
    ['a text body as it is', 'POST', { body: 'raw text' }, '/', 'raw text'],
    ['a list as the body', 'POST', { body: [1] }, '/', '[1]'],
    ['POST without inputs has no body', 'POST', {}, '/', ''],
  ])('%s', async (_name, method, inputs, url, body) => {
    expect((await run({ method }, inputs)).data).toMatchObject({ method, url, body });
  });

  it('appends to the query of the endpoint', async () => {
    expect((await run({ endpoint: `${server.origin}/p?a=1` }, { b: 2 })).data.url).toBe('/p?a=1&b=2');
  });

  it('answers HEAD with an empty text', async () => {
    expect(await run({ method: 'HEAD' }, { a: 1 })).toMatchObject({ status_code: 200, data: null });
  });

  it.each([
    ['none', undefined, 'application/json', '{"a":[1,2]}'],
    ['JSON', 'application/vnd.api+json', 'application/vnd.api+json', '{"a":[1,2]}'],
    ['a form', 'application/x-www-form-urlencoded; charset=utf-8', 'application/x-www-form-urlencoded; charset=utf-8', 'a=1&a=2'],
  ])('encodes a body by its Content-Type: %s', async (_name, type, sent, body) => {
    const headers: JsonObject = type === undefined ? {} : { 'content-TYPE': type };
    const { data } = await run({ method: 'POST', headers }, { a: [1, 2] });
    expect(data.headers['content-type']).toBe(sent);
    expect(data.body).toBe(body);
  });

  it('encodes multipart, the same bytes each time', async () => {
    const call = () => run({ method: 'POST', headers: { 'Content-Type': 'multipart/form-data' } }, { 'a"\r\nb': 'x', m: { k: 1 } });
    const { data } = await call();
    const boundary = /^multipart\/form-data; boundary=(\w+)$/.exec(String(data.headers['content-type']))?.[1] ?? 'none';
    const part = (name: string, value: string) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    expect(data.body).toBe(`${part('a%22%0D%0Ab', 'x')}${part('m', '{"k":1}')}--${boundary}--\r\n`);
    expect((await call()).data.body).toBe(data.body);
  });

  it('sends the idempotency key of the effect unless the author sets one', async () => {
    expect((await run({})).data.headers['idempotency-key']).toBe('1/call/1/-/action');
    expect((await run({ headers: { 'idempotency-KEY': 'mine' } })).data.headers['idempotency-key']).toBe('mine');
  });

  it.each([199, 204, 299].slice(1))('takes %i for success', async (status) => {
    expect(await run({ endpoint: `${server.origin}/status/${status}` })).toMatchObject({ status_code: status });
  });

  it.each([300, 304, 400, 404, 429, 500, 503])('fails for %i and keeps the value', async (status) => {
    const failure = await failureOf(() => run({ endpoint: `${server.origin}/status/${status}` }));
    expect(failure).toMatchObject({ code: 'http_error', statusCode: status, retryable: true, value: { status_code: status } });
    if (status !== 304) expect(failure.value).toMatchObject({ data: { why: 'asked' } });
  });

  it.each([
    ['outbound_blocked', 'http://10.0.0.1/', false],
    ['invalid_endpoint', 'ftp://127.0.0.1/', false],
    ['invalid_endpoint', 'no url', false],
    ['connection_error', 'http://127.0.0.1:1/', true],
  ])('fails with %s for %s', async (code, endpoint, retryable) => {
    expect(await failureOf(() => run({ endpoint }))).toMatchObject({ name: 'StepFailure', code, retryable });
  });

  it.each([
    ['an empty endpoint', { endpoint: '{{ nothing }}' }, {}, 'invalid_endpoint'],
    ['a method that is none', { method: '{{ path }}' }, {}, 'invalid_value'],
    ['a header that would end the line', { headers: { 'X-A': '{{ breaking }}' } }, {}, 'invalid_value'],
    ['a header that is a list', { headers: { 'X-A': [1] } }, {}, 'invalid_value'],
    ['headers that are no mapping', { headers: '{{ n }}' }, {}, 'invalid_value'],
    ['a query that is no mapping', {}, { query: 'a=1' }, 'inputs_not_mapping'],
  ])('refuses %s before anything is sent', (_name, fields, inputs, code) => {
    expect(() => requestFor(fields as JsonObject, inputs as JsonObject)).toThrow(
      expect.objectContaining({ code, retryable: false }) as Error,
    );
    expect(() => requestFor(fields as JsonObject, inputs as JsonObject)).not.toThrow(/Injected/);
  });

  it.each([
    ['verify_ssl', { verify_ssl: false }, false],
    ['a text', { verify: '{{ off }}' }, false],
    ['nothing', {}, true],
    ['an undefined name', { verify: '{{ nothing }}' }, true],
  ])('reads verify from %s', (_name, fields, verify) => expect(requestFor(fields as JsonObject)).toMatchObject({ verify }));

  it('goes to the next page with what the call changes', () => {
    const before = requestFor({ method: 'GET', headers: { 'X-A': '1' } }, { page: 1, size: 2 });
    expect(step.pages!.next(before, { params: { page: 2 }, headers: { 'X-B': '2' } })).toMatchObject({
      query: { page: 2, size: 2 },
      headers: { 'X-A': '1', 'X-B': '2' },
    });
    const posted = requestFor({ method: 'POST' }, { a: 1 });
    expect(step.pages!.next(posted, { data: { b: 2 }, url: 'http://127.0.0.1/next' })).toMatchObject({
      endpoint: 'http://127.0.0.1/next',
      body: { a: 1, b: 2 },
    });
  });

  it('asks for room before it reads a large answer, and fails as it is told', async () => {
    const asked: number[] = [];
    const admit = (bytes: number): Promise<void> => (asked.push(bytes), Promise.resolve());
    const large = requestFor({ endpoint: `${server.origin}/large` });
    const { value } = await step.execute(large, contextWith(new AbortController().signal, admit));
    expect([asked, (value as { data: string }).data.length]).toEqual([[300_000, 0], 300_000]);
    await step.execute(requestFor({}), contextWith(new AbortController().signal, admit));
    expect(asked).toEqual([300_000, 0]);
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const refused = (): Promise<void> => (controller.abort(reason), Promise.reject(reason));
    await expect(step.execute(large, contextWith(controller.signal, refused))).rejects.toBe(reason);
  });

  it('ends with the reason of its signal', async () => {
    const controller = new AbortController();
    const call = run({ endpoint: `${server.origin}/silent` }, {}, controller.signal);
    const reason = new Error('cancelled');
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  it.each([
    ['no endpoint', {}, '/endpoint'],
    ['an endpoint that is no text', { endpoint: 1 }, '/endpoint'],
    ['an unknown method', { endpoint: 'http://a', method: 'FETCH' }, '/method'],
    ['headers in a list', { endpoint: 'http://a', headers: [] }, '/headers'],
    ['a template that cannot be read', { endpoint: 'http://a', headers: { 'X-A': '{{ 1 + }}' } }, '/headers'],
    ['a header name with a colon', { endpoint: 'http://a', headers: { 'X/A:': 'b' } }, '/headers/X~1A:'],
  ])('refuses to register %s', (_name, fields, pointer) => {
    try {
      step.parse(actionWith(fields as JsonObject));
    } catch (error) {
      expect(error).toBeInstanceOf(EngineError);
      expect((error as EngineError).issues.map((issue) => issue.pointer)).toEqual([pointer]);
      return;
    }
    throw new Error('it was accepted');
  });
});
