import { generateKeyPairSync } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, Socket } from 'node:net';
import { type JsonObject } from '../../src/engine/values.js';
import { BLOCKED_ADDRESSES, LITERAL_VECTORS } from '../../src/outbound/testing/ssrf-vectors.js';
import { type TestService } from '../support/service.js';

// T20: every vector through every kind of outbound call. Canaries listen on the port of the one allowed address, on every blocked address of this
// machine; besides, whatever this process connects to is written down, so that attempts at addresses of nobody here count as well.

interface Vector extends JsonObject {
  name: string;
  url: string;
  /** For calls that take a host and a port; null where the trick needs a URL. */
  host: string | null;
}

const ALLOWED = '127.0.0.2';
const PUBLIC = '93.184.215.14';
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'loopback.example': ['127.0.0.1'],
  'metadata.example': ['169.254.169.254'],
  'private.example': ['10.0.0.1'],
  'mixed.example': [PUBLIC, '127.0.0.1'],
  'mixed-first.example': ['127.0.0.1', PUBLIC],
  'mixed-six.example': [PUBLIC, '::1'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'nat64.example': ['64:ff9b::7f00:1'],
  'sixtofour.example': ['2002:7f00:1::'],
  'unspecified.example': ['0.0.0.0'],
  'six.example': ['::1'],
  'no-address.example': ['127.1'],
  'empty.example': [],
  localhost: ['127.0.0.1', '::1'],
  'localhost.': ['127.0.0.1', '::1'],
  LOCALHOST: ['127.0.0.1'],
  'sub.localhost': ['127.0.0.1'],
};

let service: TestService;
let allowed: Server;
const canaries: Server[] = [];
let canaryHits = 0;
let port = 0;
let ownPort = 0;
/** Requests and connections that reached the allowed address since the last kind. */
let arrived = 0;
/** Where this process connected to, but for its own database and the service's own port. */
const connected: string[] = [];
const lookups = new Map<string, number>();
const { connect } = Socket.prototype;
const dns = process.getBuiltinModule('node:dns/promises');
const { lookup } = dns;

const listen = (server: Server, host: string, at = 0): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject).listen(at, host, () => resolve((server.address() as AddressInfo).port));
  });

beforeAll(async () => {
  // What a resolver says is part of the vectors; a name that begins with "rebind" is somebody else from the second question on.
  Object.assign(dns, {
    lookup: (host: string, options: object) => {
      const known = host.startsWith('rebind') ? [asked(host) === 1 ? ALLOWED : '127.0.0.1'] : NAMES[host];
      if (known) return Promise.resolve(known.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
      return (lookup as (host: string, options: object) => Promise<unknown>)(host, options);
    },
  });
  allowed = createServer(answer);
  allowed.on('connection', () => (arrived += 1));
  port = await listen(allowed, ALLOWED);
  for (const host of ['127.0.0.1', '127.0.0.3', '::1']) {
    const canary = createTcpServer((socket) => {
      canaryHits += 1;
      socket.destroy();
    });
    await listen(canary, host, port);
    canaries.push(canary);
  }
  const { startTestService } = await import('../support/service.js'); // after the resolver was put in place
  service = await startTestService({ OUTBOUND_ALLOW: `${ALLOWED}:${port}` });
  ownPort = Number(new URL(service.databaseUrl).port);
  const own = new Set([`127.0.0.1:${ownPort}`, `::1:${ownPort}`, `127.0.0.1:${new URL(service.url).port}`]);
  Object.assign(Socket.prototype, {
    connect: function (this: Socket, ...given: unknown[]): Socket {
      this.on('connectionAttempt', (address: string, to: number) => {
        if (!own.has(`${address}:${to}`)) connected.push(`${address}:${to}`);
      });
      return (connect as (...args: unknown[]) => Socket).apply(this, given);
    },
  });
});
afterAll(async () => {
  Object.assign(Socket.prototype, { connect });
  Object.assign(dns, { lookup });
  await service?.stop();
  for (const server of [allowed, ...canaries]) server?.close();
});

function asked(host: string): number {
  const count = (lookups.get(host) ?? 0) + 1;
  lookups.set(host, count);
  return count;
}

/** The allowed server: a token, a secret of nobody, or a redirect to where the path says. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, status, target] = /^\/to\/(\d+)\/(.+)$/.exec(request.url ?? '') ?? [];
  if (target !== undefined) response.writeHead(Number(status), { location: decodeURIComponent(target) }).end();
  else
    response
      .setHeader('content-type', 'application/json')
      .end(request.url === '/rows' ? '[{"a":1}]' : '{"access_token":"token","expires_in":3600}');
}

/** `http://host:port/` for a host as it would stand in a URL, and without brackets for what takes hosts. */
const at = (name: string, host: string, where = port): Vector => ({
  name,
  url: `http://${host}:${where}/`,
  host: host.replace(/^\[(.*)\]$/, '$1'),
});

function vectors(kind: string): Vector[] {
  const literals = LITERAL_VECTORS.map(([endpoint]): Vector => {
    const host = /^https?:\/\/([^/:?#\\@]+|\[[^\]]+\])\/$/i.exec(endpoint)?.[1];
    return host === undefined ? { name: endpoint, url: endpoint, host: null } : at(endpoint, host);
  });
  const addresses = BLOCKED_ADDRESSES.map((address) => at(address, address.includes(':') ? `[${address}]` : address));
  const names = Object.keys(NAMES).map((name) => at(name, name));
  const unknown = at('a name without addresses', 'nobody.invalid');
  const ownDatabase = at('the own database', '127.0.0.1', ownPort);
  const targets = ['127.0.0.1', '[::1]', '169.254.169.254', 'loopback.example', 'mixed.example', '[::ffff:7f00:1]'];
  const redirects = [301, 302, 303, 307, 308].flatMap((status) =>
    targets.map((host): Vector => {
      const target = `http://${host}:${port}/`;
      return { name: `${status} to ${target}`, url: `http://${ALLOWED}:${port}/to/${status}/${encodeURIComponent(target)}`, host: null };
    }),
  );
  const tricks = [
    `http://user@127.0.0.1:${port}/`,
    `http://${ALLOWED}:${port}@127.0.0.1:${port}/`,
    `http://${ALLOWED}%2f@127.0.0.1:${port}/`,
    `ftp://127.0.0.1:${port}/`,
    `file:///etc/passwd`,
    `gopher://127.0.0.1:${port}/`,
    `unix:///var/run/docker.sock`,
    `//127.0.0.1:${port}/`,
  ].map((url): Vector => ({ name: url, url, host: null }));
  const rebound = at('a name that is allowed no longer', `rebind-${kind}.example`);
  return [rebound, ...literals, ...addresses, ...names, unknown, ownDatabase, ...redirects, ...tricks, { ...rebound, name: 'rebound' }];
}

const URL_OF = '{{ v.url }}';
const DATABASE = { db_host: '{{ v.host }}', db_port: '{{ v.port }}', db_user: 'u', db_password: 'p', db_name: 'd', sslmode: 'disable' };
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const secrets = (provider: string, inline: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'secrets',
  provider,
  name: 'n',
  version: '1',
  ...more,
  auth: { type: provider === 'gcp' ? 'google_service_account' : provider, inline },
});
const azure = { tenant_id: 't', client_id: 'c', client_secret: 'azure-secret' };
const allowedUrl = (): string => `http://${ALLOWED}:${port}`;

/** One task of each kind that connects somewhere; all but the first group take a host and a port. */
const KINDS: readonly [kind: string, takes: 'url' | 'host', task: () => JsonObject][] = [
  ['http-step', 'url', () => ({ type: 'http', endpoint: URL_OF })],
  ['http-post', 'url', () => ({ type: 'http', endpoint: URL_OF, method: 'POST', payload: { a: 1 } })],
  ['http-save', 'url', () => ({ type: 'save', storage: 'http', endpoint: URL_OF, data: { a: 1 } })],
  ['script', 'url', () => ({ type: 'python', script: { uri: URL_OF, source: { type: 'http' } } })],
  [
    'transfer-http',
    'url',
    () => ({ type: 'transfer', source: { type: 'http', url: URL_OF }, target: { type: 'postgres', table: 't', ...publicDatabase() } }),
  ],
  ['vault', 'url', () => secrets('vault', { address: URL_OF, token: 'vault-token' })],
  ['aws', 'url', () => secrets('aws', { endpoint: URL_OF, access_key_id: 'a', secret_access_key: 'aws-secret', region: 'r' })],
  ['azure-vault', 'url', () => secrets('azure', { ...azure, vault_url: URL_OF, authority: allowedUrl() })],
  ['azure-login', 'url', () => secrets('azure', { ...azure, vault_url: allowedUrl(), authority: URL_OF })],
  ['gcp', 'url', () => secrets('gcp', { client_email: 'e', private_key: key, token_uri: allowedUrl(), endpoint: URL_OF, project_id: 'p' })],
  [
    'gcp-login',
    'url',
    () => secrets('gcp', { client_email: 'e', private_key: key, token_uri: URL_OF, endpoint: allowedUrl(), project_id: 'p' }),
  ],
  [
    'oauth',
    'url',
    () => ({
      type: 'http',
      endpoint: allowedUrl(),
      auth: { type: 'oauth2_client_credentials', inline: { client_id: 'c', client_secret: 'oauth-secret', token_url: URL_OF } },
    }),
  ],
  ['postgres-step', 'host', () => ({ type: 'postgres', command: 'SELECT 1', ...DATABASE })],
  [
    'postgres-text',
    'host',
    () => ({ type: 'postgres', command: 'SELECT 1', connection: 'host={{ v.host }} port={{ v.port }} user=u sslmode=disable' }),
  ],
  ['postgres-save', 'host', () => ({ type: 'save', storage: 'postgres', table: 't', data: { a: 1 }, spec: DATABASE })],
  [
    'transfer-from',
    'host',
    () => ({
      type: 'transfer',
      source: { type: 'postgres', query: 'SELECT 1 AS a', ...DATABASE },
      target: { type: 'postgres', table: 't', ...DATABASE },
    }),
  ],
  [
    'transfer-into',
    'host',
    () => ({
      type: 'transfer',
      source: { type: 'http', url: `${allowedUrl()}/rows` },
      target: { type: 'postgres', table: 't', ...DATABASE },
    }),
  ],
];
const publicDatabase = (): JsonObject => ({ ...DATABASE, db_host: ALLOWED, db_port: port });

/** Why nothing was sent, in the words of each kind. */
const REFUSED =
  /not allowed|not an? (?:http|URL)|no http address|holds a user name|leads to another origin|could not be (?:resolved|asked)|neither a name nor/;
/** Who got a token once does not ask again. */
const KEEPS_TOKENS: ReadonlySet<string> = new Set(['azure-login', 'gcp-login', 'oauth']);

/** What each item failed with, by the index of its vector. */
async function failures(kind: string, task: JsonObject, collection: readonly Vector[]): Promise<ReadonlyMap<number, string>> {
  const items = collection.map((vector) => ({ ...vector, port: Number(/:(\d+)\/$/.exec(vector.url)?.[1] ?? port) }));
  const path = `ssrf/${kind}`;
  const workflow = [
    {
      step: 'start',
      type: 'iterator',
      collection: '{{ workload.items }}',
      element: 'v',
      mode: 'async',
      on_error: 'continue',
      task,
      next: 'end',
    },
    { step: 'end', result: '{{ start.errors }}' },
  ];
  await service.register(JSON.stringify({ apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: kind, path }, workflow }));
  const done = await service.waitDone(await service.execute(path, { parameters: { items } }), 120);
  expect(done).toMatchObject({ status: 'completed' });
  const errors = (done as unknown as { result: readonly { index: number; message: string }[] }).result;
  return new Map(errors.map(({ index, message }) => [index, message]));
}

it.each(KINDS)('%s reaches nothing but what is allowed', async (kind, takes, task) => {
  const all = vectors(kind).filter(({ host }) => takes === 'url' || host !== null);
  expect(all.length).toBeGreaterThanOrEqual(takes === 'url' ? 170 : 120);
  connected.length = 0;
  arrived = 0;
  const messages = await failures(kind, task(), all);
  expect(canaryHits).toBe(0);
  expect([...new Set(connected)].filter((target) => target !== `${ALLOWED}:${port}`)).toEqual([]);
  // The way is open to the one address that is allowed, so the rest was refused for what it is.
  expect(arrived).toBeGreaterThan(0);
  expect(messages.get(0) ?? '').not.toMatch(/not allowed/);
  const refused = all.map(({ name }, index) => [name, messages.get(index) ?? 'no failure'] as const).slice(1);
  expect(refused.filter(([name, message]) => !REFUSED.test(message) && !(name === 'rebound' && KEEPS_TOKENS.has(kind)))).toEqual([]);
});
