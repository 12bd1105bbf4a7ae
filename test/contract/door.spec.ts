import { type Server } from 'node:http';
import { connect } from 'node:net';
import { type AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import fc from 'fast-check';
import { pino } from 'pino';
import { ClosingDoor } from '../../src/common/closing-door.js';
import { POLICY } from '../../src/common/policy.js';
import { EngineError } from '../../src/engine/engine-error.js';
import { type JsonObject } from '../../src/engine/values.js';
import { REQUEST_EXAMPLES } from '../../src/execution/dto/examples.js';
import { type StartRun } from '../../src/execution/start-run.js';
import { Readiness } from '../../src/observability/readiness.js';
import { type DoorApp, startDoor } from '../support/door-app.js';

/** Waits for something that the requests under way bring about; a fault shows as a failure, not as a hang. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; !holds(); turns++) {
    if (turns === 2_000) throw new Error('it does not come about');
    await new Promise((done) => setTimeout(done, 5));
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS' | 'HEAD';
interface Sent {
  readonly method?: Method;
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

let door: DoorApp;
beforeAll(async () => {
  door = await startDoor();
});
afterAll(() => door.app.close());
beforeEach(() => {
  door.executions.started.length = 0;
  door.executions.answer = () => ({});
  door.executions.alreadyCancelled = false;
});

async function send({ method = 'POST', url, headers = {}, body }: Sent) {
  const payload = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const json = payload === undefined ? {} : { 'content-type': 'application/json' };
  return door.app.inject({ method, url, headers: { ...json, ...headers }, payload });
}

describe('starting', () => {
  it('runs the owner’s request by id', async () => {
    const answer = await send({ url: '/executions/run', body: REQUEST_EXAMPLES.byId });
    expect(answer.statusCode).toBe(202);
    expect(answer.headers).toMatchObject({
      location: '/executions/415923710348034048',
      'retry-after': '1',
      deprecation: expect.stringMatching(/^@\d+$/) as string,
      link: '</execute>; rel="successor-version"',
    });
    expect(answer.json()).toMatchObject({
      id: '415923710348034048',
      type: 'playbook',
      status: 'running',
      progress: 0,
      result: null,
      end_time: null,
    });
    expect(door.executions.started[0]).toEqual({
      principal: expect.objectContaining({ tenant: 'default', subject: 'anonymous' }) as object,
      lookup: { style: 'id', id: 'tests/fixtures/playbooks/hello_world/hello_world', version: null },
      executionType: null,
      parameters: { message: 'Hello World' },
      merge: false,
      durable: true,
      parent: { executionId: 'exec_123', eventId: 'event_456', step: 'fetch_data' },
      metadata: {},
      forkedFrom: null,
      kept: [],
      options: { priority: null, startAt: null, delayMs: null, expiresInMs: null, timeoutMs: null },
      idempotency: null,
      waitMs: null,
    });
  });

  it('runs the owner’s request by path, below /api too', async () => {
    const answer = await send({ url: '/api/execute', body: REQUEST_EXAMPLES.byPath });
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ execution_id: '415923710348034048', timestamp: '2025-10-11T10:30:00.000Z', version: 'v1.2.0' });
    expect(door.executions.started[0]).toMatchObject({
      lookup: { style: 'path', path: 'tests/fixtures/playbooks/hello_world/hello_world', version: 'v1.2.0' },
      executionType: 'playbook',
      parent: { executionId: 'exec_123', eventId: 'event_456', step: 'fetch_data' },
      metadata: { triggered_by: 'scheduler', priority: 'high' },
    });
  });

  it('hands on a model request', async () => {
    expect((await send({ url: '/execute', body: REQUEST_EXAMPLES.model })).statusCode).toBe(202);
    expect(door.executions.started[0]?.parameters).toMatchObject({ model_name: 'sentiment_bert' });
  });

  it.each<[string, string, JsonObject, Partial<StartRun>]>([
    [
      'as the owner writes it',
      '/execute',
      structuredClone(REQUEST_EXAMPLES.tool) as unknown as JsonObject,
      {
        parameters: { dataset: 'customers', rules: ['required_fields', 'data_types'] },
        parametersAt: '/parameters/arguments',
        tool: { name: 'data_validator', pointer: '/parameters/tool_name' },
      },
    ],
    [
      'at the root',
      '/execute',
      { path: 'a/b', execution_type: 'tool', tool_name: 't', arguments: { x: 1 } },
      { parameters: { x: 1 }, parametersAt: '/arguments', tool: { name: 't', pointer: '/tool_name' } },
    ],
    [
      'with the arguments as parameters',
      '/execute',
      { path: 'a/b', execution_type: 'tool', tool_name: 't', parameters: { x: 1 } },
      { parameters: { x: 1 }, parametersAt: '/parameters', tool: { name: 't', pointer: '/tool_name' } },
    ],
    [
      'by id',
      '/executions/run',
      { playbook_id: 'a/b', execution_type: 'tool', parameters: { arguments: { x: 1 } } },
      { parameters: { x: 1 }, parametersAt: '/parameters/arguments', tool: null },
    ],
    [
      'without the type: then nothing is unwrapped',
      '/execute',
      { path: 'a/b', parameters: { arguments: { x: 1 } } },
      { parameters: { arguments: { x: 1 } } },
    ],
  ])('hands on a tool request %s', async (_name, url, body, command) => {
    expect((await send({ url, body })).statusCode).toBe(202);
    expect(door.executions.started[0]).toMatchObject(command);
    expect(door.executions.started[0]?.parameters).toEqual(command.parameters);
  });

  it.each([
    ['input_payload', '/executions/run', { playbook_id: 'a', input_payload: { x: 1 } }, { parameters: { x: 1 } }],
    [
      'workload and resource_kind in capitals',
      '/execute',
      { path: 'a', workload: { x: 1 }, resource_kind: 'Playbook' },
      { parameters: { x: 1 }, executionType: 'playbook' },
    ],
    ['a version as a number', '/execute', { path: 'a', version: 3 }, { lookup: { style: 'path', path: 'a', version: '3' } }],
    ['no version', '/execute', { path: 'a' }, { lookup: { style: 'path', path: 'a', version: 'latest' } }],
    ['path and version by id', '/executions/run', { path: 'a', version: '1.2' }, { lookup: { style: 'id', id: 'a', version: '1.2' } }],
    ['catalog_id as a number', '/executions/run', { catalog_id: 17 }, { lookup: { style: 'id', id: '17', version: null } }],
    ['two names that agree', '/executions/run', { playbook_id: 'a', path: 'a' }, { lookup: { style: 'id', id: 'a', version: null } }],
    [
      'parent ids as numbers',
      '/executions/run',
      { playbook_id: 'a', parent_execution_id: 5 },
      { parent: { executionId: '5', eventId: null, step: null } },
    ],
    [
      'flat before nested',
      '/execute',
      { path: 'a', parent_step: 'flat', context: { parent_step: 'nested', parent_event_id: 7 } },
      { parent: { executionId: null, eventId: '7', step: 'flat' } },
    ],
    ['null where nothing is', '/execute', { path: 'a', context: null, metadata: null }, { metadata: {} }],
    ['no rows', '/execute', { path: 'a', sync_to_postgres: false }, { durable: false }],
  ])('understands %s', async (_name, url, body, command) => {
    expect((await send({ url, body })).statusCode).toBe(202);
    expect(door.executions.started[0]).toMatchObject(command);
  });

  it.each([
    ['an unknown field', { path: 'a', retries: 3 }, [['/retries', 'unknown_field']]],
    ['a missing field', {}, [['/path', 'missing_field']]],
    ['a wrong type', { path: 'a', parameters: [] }, [['/parameters', 'invalid_type']]],
    ['no coercion', { path: 'a', merge: 'true' }, [['/merge', 'invalid_type']]],
    ['an unknown type', { path: 'a', execution_type: 'job' }, [['/execution_type', 'invalid_value']]],
    ['an empty path', { path: '' }, [['/path', 'invalid_value']]],
    ['inside the context', { path: 'a', context: { parent: 1 } }, [['/context/parent', 'unknown_field']]],
    [
      'several at once',
      { path: 1.5, merge: 1, x: 1 },
      [
        ['/x', 'unknown_field'],
        ['/path', 'invalid_type'],
        ['/merge', 'invalid_type'],
      ],
    ],
    ['two names that differ', { path: 'a', parameters: { x: 1 }, workload: { x: 2 } }, [['/workload', 'ambiguous_field']]],
    [
      'tool fields that differ',
      { path: 'a', execution_type: 'tool', tool_name: 't', parameters: { tool_name: 'u' } },
      [['/tool_name', 'ambiguous_field']],
    ],
    [
      'arguments that are no mapping',
      { path: 'a', execution_type: 'tool', parameters: { arguments: [] } },
      [['/parameters/arguments', 'invalid_type']],
    ],
    [
      'a tool without a name that is one',
      { path: 'a', execution_type: 'tool', parameters: { tool_name: 7 } },
      [['/parameters/tool_name', 'invalid_type']],
    ],
    [
      'what stands beside arguments',
      { path: 'a', execution_type: 'tool', arguments: {}, parameters: { 'x/y': 1, z: 1 } },
      [
        ['/parameters/x~1y', 'unknown_field'],
        ['/parameters/z', 'unknown_field'],
      ],
    ],
    ['a list', [], [['', 'invalid_type']]],
  ])('refuses %s with a pointer', async (_name, body, findings) => {
    const answer = await send({ url: '/execute', body });
    expect(answer.statusCode).toBe(422);
    const problem = answer.json<{ errors: { pointer: string; code: string }[] }>();
    expect(problem.errors.map(({ pointer, code }) => [pointer, code]).sort()).toEqual([...findings].sort());
    expect(door.executions.started).toEqual([]);
  });
});

describe('waiting', () => {
  it.each([
    ['Prefer: wait=10', { headers: { prefer: 'wait=10' } }, 10_000],
    ['bare Prefer: wait', { headers: { prefer: 'respond-async, wait' } }, 30_000],
    ['more than the limit', { headers: { prefer: 'wait=900' } }, 60_000],
    ['?wait=N', { query: '?wait=5' }, 5_000],
    ['bare ?wait', { query: '?wait' }, 30_000],
    ['another preference', { headers: { prefer: 'return=minimal' } }, null],
  ])('%s', async (_name, { headers, query }: { headers?: Record<string, string>; query?: string }, waitMs) => {
    await send({ url: `/execute${query ?? ''}`, headers, body: { path: 'a' } });
    expect(door.executions.started[0]?.waitMs).toBe(waitMs);
  });

  it('answers 200 with the end, the granted wait and warnings', async () => {
    door.executions.answer = () => ({ ended: true, result: { sum: 3 }, waitApplied: 60_000, warnings: ['version 1.0.0 is "yanked"'] });
    const answer = await send({ url: '/execute?wait=99', body: { path: 'a' } });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({ 'preference-applied': 'wait=60', warning: '299 - "version 1.0.0 is \\"yanked\\""' });
    expect(answer.headers['retry-after']).toBeUndefined();
    expect(answer.json()).toMatchObject({ result: { sum: 3 } });
  });

  it.each([
    ['header', { headers: { prefer: 'wait=soon' } }, 400, 'invalid_header'],
    ['query', { query: '?wait=soon' }, 422, 'invalid_request'],
  ])(
    'refuses a bad wait in the %s',
    async (_name, { headers, query }: { headers?: Record<string, string>; query?: string }, status, code) => {
      const answer = await send({ url: `/execute${query ?? ''}`, headers, body: { path: 'a' } });
      expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([status, code]);
    },
  );
});

describe('cancelling', () => {
  it.each(['cancel', 'stop'])('%s needs no body, and says what it did', async (verb) => {
    const answer = await send({ url: `/executions/12/${verb}` });
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ status: 'running', cancelled_executions: ['12'], message: 'Cancelling.' });
  });

  it('answers 200 where nothing changed', async () => {
    door.executions.alreadyCancelled = true;
    expect((await send({ url: '/executions/12/cancel', body: { reason: 'twice' } })).statusCode).toBe(200);
  });

  it.each(['abc', '0', '01', '9223372036854775808', '%20', 'x'.repeat(500), 'x'.repeat(3_000)])('knows no execution %s', async (id) => {
    const answer = await send({ url: `/executions/${id}/cancel` });
    expect(answer.statusCode).toBe(404);
  });
});

describe('problems', () => {
  it('say of an unknown route where the known ones are', async () => {
    for (const url of ['/', '/docs/', '/api/nope', '/nope'])
      expect((await send({ method: 'GET', url })).json<{ detail: string }>().detail).toBe(
        'There is no such route; GET /docs shows which there are.',
      );
  });

  it.each<[string, Sent, number, string]>([
    ['an unknown route', { url: '/nope', body: '{' }, 404, 'not_found'],
    ['an unknown route below /api', { method: 'GET', url: '/api/nope' }, 404, 'not_found'],
    ['the prefix twice', { url: '/api/api/execute', body: { path: 'a' } }, 404, 'not_found'],
    ['another method', { method: 'GET', url: '/execute' }, 405, 'method_not_allowed'],
    ['another method with parameters', { method: 'DELETE', url: '/api/executions/12/cancel' }, 405, 'method_not_allowed'],
    ['no JSON wanted', { url: '/execute', headers: { accept: 'text/html' }, body: { path: 'a' } }, 406, 'not_acceptable'],
    ['no body', { url: '/execute' }, 400, 'malformed_json'],
    ['an empty body', { url: '/execute', headers: { 'content-type': 'application/json' }, body: '' }, 400, 'malformed_json'],
    ['no JSON', { url: '/execute', body: '{"path": secret}' }, 400, 'malformed_json'],
    ['NUL', { url: '/execute', body: '{"path":"a","parameters":{"x":"\\u0000"}}' }, 400, 'invalid_unicode'],
    ['depth', { url: '/execute', body: '['.repeat(5_000) }, 400, 'depth_exceeded'],
    ['a body above 1 MiB', { url: '/execute', body: { path: 'a'.repeat(1_048_576) } }, 413, 'body_too_large'],
    ['text', { url: '/execute', headers: { 'content-type': 'text/plain' }, body: 'x' }, 415, 'unsupported_media_type'],
    [
      'a form',
      { url: '/execute', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=b' },
      415,
      'unsupported_media_type',
    ],
    [
      'another charset',
      { url: '/execute', headers: { 'content-type': 'application/json; charset=utf-16' }, body: '{}' },
      415,
      'unsupported_media_type',
    ],
    ['gzip', { url: '/execute', headers: { 'content-encoding': 'gzip' }, body: gzipSync('{"path":"a"}') }, 415, 'unsupported_media_type'],
    ['broken percent-encoding', { method: 'GET', url: '/executions/%zz/cancel' }, 400, 'malformed_request'],
    ['a URL with NUL', { url: '/executions/%00/cancel' }, 404, 'unknown_execution'],
  ])('%s', async (_name, sent, status, code) => {
    const answer = await send(sent);
    const problem = answer.json<Record<string, unknown>>();
    expect([answer.statusCode, problem.code]).toEqual([status, code]);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(problem).toEqual({
      type: `urn:showrunner:problem:${code}`,
      title: expect.any(String) as string,
      status,
      detail: expect.not.stringContaining('secret') as string,
      instance: sent.url.split('?')[0],
      code,
      request_id: expect.any(String) as string,
      errors: expect.any(Array) as unknown[],
    });
  });

  it('says which methods a route knows', async () => {
    expect((await send({ method: 'PUT', url: '/executions/run' })).headers.allow).toBe('POST');
  });

  it.each([
    ['the same charset', { 'content-type': 'application/json; charset=UTF-8' }],
    ['any media type', { accept: 'text/html, */*;q=0.1' }],
    ['problem documents wanted', { accept: 'application/problem+json' }],
    ['no compression', { 'content-encoding': 'identity' }],
  ])('accepts %s', async (_name, headers: Record<string, string>) => {
    expect((await send({ url: '/execute', headers, body: { path: 'a' } })).statusCode).toBe(202);
  });

  it('keeps a sane request id and replaces another', async () => {
    const answer = await send({ method: 'GET', url: '/nope', headers: { 'x-request-id': 'trace-1' } });
    expect([answer.headers['x-request-id'], answer.json<{ request_id: string }>().request_id]).toEqual(['trace-1', 'trace-1']);
    expect((await send({ method: 'GET', url: '/nope', headers: { 'x-request-id': 'a b\u00e9' } })).headers['x-request-id']).toMatch(
      /^[0-9a-f-]{36}$/,
    );
  });

  it.each<[string, Error, number, string]>([
    ['an expected error', new EngineError('not_found', 'unknown_playbook', 'No such playbook.'), 404, 'unknown_playbook'],
    ['a limit', new EngineError('too_many', 'too_many_requests', 'Too many.'), 429, 'too_many_requests'],
    ['a value PostgreSQL refuses', Object.assign(new Error('x'), { driverError: { code: '22P05' } }), 400, 'invalid_unicode'],
    ['a database that is away', Object.assign(new Error('x'), { code: '57P01' }), 503, 'database_unavailable'],
    ['a bug', new TypeError('password=hunter2'), 500, 'internal_error'],
  ])('tells %s', async (_name, error, status, code) => {
    door.executions.answer = () => Promise.reject(error);
    const answer = await send({ url: '/execute', body: { path: 'a' } });
    expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([status, code]);
    expect(answer.body).not.toContain('hunter2');
    expect(answer.headers['retry-after']).toBe(status === 429 || status === 503 ? '1' : undefined);
  });
});

describe('the network', () => {
  const raw = async (bytes: string): Promise<string> => {
    const { port } = door.app.getHttpServer().address() as AddressInfo;
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  };
  beforeAll(() => door.app.listen(0, '127.0.0.1'));

  it.each([
    ['headers above the limit', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, '431', 'headers_too_large'],
    ['no HTTP', 'hello\r\n\r\n', '400', 'malformed_request'],
    ['an unknown method', 'BREW / HTTP/1.1\r\nhost: x\r\n\r\n', '400', 'malformed_request'],
    ['two lengths', 'POST /execute HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}', '400', 'malformed_request'],
  ])('answers %s with a problem document', async (_name, bytes, status, code) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({ code });
  });
});

describe('policies', () => {
  it('every handler of the application has one', () => {
    const handlers = [...door.app.get(ModulesContainer).values()].flatMap(({ controllers }) =>
      [...controllers.values()].flatMap(({ metatype, instance }) => {
        const prototype = Object.getPrototypeOf(instance) as Record<string, object>;
        return new MetadataScanner()
          .getAllMethodNames(prototype)
          .filter((name) => Reflect.hasMetadata('path', prototype[name] as object))
          .map((name) => [`${metatype?.name}.${name}`, Reflect.getMetadata(POLICY, prototype[name] as object) as unknown]);
      }),
    );
    expect(handlers.length).toBeGreaterThan(8);
    expect(handlers.filter(([, policy]) => policy === undefined)).toEqual([]);
  });
});

describe('overload', () => {
  it('refuses what is above the in-flight limit, but not waits', async () => {
    const full = await startDoor({ HTTP_MAX_IN_FLIGHT: '1' });
    let finish = (): void => undefined;
    const held = new Promise<Record<string, never>>((resolve) => (finish = () => resolve({})));
    full.executions.answer = () => held;
    const post = (url: string) =>
      full.app.inject({ method: 'POST', url, headers: { 'content-type': 'application/json' }, payload: '{"path":"a"}' });
    const first = post('/execute');
    await until(() => full.executions.started.length > 0);
    const second = await post('/execute');
    expect([second.statusCode, second.json<{ code: string }>().code, second.headers['retry-after']]).toEqual([503, 'overloaded', '1']);
    const waiting = post('/execute?wait=1');
    await until(() => full.executions.started.length === 2);
    finish();
    expect([(await first).statusCode, (await waiting).statusCode]).toEqual([202, 202]);
    expect((await post('/execute')).statusCode).toBe(202);
    await full.app.close();
  });

  it('answers requests that take too long, and lives on', async () => {
    const slow = await startDoor({ HTTP_REQUEST_TIMEOUT_MS: '100' });
    slow.executions.answer = () => new Promise(() => undefined);
    await slow.app.listen(0, '127.0.0.1');
    const { port } = slow.app.getHttpServer().address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/execute`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: '{"path":"a"}',
    });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([503, 'overloaded']);
    expect((await slow.app.inject({ method: 'GET', url: '/health/live' })).statusCode).toBe(200);
    await slow.app.close();
  });

  it('holds a start without rows until its end: it is no request that takes too long', async () => {
    const slow = await startDoor({ HTTP_REQUEST_TIMEOUT_MS: '100' });
    // Requests that are overdue are looked for four times a second.
    const later = () =>
      new Promise<{ ended: boolean; durable: boolean }>((end) => setTimeout(() => end({ ended: true, durable: false }), 600));
    slow.executions.answer = later;
    await slow.app.listen(0, '127.0.0.1');
    const url = await slow.app.getUrl();
    const start = (route: string, body: JsonObject) =>
      fetch(`${url}${route}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const answers = await Promise.all([
      start('/execute', { path: 'a', sync_to_postgres: false }),
      start('/api/executions/run', { playbook_id: 'a', sync_to_postgres: false }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(await answers[0]!.json()).toMatchObject({ durable: false });
    await slow.app.close();
  });
});

describe('health', () => {
  it('is ready until it drains', async () => {
    const node = await startDoor();
    const get = (url: string) => node.app.inject({ method: 'GET', url });
    expect((await get('/api/health')).json()).toEqual({ status: 'ok' });
    node.app.get(Readiness).require(() => Promise.reject(new Error('no database')));
    expect((await get('/health/ready')).json()).toMatchObject({ status: 503, code: 'database_unavailable' });
    expect((await get('/health/live')).statusCode).toBe(200);
    node.app.get(Readiness).drain();
    expect((await get('/health/ready')).json()).toMatchObject({ code: 'draining' });
    const start = await node.app.inject({
      method: 'POST',
      url: '/execute',
      headers: { 'content-type': 'application/json' },
      payload: '{"path":"a"}',
    });
    expect(start.json()).toMatchObject({ status: 503, code: 'draining' });
    await node.app.close();
  });
});

it('a node that stops lets connections be kept until it takes no new ones, and then asks their callers to leave', async () => {
  const node = await startDoor();
  await node.app.listen(0, '127.0.0.1');
  const url = `${await node.app.getUrl()}/health/live`;
  const connection = async (): Promise<string | null> => {
    const answer = await fetch(url);
    await answer.text();
    return answer.headers.get('connection');
  };
  node.app.get(Readiness).drain();
  expect(await connection()).toBe('keep-alive');
  await new ClosingDoor(node.app.getHttpServer() as Server).close();
  expect(await connection()).toBe('close');
  await expect(connection()).rejects.toThrow('fetch failed');
  await node.app.close();
});

describe('the log', () => {
  it('has one line per request, without anything a caller sent', async () => {
    const lines: string[] = [];
    const logged = await startDoor({}, pino({ base: undefined }, { write: (line: string) => void lines.push(line) }));
    const headers = { authorization: 'Bearer s3cret', 'content-type': 'application/json', 'x-request-id': 'r1' };
    await logged.app.inject({ method: 'POST', url: '/api/execute?token=s3cret', headers, payload: '{"path":"s3cret"}' });
    logged.executions.answer = () => Promise.reject(new TypeError('a bug'));
    await logged.app.inject({ method: 'POST', url: '/execute', headers: { ...headers, 'x-request-id': 'r2' }, payload: '{"path":"a"}' });
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(parsed).toEqual([
      {
        level: 30,
        time: expect.any(Number) as number,
        method: 'POST',
        route: '/execute',
        status: 202,
        ms: expect.any(Number) as number,
        request_id: 'r1',
        msg: 'request',
      },
      expect.objectContaining({
        level: 50,
        context: 'ProblemFilter',
        stack: expect.stringContaining('TypeError: a bug') as string,
        msg: 'request r2: TypeError: a bug',
      }),
      expect.objectContaining({ level: 50, status: 500, request_id: 'r2' }),
    ]);
    expect(lines.join('')).not.toContain('s3cret');
    await logged.app.close();
  });
});

describe('closing', () => {
  it('answers what was accepted before', async () => {
    const node = await startDoor();
    let finish = (): void => undefined;
    const held = new Promise<Record<string, never>>((resolve) => (finish = () => resolve({})));
    node.executions.answer = () => held;
    await node.app.listen(0, '127.0.0.1');
    const { port } = node.app.getHttpServer().address() as AddressInfo;
    const answer = fetch(`http://127.0.0.1:${port}/execute`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"path":"a"}',
    });
    await until(() => node.executions.started.length > 0);
    const closed = node.app.close();
    finish();
    expect((await answer).status).toBe(202);
    await closed;
  });
});

describe('hostile bodies', () => {
  const field = fc.constantFrom(
    'path',
    'playbook_id',
    'version',
    'execution_type',
    'type',
    'parameters',
    'workload',
    'context',
    'metadata',
    'merge',
    '__proto__',
    'constructor',
    'prototype',
    'then',
    'toString',
  );
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.dictionary(fc.constantFrom('constructor', 'prototype', 'then', 'toString', 'a'), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }),
    fc.constantFrom('tool', 'model', 'playbook', '\u0000', '\ud800', 1e308, -0, Number.MAX_SAFE_INTEGER + 2),
  );
  const hostile = fc.oneof(
    fc.dictionary(fc.oneof(field, fc.string()), value).map((body) => JSON.stringify(body)),
    fc
      .array(fc.tuple(field, value), { maxLength: 6 })
      .map((pairs) => `{${pairs.map(([key, at]) => `${JSON.stringify(key)}:${JSON.stringify(at)}`).join()}}`),
    fc.string({ unit: 'binary' }),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', 'u', 'd', '8', '0', ',', ':', 'path', '1', 'e', '9') }),
  );

  it('10,000 of them are answered with 2xx or 4xx and, refused, with a problem document', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('/execute', '/executions/run', '/executions/12/cancel'), hostile, async (url, body) => {
        const answer = await send({ url, body });
        expect(answer.statusCode).toBeLessThan(500);
        if (answer.statusCode >= 400)
          expect(answer.json()).toMatchObject({ status: answer.statusCode, code: expect.any(String) as string });
      }),
      { numRuns: 10_000 },
    );
  });
});
