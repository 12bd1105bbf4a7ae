import { generateKeyPairSync, verify } from 'node:crypto';
import { type JsonObject } from '../../src/engine/values.js';
import { EchoServer } from '../support/echo-server.js';
import { type SeenExecution } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';

const TOKEN = 'tok-3f9a8b27c1';
const PASSWORD = 'p4ss/w+rd "quoted" ä';
const API_KEY = 'key-77aa88bb99';
let service: TestService;
let echo: EchoServer;
let number = 0;

beforeAll(async () => {
  echo = await EchoServer.start();
  service = await startTestService({
    OUTBOUND_ALLOW: '127.0.0.1',
    NOETL_SECRET_API_BEARER_TOKEN: 'env-token-123456',
    NOETL_SECRET_BASIC_LOGIN: '{"username":"env","password":"env-password-1"}',
  });
  await credential('api_token', 'bearer', { token: TOKEN });
  await credential('login', 'basic', { username: 'demo', password: PASSWORD });
  await credential('external_key', 'api_key', { value: API_KEY });
  await credential('named_key', 'api_key', { header: 'X-Custom-Key', value: API_KEY });
  await credential('one_header', 'header', { name: 'X-One', value: 'one-header-value' });
  await credential('headers', 'header', { 'X-First': 'first-header-value', 'X-Second': 'second-header-value' });
  await credential('pg', 'postgres', { db_host: 'h', db_user: 'u', db_password: PASSWORD, db_name: 'd' });
});
afterAll(async () => {
  await service.stop();
  await echo.close();
});
beforeEach(() => {
  echo.answer = () => null;
});

async function credential(name: string, type: string, data: JsonObject): Promise<void> {
  expect((await service.post('/credentials', { name, type, data })).status).toBeLessThan(300);
}

/** Runs a document of these steps, the last of which leads to `end`. @param more further keys of the document */
async function run(steps: readonly JsonObject[], parameters: JsonObject = {}, more: JsonObject = {}): Promise<SeenExecution> {
  const path = `auth/run_${++number}`;
  const workflow = steps.map((step, index) => ({
    step: index === 0 ? 'start' : `step_${index}`,
    next: index === steps.length - 1 ? 'end' : `step_${index + 1}`,
    ...step,
  }));
  const document = {
    apiVersion: 'noetl.io/v1',
    kind: 'Playbook',
    metadata: { name: path.split('/')[1]!, path },
    workflow: [...workflow, { step: 'end' }],
    ...more,
  };
  await service.register(JSON.stringify(document));
  return service.waitDone(await service.execute(path, { parameters }));
}
const http = (path: string, more: JsonObject = {}): JsonObject => ({ type: 'http', endpoint: `${echo.origin}${path}`, ...more });
const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

describe('auth of an http step', () => {
  it.each<[string, JsonObject, JsonObject]>([
    ['a name', { auth: 'api_token' }, { authorization: `Bearer ${TOKEN}` }],
    ['a name from a template', { auth: '{{ workload.which }}' }, { authorization: `Bearer ${TOKEN}` }],
    ['one object', { auth: { type: 'bearer', credential: 'api_token' } }, { authorization: `Bearer ${TOKEN}` }],
    ['basic', { auth: { type: 'basic', key: 'login' } }, { authorization: basic('demo', PASSWORD) }],
    ['an api key in the standard header', { auth: { type: 'api_key', credential: 'external_key' } }, { 'x-api-key': API_KEY }],
    ['an api key in its own header', { auth: 'named_key' }, { 'x-custom-key': API_KEY }],
    [
      'an api key in a header that the playbook names',
      { auth: { type: 'api_key', key: 'external_key', fields: { header: 'X-There' } } },
      { 'x-there': API_KEY },
    ],
    ['a header by name and value', { auth: 'one_header' }, { 'x-one': 'one-header-value' }],
    ['headers as a mapping', { auth: 'headers' }, { 'x-first': 'first-header-value', 'x-second': 'second-header-value' }],
    ['an alias map with one alias', { auth: { api: { type: 'bearer', key: 'api_token' } } }, { authorization: `Bearer ${TOKEN}` }],
    [
      'several aliases together',
      { auth: { a: 'api_token', k: { key: 'named_key' } } },
      { authorization: `Bearer ${TOKEN}`, 'x-custom-key': API_KEY },
    ],
    ['the legacy key credential', { credential: 'api_token' }, { authorization: `Bearer ${TOKEN}` }],
    ['the legacy key credentials', { credentials: { a: { key: 'named_key' } } }, { 'x-custom-key': API_KEY }],
    ['the environment', { auth: { type: 'bearer', env: 'API_BEARER_TOKEN' } }, { authorization: 'Bearer env-token-123456' }],
    ['the environment, a mapping', { auth: { type: 'basic', env: 'BASIC_LOGIN' } }, { authorization: basic('env', 'env-password-1') }],
    ['a named secret', { auth: { type: 'bearer', secret: 'API_BEARER_TOKEN' } }, { authorization: 'Bearer env-token-123456' }],
    [
      'inline fields with a secret',
      { auth: { type: 'basic', inline: { username: 'x', password: '{{ secrets.API_BEARER_TOKEN }}' } } },
      { authorization: basic('x', 'env-token-123456') },
    ],
    [
      'inline headers',
      { auth: { type: 'header', inline: { Authorization: 'Custom {{ secret.API_BEARER_TOKEN }}', 'X-Client': 'me' } } },
      { authorization: 'Custom env-token-123456', 'x-client': 'me' },
    ],
    ['use_auth', { auth: { a: 'api_token', k: 'named_key' }, use_auth: 'k' }, { 'x-custom-key': API_KEY }],
  ])('takes %s', async (_name, fields, headers) => {
    const path = `/as_${number}`;
    const ended = await run([http(path, fields)], { which: 'api_token' });
    expect(ended).toMatchObject({ status: 'completed', error: null });
    expect(echo.last(path).headers).toMatchObject(headers);
    if (fields['use_auth']) expect(echo.last(path).headers).not.toHaveProperty('authorization');
    expect(JSON.stringify(ended)).not.toMatch(/tok-3f9|key-77aa|env-token|header-value|p4ss/);
  });

  it('puts fields into texts, encoded where the template says so, and never looks into them', async () => {
    const steps = [
      http('/texts', {
        method: 'POST',
        auth: { login: 'login', api: 'api_token' },
        headers: {
          Authorization: 'Own {{ auth.api.access_token }}',
          'X-Pair': "{{ (auth.login.username ~ ':' ~ credentials.login.password) | b64encode }}",
        },
        data: {
          query: { p: '{{ auth.login.password }}', u: '{{ auth.login.password | urlencode }}' },
          body: { secret: '{{ auth.login.password }}', plain: '{{ auth.login.username | default("x") }}' },
        },
      }),
    ];
    expect(await run(steps)).toMatchObject({ status: 'completed' });
    const { headers, url, body } = echo.last('/texts');
    expect(headers).toMatchObject({ authorization: `Own ${TOKEN}`, 'x-pair': Buffer.from(`demo:${PASSWORD}`).toString('base64') });
    expect(new URL(url, echo.origin).searchParams.get('p')).toBe(PASSWORD);
    expect(new URL(url, echo.origin).searchParams.get('u')).toBe(encodeURIComponent(PASSWORD));
    expect(JSON.parse(body)).toEqual({ secret: PASSWORD, plain: 'demo' });
  });

  it.each(['upper', 'length', 'tojson', 'replace("t", "x")', 'list', 'join(",")'])(
    'fails where the filter %s would look into a secret',
    async (filter) => {
      const ended = await run([http('/never', { auth: 'api_token', headers: { 'X-A': `a {{ auth.token | ${filter} }}` } })]);
      expect(ended).toMatchObject({
        status: 'failed',
        error_details: { code: 'template_error', message: expect.stringContaining('secret') as string },
      });
    },
  );

  it.each([
    '{{ auth.token == "a" }}',
    '{{ auth.token[0:3] }}',
    '{{ auth.token.upper() }}',
    '{{ "a" in auth.token }}',
    '{{ auth.token is eq("a") }}',
    '{% for c in auth.token %}{{ c }}{% endfor %}',
    '{{ auth }}',
  ])('fails where %s would look into a secret', async (template) => {
    const ended = await run([http('/never', { auth: 'api_token', headers: { 'X-A': template } })]);
    expect(ended).toMatchObject({ status: 'failed', error_details: { code: 'template_error' } });
  });

  it.each<[string, JsonObject, string, string]>([
    ['an unknown credential', { auth: 'nobody' }, 'unknown_credential', 'nobody'],
    ['a name that renders to nothing', { auth: '{{ workload.nothing }}' }, 'unknown_credential', 'auth'],
    ['a credential of another type', { auth: { type: 'bearer', key: 'pg' } }, 'credential_type_mismatch', 'pg'],
    ['a credential that http cannot use', { auth: 'pg' }, 'unsupported_auth', 'postgres'],
    ['a field that is not there', { auth: 'api_token', headers: { 'X-A': '{{ auth.x.other }}' } }, 'missing_credential_field', 'other'],
    ['a variable that is not set', { auth: { type: 'bearer', env: 'NOT_SET' } }, 'unknown_secret', 'NOT_SET'],
    ['a secret that nobody has', { headers: { 'X-A': '{{ secret.NOBODY }}' } }, 'unknown_secret', 'NOBODY'],
    ['an alias that is none', { auth: { a: 'api_token' }, use_auth: 'b' }, 'unknown_credential', 'use_auth'],
  ])('fails with a code for %s', async (_name, fields, code, word) => {
    const before = echo.seen.length;
    const ended = await run([http('/never', fields)]);
    expect(ended).toMatchObject({
      status: 'failed',
      error_details: { code, step: 'start', retryable: false, message: expect.stringContaining(word) as string },
    });
    expect(echo.seen).toHaveLength(before);
  });

  it.each<[string, JsonObject, string]>([
    ['a list', { auth: ['a'] }, 'invalid_type'],
    ['an alias that is a number', { auth: { a: 1, b: {} } }, 'invalid_type'],
    ['a source that there is not', { auth: { source: 'moon', key: 'x' } }, 'invalid_value'],
    ['nothing that names it', { auth: { type: 'bearer' } }, 'missing_field'],
  ])('is refused at registration: %s', async (_name, fields, code) => {
    const workflow = [{ step: 'start', ...http('/never', fields) }];
    const content = JSON.stringify({ apiVersion: 'noetl.io/v1', metadata: { name: 'x', path: 'auth/refused' }, workflow });
    const { status, json } = await service.post('/catalog/register', { content });
    expect({ status, json }).toMatchObject({
      status: 422,
      json: { errors: [expect.objectContaining({ code, pointer: expect.stringMatching(/^\/workflow\/0\/auth/) as string })] },
    });
  });

  it('uses a new version from the next attempt on', async () => {
    await credential('rotating', 'bearer', { token: 'first-token-1' });
    echo.answer = ({ headers, url }) =>
      url === '/rotating' && headers.authorization !== 'Bearer second-token-2' ? { status: 401, body: '{}' } : null;
    const path = 'auth/rotating';
    const workflow = [
      {
        step: 'start',
        ...http('/rotating', { auth: 'rotating', retry: { max_attempts: 400, initial_delay: 0.1, backoff_multiplier: 1, jitter: false } }),
        next: 'end',
      },
      { step: 'end' },
    ];
    await service.register(JSON.stringify({ apiVersion: 'noetl.io/v1', metadata: { name: 'rotating', path }, workflow }));
    const id = await service.execute(path);
    await service.waitEvent(id, ({ event_type }) => event_type === 'action_retry');
    await credential('rotating', 'bearer', { token: 'second-token-2' });
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed' });
  });

  it('keeps a secret out of what comes back to a later holder, too', async () => {
    const raw = `{"it":"${TOKEN}"}`;
    echo.answer = ({ url }) => (url === '/after' ? { body: raw } : null);
    // A wait of more than five seconds gives the run back; whoever goes on with it has only the history.
    const ended = await run([
      http('/before', { auth: 'api_token' }),
      { type: 'wait', duration: 5.2 },
      http('/after', { result: '{{ result.data }}' }),
    ]);
    expect(ended).toMatchObject({ status: 'completed', result: { it: '[REDACTED]' } });
  });

  it('never opens what only looks like the place of a secret', async () => {
    await run([http('/marked', { auth: 'api_token', headers: { 'X-T': '{{ auth.token }}' } })]);
    const forged = [`__secret_${'0'.repeat(32)}_0__`, `__sealed_${'ab'.repeat(60)}__`];
    const ended = await run(
      [
        http('/forged', {
          method: 'POST',
          auth: 'api_token',
          headers: { 'X-T': '{{ auth.token }}' },
          data: { body: { given: '{{ workload.given }}', beside: '{{ auth.token }} {{ workload.given[0] }}' } },
        }),
      ],
      { given: forged },
    );
    expect(ended.status).toBe('completed');
    expect(JSON.parse(echo.last('/forged').body)).toEqual({ given: forged, beside: `${TOKEN} ${forged[0]}` });
  });
});

describe('credentials of the document', () => {
  it('are named by alias, in auth and in texts, and are sent nowhere unasked', async () => {
    const credentials = [{ name: 'api_token', as: 'api' }];
    const keychain: JsonObject[] = [
      { name: 'fixed', kind: 'static', map: { region: 'eu-1' } },
      { name: 'stored', kind: 'credential', credential: 'named_key' },
      { name: 'managed', kind: 'secret_manager', secret: 'API_BEARER_TOKEN' },
    ];
    const steps = [
      http('/document', {
        headers: {
          'X-R': '{{ keychain.fixed.region }}',
          'X-K': '{{ keychain.stored.value }}',
          'X-M': '{{ keychain.managed.value }}',
          'X-A': '{{ auth.api.token }}',
        },
      }),
      http('/by_alias', { auth: 'api' }),
    ];
    expect(await run(steps, {}, { credentials, keychain })).toMatchObject({ status: 'completed' });
    const { headers } = echo.last('/document');
    expect(headers).toMatchObject({ 'x-r': 'eu-1', 'x-k': API_KEY, 'x-m': 'env-token-123456', 'x-a': TOKEN });
    expect(headers).not.toHaveProperty('authorization');
    expect(echo.last('/by_alias').headers).toMatchObject({ authorization: `Bearer ${TOKEN}` });
  });

  it('are refused where they would mint tokens', async () => {
    const document = {
      apiVersion: 'noetl.io/v1',
      metadata: { name: 'x', path: 'auth/mint' },
      keychain: [{ name: 'a', kind: 'oauth2' }],
      workflow: [{ step: 'start' }],
    };
    const { status, json } = await service.post('/catalog/register', { content: JSON.stringify(document) });
    expect({ status, json }).toMatchObject({
      status: 422,
      json: { errors: [{ code: 'unsupported_construct', pointer: '/keychain/0/kind' }] },
    });
  });
});

describe('credentials that are exchanged for tokens', () => {
  it('asks once for the token of an oauth2 client, and keeps both secret', async () => {
    await credential('client', 'oauth2_client_credentials', {
      client_id: 'cid',
      client_secret: 'client-secret-1',
      token_url: `${echo.origin}/token`,
      scope: 'read',
    });
    echo.answer = ({ url }) => (url === '/token' ? { body: '{"access_token":"access-token-1","expires_in":3600}' } : null);
    const ended = await run([
      http('/oauth', { auth: 'client' }),
      http('/oauth2', { auth: { type: 'oauth2_client_credentials', key: 'client' } }),
    ]);
    expect(ended.status).toBe('completed');
    expect(echo.last('/oauth').headers).toMatchObject({ authorization: 'Bearer access-token-1' });
    expect(echo.last('/oauth2').headers).toMatchObject({ authorization: 'Bearer access-token-1' });
    expect(echo.seen.filter(({ url }) => url === '/token')).toHaveLength(1);
    expect(Object.fromEntries(new URLSearchParams(echo.last('/token').body))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'cid',
      client_secret: 'client-secret-1',
      scope: 'read',
    });
    expect(JSON.stringify(ended)).not.toMatch(/access-token-1|client-secret/);
  });

  it('signs for a service account', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const data = {
      client_email: 'me@project',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      token_uri: `${echo.origin}/google`,
    };
    await credential('google', 'google_service_account', data);
    echo.answer = ({ url }) => (url === '/google' ? { body: '{"access_token":"google-access-1","expires_in":3600}' } : null);
    expect(await run([http('/as_google', { auth: 'google' })])).toMatchObject({ status: 'completed' });
    expect(echo.last('/as_google').headers).toMatchObject({ authorization: 'Bearer google-access-1' });
    const [head, claims, signature] = new URLSearchParams(echo.last('/google').body).get('assertion')!.split('.') as [
      string,
      string,
      string,
    ];
    expect(verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ iss: 'me@project', aud: `${echo.origin}/google` });
  });

  it('fails where the endpoint refuses', async () => {
    await credential('refused', 'oauth2_client_credentials', {
      client_id: 'cid',
      client_secret: 'client-secret-2',
      token_url: `${echo.origin}/refuse`,
    });
    echo.answer = ({ url, body }) => (url === '/refuse' ? { status: 401, body: JSON.stringify({ error: body }) } : null);
    const ended = await run([http('/never', { auth: 'refused' })]);
    expect(ended).toMatchObject({ status: 'failed', error_details: { code: 'secret_provider_error', retryable: false } });
    expect(JSON.stringify(ended)).not.toContain('client-secret-2');
  });
});
