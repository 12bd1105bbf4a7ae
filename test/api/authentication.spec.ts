import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as httpRequest } from 'node:http';
import { type AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { RouteTable } from '../../src/common/route-table.js';
import { SCOPES } from '../../src/common/principal.js';
import { type JsonObject } from '../../src/engine/values.js';
import { Scratch } from '../support/mcp-peers.js';
import { startTestService, type TestService } from '../support/service.js';
import { LocalIssuer } from '../support/token-issuer.js';

const PUBLIC = 'https://showrunner.example.com';
const WELL_KNOWN = '/.well-known/oauth-protected-resource';
const ALL = SCOPES.join(' ');
const scratch = new Scratch();
let issuer: LocalIssuer;
let entra: LocalIssuer;
let service: TestService;

beforeAll(async () => {
  issuer = await LocalIssuer.start();
  entra = await LocalIssuer.start();
  const issuers = [
    { issuer: issuer.url, tenant_claim: 'org' },
    {
      issuer: entra.url,
      jwks_url: `${entra.url}/keys`,
      tenant: 'acme',
      audiences: ['api://showrunner'],
      algorithms: ['RS256', 'EdDSA'],
      token_types: ['at+jwt'],
      scope_claim: 'roles',
    },
  ];
  service = await startTestService({
    AUTH_ISSUERS_FILE: scratch.write('issuers.json', JSON.stringify({ issuers })),
    PUBLIC_URL: PUBLIC,
    OUTBOUND_ALLOW: '127.0.0.0/8',
    MAX_STREAMS_PER_TENANT: '2',
  });
});
afterAll(async () => {
  await service.stop();
  await Promise.all([issuer.stop(), entra.stop()]);
  scratch.remove();
});

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
/** Headers of a token for the REST API. */
const rest = async (claims: JsonObject = {}): Promise<Record<string, string>> =>
  bearer(await issuer.token({ aud: PUBLIC, scope: ALL, ...claims }));

async function ask(path: string, headers: Record<string, string> = {}): Promise<{ status: number; challenge: string; json: JsonObject }> {
  const response = await fetch(service.url + path, { headers });
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate') ?? '',
    json: (await response.json()) as JsonObject,
  };
}

/** A call to the MCP endpoint, with whatever headers, which `fetch` would not all send. */
async function mcp(
  headers: Record<string, string>,
  method = 'tools/list',
  params: JsonObject = {},
  path = '/mcp',
): Promise<{ status: number; challenge: string; text: string }> {
  const name = params.name ?? params.taskId;
  const asked = httpRequest({
    port: new URL(service.url).port,
    host: '127.0.0.1',
    path,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
      ...headers,
    },
  });
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } },
  };
  asked.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }));
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const text = Buffer.concat(await response.toArray()).toString('utf8');
  return { status: response.statusCode!, challenge: response.headers['www-authenticate'] ?? '', text };
}

const mcpToken = (claims: JsonObject = {}): Promise<string> =>
  issuer.token({ aud: `${PUBLIC}/mcp`, scope: 'catalog:read executions:start executions:read executions:control', ...claims });

describe('who is asked', () => {
  it('tells clients where tokens come from (RFC 9728), for the service, the MCP endpoint and each toolset', async () => {
    const common = { authorization_servers: [issuer.url, entra.url], bearer_methods_supported: ['header'], resource_name: 'Showrunner' };
    expect(await ask(WELL_KNOWN)).toMatchObject({ status: 200, json: { ...common, resource: PUBLIC, scopes_supported: SCOPES } });
    const scopes_supported = ['catalog:read', 'executions:start', 'executions:read', 'executions:control'];
    expect(await ask(`${WELL_KNOWN}/mcp`)).toMatchObject({ status: 200, json: { ...common, resource: `${PUBLIC}/mcp`, scopes_supported } });
    expect(await ask(`${WELL_KNOWN}/mcp/billing`)).toMatchObject({ status: 200, json: { resource: `${PUBLIC}/mcp/billing` } });
    expect(await ask(`${WELL_KNOWN}/mcp/No.Set`)).toMatchObject({ status: 404 });
    expect(await ask(`${WELL_KNOWN}/other`)).toMatchObject({ status: 404 });
  });

  it('every route but those that are open to everybody takes a token, and says so', async () => {
    const open = new Set(['/openapi.json', '/docs', '/docs/:file', '/health', '/health/live', '/health/ready']);
    const routes = service.app
      .get(RouteTable, { strict: false })
      .list()
      .map((route) => route.split(' ') as [string, string])
      .filter(
        ([method, url]) => !['HEAD', 'OPTIONS', 'TRACE', 'CONNECT'].includes(method) && !open.has(url) && !url.startsWith(WELL_KNOWN),
      );
    expect(routes.length).toBeGreaterThan(60);
    const refused = await Promise.all(
      routes.map(async ([method, url]) => {
        const response = await fetch(service.url + url.replaceAll(/:\w+/g, '1'), { method, headers: bearer('a.b.c') });
        return [method, url, response.status, (response.headers.get('www-authenticate') ?? '').split(' ')[0]];
      }),
    );
    const known = new Set(['GET', 'POST', 'PUT', 'DELETE', 'PATCH']);
    expect(refused.filter(([method, , status, scheme]) => known.has(String(method)) && (status !== 401 || scheme !== 'Bearer'))).toEqual(
      [],
    );
    for (const path of ['/openapi.json', '/health/live', '/health/ready']) expect((await ask(path, bearer('broken'))).status).toBe(200);
  });

  it('a request without a token is told which one it takes', async () => {
    const { status, challenge, json } = await ask('/executions');
    expect([status, json.code]).toEqual([401, 'unauthorized']);
    expect(challenge).toBe(`Bearer resource_metadata="${PUBLIC}${WELL_KNOWN}", scope="executions:read"`);
    const scope = 'catalog:read executions:start executions:read executions:control';
    expect(await mcp({})).toMatchObject({
      status: 401,
      challenge: `Bearer resource_metadata="${PUBLIC}${WELL_KNOWN}/mcp", scope="${scope}"`,
    });
    expect((await mcp({}, 'tools/list', {}, '/mcp/billing')).challenge).toContain(`resource_metadata="${PUBLIC}${WELL_KNOWN}/mcp/billing"`);
    expect((await mcp({}, 'tools/list', {}, '/mcp/a%22b')).challenge).toContain(`resource_metadata="${PUBLIC}${WELL_KNOWN}/mcp"`);
  });
});

describe('tokens', () => {
  it('say who the caller is, whose tenant and what is allowed', async () => {
    const mine = await rest();
    const document = JSON.stringify({
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: 'mine', path: 'auth/mine' },
      workflow: [{ step: 'start', next: 'end' }, { step: 'end' }],
    });
    expect((await service.post('/catalog/register', { content: document }, mine)).status).toBe(201);
    expect((await ask('/catalog/versions?path=auth/mine', mine)).status).toBe(200);
    // Another tenant's caller does not see it, whatever may be done.
    expect((await ask('/catalog/versions?path=auth/mine', await rest({ org: 'other' }))).status).toBe(404);
    expect((await ask('/catalog/versions?path=auth/mine', await rest({ scope: null, scp: ['catalog:read'] }))).status).toBe(200);
    const { status, challenge, json } = await ask(
      '/catalog/versions?path=auth/mine',
      await rest({ scope: 'executions:read no_such_scope' }),
    );
    expect([status, json.code]).toEqual([403, 'forbidden']);
    expect(challenge).toContain('error="insufficient_scope"');
    expect(challenge).toContain('scope="catalog:read"');
    // The audience may be a list, and an origin may end in a slash.
    expect((await ask('/executions', await rest({ aud: ['https://elsewhere.example.com', `${PUBLIC}/`] }))).status).toBe(200);
  });

  it('that let register do not let move tags with it', async () => {
    const text = (version: string): string =>
      JSON.stringify({
        apiVersion: 'noetl.io/v1',
        kind: 'Playbook',
        metadata: { name: 'tagged', path: 'auth/tagged', version },
        workflow: [{ step: 'start', next: 'end' }, { step: 'end' }],
      });
    const author = await rest({ scope: 'catalog:register catalog:read' });
    const both = await rest({ scope: 'catalog:register catalog:edit' });
    const refused = async (version: string): Promise<void> => {
      const response = await service.post('/catalog/register', { content: text(version), tags: ['prod'] }, author);
      expect([response.status, response.json]).toMatchObject([
        403,
        { code: 'forbidden', detail: expect.stringContaining('catalog:edit') as string },
      ]);
      expect(response.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
      expect(response.headers.get('www-authenticate')).toContain('scope="catalog:register catalog:edit"');
    };
    const state = async (): Promise<JsonObject> => (await ask('/catalog/versions?path=auth/tagged', author)).json;
    await refused('1.0.0');
    expect(await state()).toMatchObject({ code: 'unknown_playbook' });
    expect((await service.post('/catalog/register', { content: text('1.0.0'), tags: ['prod'] }, both)).status).toBe(201);
    expect((await service.post('/catalog/register', { content: text('2.0.0') }, author)).status).toBe(201);
    await refused('2.0.0'); // which is there
    await refused('3.0.0'); // which is not
    const { tags, versions } = await state();
    expect([tags, (versions as JsonObject[]).map(({ version }) => version).sort()]).toEqual([{ prod: '1.0.0' }, ['1.0.0', '2.0.0']]);
  });

  it('of one tenant do not take the event streams of another', async () => {
    const waiting = JSON.stringify({
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: 'followed', path: 'auth/followed' },
      workflow: [{ step: 'start', type: 'wait_for', signal: 'go', next: 'end' }, { step: 'end' }],
    });
    const following = async (
      org: string,
    ): Promise<() => Promise<{ status: number; after: string | null; json: unknown; close: () => void }>> => {
      const headers = await rest({ org });
      expect((await service.post('/catalog/register', { content: waiting }, headers)).status).toBe(201);
      const { json } = await service.post('/execute', { path: 'auth/followed' }, headers);
      return async () => {
        const leaving = new AbortController();
        const url = `${service.url}/executions/${String(json.execution_id)}/events`;
        const response = await fetch(url, { headers: { ...headers, accept: 'text/event-stream' }, signal: leaving.signal });
        const { status } = response;
        const problem: unknown = status === 200 ? null : await response.json();
        return { status, after: response.headers.get('retry-after'), json: problem, close: () => leaving.abort() };
      };
    };
    const [one, other] = [await following('one'), await following('other')];
    const open = [await one(), await one()];
    expect(open.map(({ status }) => status)).toEqual([200, 200]);
    expect(await one()).toMatchObject({ status: 429, after: '1', json: { status: 429, code: 'too_many_requests' } });
    open.push(await other());
    expect(open.at(-1)!.status).toBe(200);
    open[0]!.close();
    let again = await one();
    for (const deadline = Date.now() + 20_000; again.status === 429 && Date.now() < deadline; again = await one()) await setTimeout(20);
    expect(again.status).toBe(200);
    for (const { close } of [...open, again]) close();
  });

  it('has scopes of its own, by which approvers are chosen', async () => {
    const starter = await rest({ sub: 'starter', org: 'approving' });
    const approvers = { scopes: ['finance:approve'] };
    const document = JSON.stringify({
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: 'pay', path: 'auth/pay' },
      workflow: [{ step: 'start', type: 'approval', title: 'Pay?', approvers, next: 'end' }, { step: 'end' }],
    });
    expect((await service.post('/catalog/register', { content: document }, starter)).status).toBe(201);
    expect((await service.post('/execute', { path: 'auth/pay' }, starter)).status).toBe(202);

    const person = (sub: string, words: string): Promise<Record<string, string>> =>
      rest({ sub, org: 'approving', scope: `approvals:read approvals:decide ${words}` });
    const [clerk, officer] = [await person('clerk', 'finance:read \u0000'), await person('officer', 'finance:approve')];
    const mine = async (headers: Record<string, string>): Promise<{ id: string }[]> =>
      (await ask('/approvals?mine=true', headers)).json as unknown as { id: string }[];
    let waiting: { id: string }[] = [];
    for (let tries = 0; waiting.length === 0 && tries < 100; tries++) {
      await setTimeout(50);
      waiting = await mine(officer);
    }
    expect(waiting).toHaveLength(1);
    expect(await mine(clerk)).toEqual([]);
    const decide = (headers: Record<string, string>) => service.post(`/approvals/${waiting[0]?.id}`, { decision: 'approve' }, headers);
    expect(await decide(clerk)).toMatchObject({ status: 403, json: { code: 'approval_not_allowed' } });
    expect(await decide(officer)).toMatchObject({ status: 200, json: { state: 'approved', decisions: [{ by: `${issuer.url}#officer` }] } });
  });

  it('of an issuer with its own names, algorithms and claims', async () => {
    await entra.rotate('rsa', 'RS256', 'only');
    const token = (claims: JsonObject, header = {}): Promise<string> =>
      entra.token({ aud: 'api://showrunner', roles: ['executions:read'], ...claims }, header);
    expect((await ask('/executions', bearer(await token({})))).status).toBe(200);
    expect((await ask('/executions', bearer(await token({ roles: null, scope: 'executions:read' })))).status).toBe(403);
    expect((await ask('/executions', bearer(await token({}, { typ: 'JWT' })))).status).toBe(401);
    // What one issuer may call us is nothing to another.
    expect((await ask('/executions', await rest({ aud: 'api://showrunner' }))).status).toBe(401);
  });

  it.each<[string, JsonObject, JsonObject, RegExp]>([
    ['for somebody else', { aud: 'https://elsewhere.example.com' }, {}, /another audience/],
    ['for a part of us', { aud: `${PUBLIC}/mcp` }, {}, /another audience/],
    ['for an address that only begins as ours', { aud: `${PUBLIC}.evil.example` }, {}, /another audience/],
    ['for nobody', { aud: null }, {}, /aud/],
    ['that has expired', { exp: 1_000 }, {}, /expired/],
    ['that never expires', { exp: null }, {}, /exp/],
    ['that is not valid yet', { nbf: 4_000_000_000 }, {}, /not valid yet/],
    ['of another issuer', { iss: 'https://evil.example' }, {}, /issuer/],
    ['without a subject', { sub: null }, {}, /sub/],
    ['without a tenant', { org: null }, {}, /tenant/],
    ['with a tenant that is no name', { org: 'a/../b' }, {}, /tenant/],
    ['of another type', {}, { typ: 'logout+jwt' }, /type/],
    ['with an unknown extension that it calls critical', {}, { crit: ['x'], x: 1 }, /not valid/],
    ['of a key that nobody knows', {}, { kid: '../../etc/passwd' }, /not valid/],
  ])('%s is refused', async (_name, claims, header, why) => {
    const { status, challenge, json } = await ask(
      '/executions',
      bearer(await issuer.token({ aud: PUBLIC, scope: ALL, ...claims }, header)),
    );
    expect([status, json.code]).toEqual([401, 'unauthorized']);
    expect(challenge).toMatch(/^Bearer error="invalid_token", error_description="/);
    expect(String(json.detail)).toMatch(why);
  });

  it('that were forged are refused: no signature, one made with what is public, keys and addresses of the token’s own', async () => {
    const [header, payload, signature] = (await issuer.token({ aud: PUBLIC, scope: ALL })).split('.') as [string, string, string];
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const jwk = await issuer.publicJwk;
    const hmac = (text: string): string => createHmac('sha256', JSON.stringify(jwk)).update(text).digest('base64url');
    const shared = part({ alg: 'HS256', kid: 'first', typ: 'at+jwt' });
    const stranger = await LocalIssuer.start();
    try {
      const own = { iss: issuer.url, aud: PUBLIC, scope: ALL };
      const forged = [
        `${part({ alg: 'none' })}.${payload}.`,
        `${part({ alg: 'none' })}.${payload}.${signature}`,
        `${shared}.${payload}.${hmac(`${shared}.${payload}`)}`,
        `${header}.${part({ ...own, sub: 'root', exp: 4_000_000_000, org: 'default' })}.${signature}`,
        `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
        await stranger.token(own),
        await stranger.token(own, { jwk: await stranger.publicJwk } as never),
        await stranger.token(own, { jku: `${stranger.url}/keys` } as never),
        await stranger.token(own, { x5u: `${stranger.url}/keys`, kid: `${stranger.url}/keys` } as never),
        `${header}.${payload}`,
        '',
      ];
      for (const token of forged) expect((await ask('/executions', bearer(token))).status).toBe(401);
      expect(stranger.asked).toEqual([]);
    } finally {
      await stranger.stop();
    }
    // Nothing stands in for a header that is missing or broken.
    const good = `${header}.${payload}.${signature}`;
    for (const other of [`Basic ${btoa('a:b')}`, good, `Token ${good}`, `Bearer ${good} ${good}`])
      expect((await ask('/executions', { authorization: other })).status).toBe(401);
    expect((await ask(`/executions?access_token=${good}`)).status).toBe(401);
    expect((await ask('/executions', bearer(good))).status).toBe(200);
  });

  it('of a new key count at once, invented keys make nobody ask again and again, and known ones count while the issuer is away', async () => {
    const token = (header = {}, claims: JsonObject = {}): Promise<string> =>
      entra.token({ aud: 'api://showrunner', roles: ['executions:read'], ...claims }, header);
    const status = async (text: string): Promise<number> => (await ask('/executions', bearer(text))).status;
    expect(await status(await token())).toBe(200);
    await entra.rotate('second', 'EdDSA');
    expect(await status(await token())).toBe(200);
    const asked = entra.asked.length;
    for (let count = 0; count < 20; count += 1) expect(await status(await token({ kid: `invented-${count}` }))).toBe(401);
    expect(entra.asked.length).toBe(asked);
    entra.down = true;
    expect(await status(await token({}, { jti: 'while-away' }))).toBe(200);
    entra.down = false;
  });

  it('of an issuer that never gave its keys are answered with 503', async () => {
    const away = await LocalIssuer.start();
    away.down = true;
    const issuers = [{ issuer: away.url, tenant: 'default' }];
    const other = await startTestService(
      { AUTH_ISSUERS_FILE: scratch.write('away.json', JSON.stringify({ issuers })), PUBLIC_URL: PUBLIC },
      service,
    );
    try {
      const response = await fetch(`${other.url}/executions`, { headers: bearer(await away.token({ aud: PUBLIC })) });
      expect([response.status, ((await response.json()) as JsonObject).code]).toEqual([503, 'issuer_unavailable']);
      expect((await fetch(`${other.url}/health/ready`)).status).toBe(200);
    } finally {
      await other.stop();
      await away.stop();
    }
  });
});

describe('the MCP endpoint (T26)', () => {
  it('host and origin count with a token as well as without', async () => {
    const good = bearer(await mcpToken());
    const host = 'showrunner.example.com';
    for (const [headers, status] of [
      [{ host: 'localhost' }, 200],
      [{ host }, 200],
      [{ host, origin: 'http://localhost:6274' }, 200],
      [{ host: `${host}.evil.example` }, 403],
      [{ host: 'evil.example' }, 403],
      [{ host, origin: 'https://evil.example' }, 403],
      [{ host, origin: 'null' }, 403],
      [{ host, origin: PUBLIC }, 403],
      [{ host: '127.0.0.1.evil.example', origin: 'http://localhost' }, 403],
    ] as const) {
      expect([headers, (await mcp({ ...good, ...headers })).status]).toEqual([headers, status]);
      expect([headers, (await mcp(headers)).status]).toEqual([headers, 401]);
    }
  });

  it.each([
    [`${PUBLIC}/mcp`, 200, 200],
    [`${PUBLIC}/mcp/billing`, 401, 200],
    [`${PUBLIC}/mcp/other`, 401, 401],
    [PUBLIC, 401, 401],
    [`${PUBLIC}/`, 401, 401],
    [`${PUBLIC}/mcp/`, 401, 401],
    ['https://showrunner.example.com.evil.example/mcp', 401, 401],
    ['http://showrunner.example.com/mcp', 401, 401],
    ['https://upstream.example.com/mcp', 401, 401],
  ])('a token for %s is answered %d at the endpoint, %d at a toolset', async (aud, whole, toolset) => {
    const good = bearer(await mcpToken({ aud }));
    expect((await mcp(good)).status).toBe(whole);
    expect((await mcp(good, 'tools/list', {}, '/mcp/billing')).status).toBe(toolset);
  });

  it('a call that its token does not allow is told which scopes to ask for', async () => {
    const poor = bearer(await mcpToken({ scope: 'catalog:read executions:read' }));
    expect((await mcp(poor)).status).toBe(200);
    for (const [method, params, needed] of [
      ['tools/call', { name: 'execute', arguments: { path: 'x' } }, 'executions:start'],
      ['tools/call', { name: 'auth_mine' }, 'executions:start'],
      ['tools/call', { name: 'execution_cancel', arguments: { execution_id: '1' } }, 'executions:control'],
      ['tasks/cancel', { taskId: 'x' }, 'executions:control'],
    ] as const) {
      const { status, challenge } = await mcp(poor, method, params);
      expect([status, challenge]).toEqual([
        403,
        `Bearer error="insufficient_scope", error_description="The scope ${needed} is needed.", resource_metadata="${PUBLIC}${WELL_KNOWN}/mcp", scope="catalog:read executions:read ${needed}"`,
      ]);
    }
    expect((await mcp(poor, 'tools/call', { name: 'execution_status', arguments: { execution_id: '1' } })).status).toBe(200);
    expect((await mcp(bearer(await mcpToken({ scope: 'executions:start' })))).status).toBe(403);
    const listen = { notifications: { resourceSubscriptions: ['execution://1'] } };
    expect((await mcp(bearer(await mcpToken({ scope: 'catalog:read' })), 'subscriptions/listen', listen)).status).toBe(403);
  });

  it('a call that waits for input belongs to the subject that made it, and a task to its tenant', async () => {
    const owner = await rest();
    const requests = {
      name: { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} } } },
    };
    const document = {
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: 'asks', path: 'auth/asks' },
      workflow: [{ step: 'start', type: 'input', timeout: '1h', requests, next: 'end' }, { step: 'end' }],
    };
    expect((await service.post('/catalog/register', { content: JSON.stringify(document) }, owner)).status).toBe(201);
    const call = { name: 'execute', arguments: { path: 'auth/asks' }, _meta: {} };
    const first = await mcp(bearer(await mcpToken()), 'tools/call', call);
    const { requestState: state, taskId } = answerOf(first.text).result as { requestState?: string; taskId?: string };
    const token = { alice: await mcpToken(), bob: await mcpToken({ sub: 'bob' }), stranger: await mcpToken({ org: 'other' }) };
    if (taskId !== undefined) {
      expect(answerOf((await mcp(bearer(token.stranger), 'tasks/get', { taskId })).text)).toMatchObject({ error: { code: -32602 } });
      expect(answerOf((await mcp(bearer(token.alice), 'tasks/get', { taskId })).text)).toMatchObject({
        result: { status: expect.any(String) as string },
      });
    }
    expect(state).toEqual(expect.any(String));
    const again = { ...call, requestState: state!, inputResponses: { name: { action: 'accept', content: {} } } };
    const refused = { error: { code: -32602, data: { reason: 'invalid_request_state' } } };
    expect(answerOf((await mcp(bearer(token.bob), 'tools/call', again)).text)).toMatchObject(refused);
    expect(answerOf((await mcp(bearer(token.stranger), 'tools/call', again)).text)).toMatchObject(refused);
    expect(answerOf((await mcp(bearer(token.alice), 'tools/call', again)).text)).toMatchObject({
      result: { _meta: { 'noetl/status': 'completed' } },
    });
  });

  it('a caller’s token never goes on to anybody, by whatever a playbook writes', async () => {
    const seen: string[] = [];
    const upstream = createServer((request, response) => {
      void request.toArray().then((chunks) => {
        seen.push(`${request.url} ${JSON.stringify(request.rawHeaders)} ${Buffer.concat(chunks as Buffer[]).toString('utf8')}`);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const { port } = upstream.address() as AddressInfo;
    try {
      const owner = await rest({ jti: 'owner' });
      const url = `http://127.0.0.1:${port}`;
      const document = {
        apiVersion: 'noetl.io/v1',
        kind: 'Playbook',
        metadata: { name: 'calls', path: 'auth/calls' },
        workflow: [
          {
            step: 'start',
            type: 'http',
            method: 'POST',
            endpoint: `${url}/http`,
            headers: { 'X-Echo': '{{ request.headers.authorization | default("none") }}{{ env | default("") }}' },
            payload: { workload: '{{ workload }}', context: '{{ execution_id }}' },
            next: 'end',
          },
          { step: 'end' },
        ],
      };
      expect((await service.post('/catalog/register', { content: JSON.stringify(document) }, owner)).status).toBe(201);
      expect((await service.post('/mcp-servers', { name: 'upstream', url: `${url}/mcp` }, owner)).status).toBe(201);
      await service.post('/mcp-servers/upstream/import', {}, owner);
      const token = await mcpToken({ jti: 'caller' });
      const called = await mcp(bearer(token), 'tools/call', { name: 'execute', arguments: { path: 'auth/calls' }, _meta: {} });
      expect(called.status).toBe(200);
      await service.post('/execute', { path: 'auth/calls' }, { ...owner, prefer: 'wait=20' });
      expect(seen.filter((line) => line.startsWith('/http')).length).toBe(2);
      expect(seen.some((line) => line.startsWith('/mcp'))).toBe(true);
      const ours = [token, owner.authorization!.slice(7)];
      expect(seen.filter((line) => ours.some((secret) => line.includes(secret) || line.includes(secret.split('.')[2]!)))).toEqual([]);
      expect(seen.filter((line) => /authorization/i.test(line))).toEqual([]);
    } finally {
      upstream.closeAllConnections();
      upstream.close();
    }
  });
});

function answerOf(text: string): JsonObject {
  const data = text.split('\n').filter((line) => line.startsWith('data: '));
  return JSON.parse(data.length > 0 ? data.at(-1)!.slice(6) : text) as JsonObject;
}
