import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Authentication } from '../../src/common/authentication.js';
import { ANONYMOUS } from '../../src/common/principal.js';
import { type JsonObject } from '../../src/engine/values.js';
import { ChangeFeed } from '../../src/mcp/change-feed.js';
import { startTestService, type TestService } from '../support/service.js';

const MOST = 3;
let service: TestService;
/** Senders that are being checked now, and what lets them pass. */
let checked: { readonly gone: () => boolean }[] = [];
let gate = Promise.resolve();

beforeAll(async () => {
  service = await startTestService({ MAX_WAITING_REQUESTS: String(MOST) });
  service.app.get(Authentication, { strict: false }).principalOf = async ({ raw }) => {
    checked.push({ gone: () => raw.socket.destroyed });
    await gate;
    return ANONYMOUS;
  };
});
afterEach(() => {
  checked = [];
  gate = Promise.resolve();
});
afterAll(() => service.stop());

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 20_000; !holds();) {
    if (performance.now() > deadline) throw new Error('it does not come about');
    await new Promise((done) => setTimeout(done, 5));
  }
}

function message(method: string, params: JsonObject = {}): [headers: Record<string, string>, body: string] {
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
  };
  return [headers, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } })];
}

const LISTEN = { notifications: { resourceSubscriptions: ['execution://4711'] } };

/** Sends messages and leaves while their sender is being checked. */
async function leave(method: string, params: JsonObject): Promise<void> {
  let open!: () => void;
  gate = new Promise((done) => (open = done));
  const [headers, body] = message(method, params);
  const requests = Array.from({ length: MOST }, () => {
    const request = httpRequest(`${service.url}/mcp`, { method: 'POST', headers, agent: false }).on('error', () => undefined);
    request.end(body);
    return request;
  });
  await until(() => checked.length === MOST);
  for (const request of requests) request.destroy();
  await until(() => checked.every(({ gone }) => gone()));
  open();
}

const watched = (): number => (service.app.get(ChangeFeed, { strict: false }) as unknown as { watched: Map<string, unknown> }).watched.size;

async function list(): Promise<number> {
  const [headers, body] = message('tools/list');
  const response = await fetch(`${service.url}/mcp`, { method: 'POST', headers, body });
  await response.text();
  return response.status;
}

describe('clients that leave while their token is checked', () => {
  it.each([
    ['a list', 'tools/list', {}],
    ['a subscription', 'subscriptions/listen', LISTEN],
  ])('hold no place afterwards: %s', async (_name, method, params) => {
    await leave(method, params);
    expect(await list()).toBe(200);
    expect(watched()).toBe(0);
  });
});

it('clients that leave later give their place back as well', async () => {
  const [headers, body] = message('subscriptions/listen', LISTEN);
  const requests = Array.from({ length: MOST }, () => {
    const request = httpRequest(`${service.url}/mcp`, { method: 'POST', headers, agent: false });
    request.end(body);
    return request;
  });
  await Promise.all(requests.map((request) => once(request, 'response')));
  expect([await list(), watched()]).toEqual([503, 1]);
  for (const request of requests) request.on('error', () => undefined).destroy();
  await until(() => watched() === 0);
  expect(await list()).toBe(200);
});
