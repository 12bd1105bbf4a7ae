import { type JsonObject } from '../../src/engine/values.js';
import { isSignedBy } from '../support/aws-signature.js';
import { EchoServer } from '../support/echo-server.js';
import { type SeenExecution } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

const SECRET = 'canary-5e1b0f93d2';
let service: TestService;
let echo: EchoServer;
let number = 0;

beforeAll(async () => {
  echo = await EchoServer.start();
  service = await startTestService({ OUTBOUND_ALLOW: '127.0.0.1', NOETL_SECRET_DEMO: SECRET, NOETL_SECRET_SHORT: 'abc' });
});
afterAll(async () => {
  await service.stop();
  await echo.close();
});
beforeEach(() => {
  echo.answer = () => null;
});

const credential = async (name: string, type: string, data: JsonObject): Promise<void> => {
  expect((await service.post('/credentials', { name, type, data })).status).toBeLessThan(300);
};
const register = async (steps: readonly JsonObject[]): Promise<string> => {
  const path = `secrets/run_${++number}`;
  const workflow = steps.map((step, index) => ({
    step: index === 0 ? 'start' : `step_${index}`,
    next: index === steps.length - 1 ? 'end' : `step_${index + 1}`,
    ...step,
  }));
  await service.register(
    JSON.stringify({
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: `run_${number}`, path },
      workflow: [...workflow, { step: 'end' }],
    }),
  );
  return path;
};
const run = async (...steps: readonly JsonObject[]): Promise<SeenExecution> =>
  service.waitDone(await service.execute(await register(steps)));
const use = (path: string, more: JsonObject = {}): JsonObject => ({
  type: 'http',
  endpoint: `${echo.origin}${path}`,
  headers: { 'X-Secret': '{{ start.secret_value }}', 'X-Encoded': "{{ ('a:' ~ start.secret_value) | b64encode }}" },
  ...more,
});
const stored = async (): Promise<string> => {
  const tables = ['execution', 'execution_payload', 'execution_event', 'execution_blob', 'execution_snapshot', 'credential'];
  const rows = await Promise.all(tables.map((table) => query(service.databaseUrl, `SELECT t::text FROM ${table} t`)));
  return JSON.stringify(rows);
};

describe('a secrets step', () => {
  it('gives a secret of the environment to later steps, and to nobody else', async () => {
    const ended = await run(
      { type: 'secrets', provider: 'env', name: 'DEMO', as: 'pw' },
      use('/env', { vars: { kept: '{{ start.pw }}' } }),
      use('/vars', { headers: { 'X-V': '{{ vars.kept }}' } }),
    );
    expect(ended.status).toBe('completed');
    expect(echo.last('/env').headers).toMatchObject({ 'x-secret': SECRET, 'x-encoded': Buffer.from(`a:${SECRET}`).toString('base64') });
    expect(echo.last('/vars').headers).toMatchObject({ 'x-v': SECRET });
    const events = await service.events(ended.id);
    expect(events.find(({ node_name, event_type }) => node_name === 'start' && event_type === 'step_completed')?.result).toEqual({
      secret_value: '[REDACTED]',
      pw: '[REDACTED]',
    });
    expect(JSON.stringify([ended, events])).not.toMatch(/canary|__sealed_|__secret_/);
    expect(await stored()).not.toContain('canary');
  });

  it('is opened for Python code, whose prints and results are redacted', async () => {
    const code =
      'def main(pw):\n    import base64\n    print("it is " + pw)\n    return {"length": len(pw), "echo": pw, "b64": base64.b64encode(("x" + pw).encode()).decode()}';
    const ended = await run(
      { type: 'secrets', provider: 'env', name: 'DEMO' },
      { type: 'python', data: { pw: '{{ start.secret_value }}' }, code },
    );
    expect(ended).toMatchObject({ status: 'completed', result: { length: SECRET.length, echo: '[REDACTED]' } });
    const events = await service.events(ended.id);
    expect(JSON.stringify(events)).toContain('it is [REDACTED]');
    const all = JSON.stringify([ended, events]) + (await stored());
    expect(all).not.toMatch(/canary/);
    expect(all).not.toContain(Buffer.from(`x${SECRET}`).toString('base64').slice(4, 16));
  });

  it.each<[string, string, JsonObject]>([
    ['what Python raises', 'python', { code: 'def main(pw):\n    raise ValueError("x" * 1990 + pw + "x" * 100)' }],
    ['what Python prints', 'python', { code: 'def main(pw):\n    print("x" * 65530 + pw)\n    return 1' }],
    ['an exit of Python', 'python', { code: 'import sys\ndef main(pw):\n    sys.exit("x" * 189 + pw + "x" * 100)' }],
    ['an error that Python returns', 'python', { code: 'def main(pw):\n    return {"status": "error", "error": "x" * 1990 + pw}' }],
    ['what JavaScript throws', 'javascript', { code: 'function main({ pw }) { throw new Error("x".repeat(1990) + pw + "x"); }' }],
    ['what JavaScript prints', 'javascript', { code: 'function main({ pw }) { console.log("x".repeat(65530) + pw); return 1; }' }],
  ])('leaves no part of itself where a text is cut: %s', async (_name, type, step) => {
    const data = { pw: '{{ start.secret_value }}' };
    const ended = await run({ type: 'secrets', provider: 'env', name: 'DEMO' }, { type, data, ...step });
    const all = JSON.stringify([ended, await service.events(ended.id)]) + (await stored());
    expect(all).toMatch(/x\[REDACTED\](…|\\n\[output cut)/);
    expect(all).not.toMatch(/xxc/);
  });

  it('fails a step that would look into it', async () => {
    const ended = await run(
      { type: 'secrets', provider: 'env', name: 'DEMO' },
      use('/never', { headers: { 'X-L': '{{ start.secret_value | length }}' } }),
    );
    expect(ended).toMatchObject({ status: 'failed', error_details: { code: 'template_error', step: 'step_1' } });
  });

  it('opens nothing that somebody made up', async () => {
    const forged = `__sealed_${'ab'.repeat(80)}__`;
    const steps = [{ type: 'secrets', provider: 'env', name: 'DEMO' }, use('/made_up', { data: { given: '{{ workload.given }}' } })];
    const id = await service.execute(await register(steps), { parameters: { given: forged } });
    expect(await service.waitDone(id)).toMatchObject({ status: 'completed' });
    expect(echo.last('/made_up').url).toBe(`/made_up?given=${forged}`);
    expect(echo.last('/made_up').headers).toMatchObject({ 'x-secret': SECRET });
  });

  it('gives a field of a stored credential', async () => {
    await credential('db', 'postgres', { db_host: 'h', db_user: 'u', db_password: 'stored-password-1', db_name: 'd' });
    await run({ type: 'secrets', provider: 'credential', name: 'db' }, use('/main'));
    expect(echo.last('/main').headers).toMatchObject({ 'x-secret': 'stored-password-1' });
    await run({ type: 'secrets', provider: 'credential', name: 'db#db_user' }, use('/field'));
    expect(echo.last('/field').headers).toMatchObject({ 'x-secret': 'u' });
  });

  it('fetches again in a retry', async () => {
    await credential('changing', 'bearer', { token: 'before-the-retry' });
    echo.answer = ({ headers }) => (headers['x-secret'] === 'after-the-change' ? null : { status: 500, body: '{}' });
    const failed = await run({ type: 'secrets', provider: 'credential', name: 'changing' }, use('/retried'));
    expect(failed.status).toBe('failed');
    await credential('changing', 'bearer', { token: 'after-the-change' });
    const { json } = await service.post(`/executions/${failed.id}/retry`);
    expect(await service.waitDone(String(json.id))).toMatchObject({ status: 'completed' });
  });

  it.each<[string, JsonObject, string]>([
    ['a variable that is not set', { provider: 'env', name: 'NOT_SET' }, 'unknown_secret'],
    ['a provider that there is not', { provider: 'drawer', name: 'x' }, 'invalid_value'],
    ['a credential that there is not', { provider: 'credential', name: 'nobody' }, 'unknown_credential'],
    ['a provider without a login', { provider: 'vault', name: 'x' }, 'unknown_credential'],
    ['a name that renders to nothing', { provider: 'env', name: '{{ workload.nothing }}' }, 'invalid_value'],
  ])('fails with a code for %s', async (_name, fields, code) => {
    expect(await run({ type: 'secrets', ...fields })).toMatchObject({
      status: 'failed',
      error_details: { code, step: 'start', step_type: 'secrets' },
    });
  });
});

describe('providers', () => {
  it('Vault: reads a key of a KV secret, in the version asked for', async () => {
    await credential('secrets_vault', 'vault', { address: `${echo.origin}/vault`, token: 'vault-login-token', namespace: 'team' });
    echo.answer = ({ url }) => {
      if (!url.startsWith('/vault')) return null;
      if (url.includes('missing')) return { status: 404, body: '{"errors":[]}' };
      return { body: JSON.stringify({ data: { data: { user: 'u', password: 'from-the-vault-1' }, metadata: { version: 3 } } }) };
    };
    await run({ type: 'secrets', provider: 'vault', name: 'team a/db#password', version: 3 }, use('/from_vault'));
    expect(echo.last('/from_vault').headers).toMatchObject({ 'x-secret': 'from-the-vault-1' });
    const asked = echo.seen.filter(({ url }) => url.startsWith('/vault'));
    expect(asked[0]).toMatchObject({
      method: 'GET',
      url: '/vault/v1/secret/data/team%20a/db?version=3',
      headers: { 'x-vault-token': 'vault-login-token', 'x-vault-namespace': 'team' },
    });
    const missing = await run({ type: 'secrets', provider: 'vault', name: 'missing' });
    expect(missing).toMatchObject({ status: 'failed', error_details: { code: 'unknown_secret' } });
  });

  it('AWS: signs its request and reads text and JSON', async () => {
    await credential('aws_login', 'aws', {
      access_key_id: 'AKIDEXAMPLE',
      secret_access_key: 'aws-secret-access-key',
      region: 'eu-west-1',
      endpoint: `${echo.origin}/aws`,
    });
    echo.answer = ({ url }) =>
      url === '/aws/'
        ? {
            type: 'application/x-amz-json-1.1',
            body: JSON.stringify({ SecretString: '{"password":"from-aws-1"}', VersionId: 'a'.repeat(32) }),
          }
        : null;
    await run({ type: 'secrets', provider: 'aws', name: 'prod/db#password', auth: 'aws_login' }, use('/from_aws'));
    expect(echo.last('/from_aws').headers).toMatchObject({ 'x-secret': 'from-aws-1' });
    const [first, ...others] = echo.seen.filter(({ url }) => url === '/aws/');
    expect(JSON.parse(first!.body)).toEqual({ SecretId: 'prod/db' });
    expect(first!.headers).toMatchObject({
      'x-amz-target': 'secretsmanager.GetSecretValue',
    });
    expect(isSignedBy('aws-secret-access-key', { ...first!, path: first!.url })).toBe(true);
    expect(others).toHaveLength(0);
  });

  it('ask for the very version that was found, where another execution goes on', async () => {
    await credential('aws_again', 'aws', {
      access_key_id: 'AKIDEXAMPLE',
      secret_access_key: 'aws-secret-access-key',
      region: 'eu-west-1',
      endpoint: `${echo.origin}/aws_again`,
    });
    let works = false;
    echo.answer = ({ url }) =>
      url === '/aws_again/'
        ? { body: JSON.stringify({ SecretString: 'from-aws-2', VersionId: 'b'.repeat(32) }) }
        : works
          ? null
          : { status: 500, body: '{}' };
    const failed = await run({ type: 'secrets', provider: 'aws', name: 'one', auth: 'aws_again' }, use('/again'));
    works = true;
    const { json } = await service.post(`/executions/${failed.id}/retry`);
    expect(await service.waitDone(String(json.id))).toMatchObject({ status: 'completed' });
    expect(echo.last('/again').headers).toMatchObject({ 'x-secret': 'from-aws-2' });
    const asked = echo.seen.filter(({ url }) => url === '/aws_again/').map(({ body }) => JSON.parse(body) as JsonObject);
    expect(asked).toEqual([{ SecretId: 'one' }, { SecretId: 'one', VersionId: 'b'.repeat(32) }]);
  });

  it('Google: gets a token for its service account and reads a version', async () => {
    const { generateKeyPairSync } = await import('node:crypto');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await credential('secrets_gcp', 'google_service_account', {
      client_email: 'me@p',
      private_key: key,
      token_uri: `${echo.origin}/gtoken`,
      endpoint: `${echo.origin}/sm`,
    });
    echo.answer = ({ url, headers }) => {
      if (url === '/gtoken') return { body: '{"access_token":"google-access-token","expires_in":3600}' };
      if (!url.startsWith('/sm')) return null;
      const data = Buffer.from('from-google-1').toString('base64');
      return {
        status: headers.authorization === 'Bearer google-access-token' ? 200 : 401,
        body: JSON.stringify({ name: 'projects/1/secrets/db/versions/7', payload: { data } }),
      };
    };
    await run({ type: 'secrets', provider: 'google', project_id: 'demo', secret_name: 'db' }, use('/from_google'));
    expect(echo.last('/from_google').headers).toMatchObject({ 'x-secret': 'from-google-1' });
    expect(echo.seen.filter(({ url }) => url.startsWith('/sm')).map(({ url }) => url)).toEqual([
      '/sm/v1/projects/demo/secrets/db/versions/latest:access?$alt=json%3Benum-encoding=int',
    ]);
    expect(await stored()).not.toMatch(/from-google-1|from-aws-1|from-the-vault-1|google-access-token/);
  });

  it('are asked through the checked client only', async () => {
    await credential('inside', 'vault', { address: 'http://169.254.169.254', token: 'vault-login-token' });
    const ended = await run({ type: 'secrets', provider: 'vault', name: 'x', auth: 'inside' });
    expect(ended).toMatchObject({ status: 'failed', error_details: { code: 'outbound_blocked' } });
  });
});
