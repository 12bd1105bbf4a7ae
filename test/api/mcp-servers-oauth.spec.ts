import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type JsonObject } from '../../src/engine/values.js';
import { type SeenExecution } from '../support/http-client.js';
import { oneCall } from '../support/mcp-peers.js';
import { startTestService, type TestService } from '../support/service.js';
import { LocalIssuer } from '../support/token-issuer.js';

const TOOLS = [{ name: 'whoami', description: 'whoami', inputSchema: { type: 'object' } }];
let issuer: LocalIssuer;
let service: TestService;
/** Tokens that the server accepts; what others come with is 401. */
const accepted = new Set<string>();
const calls: { readonly authorization: string; readonly method: string; readonly status: number }[] = [];
const server = createServer((request, response) => {
  void request.toArray().then((chunks) => {
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const { id, method } = JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as { id?: number; method: string };
    const authorization = request.headers.authorization ?? '';
    const status = accepted.has(authorization.replace('Bearer ', '')) ? 200 : 401;
    calls.push({ authorization, method, status });
    if (status === 401) return void response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end();
    if (id === undefined) return void response.writeHead(202).end();
    const result = (value: JsonObject): void =>
      void response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...value } }));
    if (method === 'server/discover')
      return result({ supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' });
    if (method === 'tools/list') return result({ tools: TOOLS, ttlMs: 0, cacheScope: 'private' });
    return result({ content: [], structuredContent: { by: authorization } });
  });
});
const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;

beforeAll(async () => {
  issuer = await LocalIssuer.start();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  service = await startTestService({ OUTBOUND_ALLOW: '127.0.0.0/8' });
  issuer.tokenAnswer = () => {
    const access_token = `token-${issuer.tokenRequests.length}`;
    accepted.add(access_token);
    return { body: { access_token, token_type: 'Bearer', expires_in: 3_600 } };
  };
});
afterAll(async () => {
  await service.stop();
  server.closeAllConnections();
  server.close();
  await issuer.stop();
});

async function registered(name: string, data: JsonObject): Promise<void> {
  const login = { client_id: 'showrunner', client_secret: 'a secret:of ours', token_url: `${issuer.url}/token`, ...data };
  expect((await service.post('/credentials', { name: `${name}_login`, type: 'oauth2_client_credentials', data: login })).status).toBe(201);
  expect((await service.post('/mcp-servers', { name, url: url(), auth: `${name}_login` })).status).toBe(201);
  expect((await service.post(`/mcp-servers/${name}/import`)).json).toMatchObject({ tools: [{ name: 'whoami', outcome: 'imported' }] });
}
async function called(name: string): Promise<SeenExecution> {
  await service.register(oneCall(`tests/${name}`, { server: name, tool: 'whoami' }));
  return service.waitDone(await service.execute(`tests/${name}`));
}

it('logs in as a client of its authorization server, for this server alone, and once for many calls', async () => {
  await registered('posted', { scope: 'tools' });
  for (let count = 0; count < 3; count += 1)
    expect(await called('posted')).toMatchObject({ status: 'completed', result: { by: 'Bearer [REDACTED]' } });
  expect(issuer.tokenRequests).toEqual([
    {
      authorization: null,
      form: {
        grant_type: 'client_credentials',
        client_id: 'showrunner',
        client_secret: 'a secret:of ours',
        scope: 'tools',
        resource: url(),
      },
    },
  ]);
});

it('asks with HTTP Basic where that is wanted, and for another resource or an audience where the credential names one', async () => {
  await registered('basic', { token_endpoint_auth_method: 'client_secret_basic', audience: 'https://tools.example.com' });
  expect(issuer.tokenRequests.at(-1)).toEqual({
    authorization: `Basic ${Buffer.from('showrunner:a+secret%3Aof+ours').toString('base64')}`,
    form: { grant_type: 'client_credentials', audience: 'https://tools.example.com' },
  });
  await registered('named', { resource: 'https://tools.example.com/mcp' });
  expect(issuer.tokenRequests.at(-1)?.form).toMatchObject({ resource: 'https://tools.example.com/mcp' });
});

it('gets another token where the server does not accept the one it has any more, once, and says what is wrong then', async () => {
  await registered('renewed', {});
  const before = issuer.tokenRequests.length;
  accepted.clear();
  expect(await called('renewed')).toMatchObject({ status: 'completed' });
  expect(issuer.tokenRequests.length).toBe(before + 1);
  accepted.clear();
  issuer.tokenAnswer = () => ({ body: { access_token: 'never-accepted', token_type: 'Bearer' } });
  expect(await called('renewed')).toMatchObject({ status: 'failed', error_details: { code: 'http_error' } });
  expect(issuer.tokenRequests.length).toBe(before + 2);
  issuer.tokenAnswer = () => ({ status: 400, body: { error: 'invalid_client' } });
  const failed = await called('renewed');
  expect(failed).toMatchObject({ status: 'failed' });
  expect(JSON.stringify(failed)).not.toMatch(/a secret:of ours|never-accepted/);
});
