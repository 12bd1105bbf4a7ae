import { generateKeyPairSync } from 'node:crypto';
import { loadSdk } from '../../src/credentials/providers/provider-call.js';
import { type Json, type JsonObject } from '../../src/engine/values.js';
import { isSignedBy } from '../support/aws-signature.js';
import { type SeenExecution } from '../support/http-client.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';
import { type SeenRequest, type StandInAnswer, type StandIns, startStandIns } from '../support/stand-ins.js';

// The clouds stand behind the egress proxy under their own names, so that the SDKs and their standard addresses run unchanged.
const AWS = 'https://secretsmanager.eu-west-1.amazonaws.com/';
const VAULT = 'https://demo.vault.azure.net/secrets';
const LOGIN = 'https://login.microsoftonline.com/t1/oauth2/v2.0/token';
const GOOGLE = 'https://secretmanager.googleapis.com/v1/projects/demo/secrets';
const USER = 'https://user.example/';
const AWS_SECRET = 'aws-secret-access-key';
const AWS_VERSION = 'a'.repeat(32);

const refusal = (status: number, body: Json): StandInAnswer => ({ status, body });
const needs = (token: string, answer: (request: SeenRequest) => StandInAnswer) => (request: SeenRequest) => {
  if (request.headers.authorization === `Bearer ${token}`) return answer(request);
  const challenge = 'Bearer authorization="https://login.microsoftonline.com/t1", resource="https://vault.azure.net"';
  return { status: 401, headers: { 'www-authenticate': challenge }, body: { error: { code: 'Unauthorized', message: 'no token' } } };
};
const awsError = (type: string, status = 400) => refusal(status, { __type: type, Message: `about ${type}` });
const AWS_ANSWERS: Readonly<Record<string, StandInAnswer>> = {
  'prod/db': { body: { Name: 'prod/db', SecretString: '{"password":"from-aws-1"}', VersionId: AWS_VERSION } },
  binary: { body: { Name: 'binary', SecretBinary: Buffer.from('from-aws-binary').toString('base64'), VersionId: AWS_VERSION } },
  missing: awsError('ResourceNotFoundException'),
  forbidden: awsError('AccessDeniedException'),
  busy: awsError('ThrottlingException'),
  broken: awsError('InternalServiceError', 500),
  odd: { body: 'no JSON at all' },
};
let isSigned: boolean[] = [];
let standIns: StandIns;
let service: TestService;
let number = 0;

beforeAll(async () => {
  standIns = await startStandIns({
    [`POST ${AWS}`]: ({ headers, body }) => {
      const path = '/';
      // What JSON.parse read was written by JSON.stringify.
      isSigned.push(
        isSignedBy(AWS_SECRET, { method: 'POST', path, headers, body: typeof body === 'string' ? body : JSON.stringify(body) }),
      );
      return AWS_ANSWERS[(body as { SecretId: string }).SecretId] ?? awsError('ResourceNotFoundException');
    },
    [`POST ${LOGIN}`]: () => ({ body: { access_token: 'azure-access-token', expires_in: 3600 } }),
    [`GET ${VAULT}/db/`]: needs('azure-access-token', () => ({ body: { value: 'from-azure-1', id: `${VAULT}/db/v77` } })),
    [`GET ${VAULT}/db/v77`]: needs('azure-access-token', () => ({ body: { value: 'from-azure-v77', id: `${VAULT}/db/v77` } })),
    [`GET ${VAULT}/missing/`]: needs('azure-access-token', () => refusal(404, { error: { code: 'SecretNotFound' } })),
    [`GET ${VAULT}/busy/`]: needs('azure-access-token', () => refusal(503, { error: { code: 'Throttled' } })),
    'GET https://demo.elsewhere.example/secrets/db/': needs('azure-access-token', () => ({ body: { value: 'never' } })),
    'POST https://oauth2.googleapis.com/token': () => ({ body: { access_token: 'google-access-token', expires_in: 3600 } }),
    [`GET ${GOOGLE}/db/versions/latest:access`]: needs('google-access-token', () => ({
      body: { name: 'projects/1/secrets/db/versions/7', payload: { data: Buffer.from('from-google-1').toString('base64') } },
    })),
    [`GET ${GOOGLE}/broken/versions/latest:access`]: () => refusal(503, { error: { code: 503, status: 'UNAVAILABLE', message: 'later' } }),
    [`GET ${USER}`]: ({ headers }) => ({ body: { got: String(headers['x-secret']) === '' ? 'nothing' : 'something' } }),
  });
  service = await startTestService({ ...standIns.env });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const credentials: [string, string, JsonObject][] = [
    ['secrets_aws', 'aws', { access_key_id: 'AKIDEXAMPLE', secret_access_key: AWS_SECRET, region: 'eu-west-1' }],
    ['secrets_azure', 'azure', { ...azureClient('https://demo.vault.azure.net') }],
    ['foreign_vault', 'azure', { ...azureClient('https://demo.elsewhere.example') }],
    ['no_vault', 'azure', { ...azureClient('no address') }],
    [
      'secrets_gcp',
      'google_service_account',
      { client_email: 'me@p', private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
    ],
  ];
  for (const [name, type, data] of credentials) expect((await service.post('/credentials', { name, type, data })).status).toBe(201);
});
afterAll(async () => {
  await service?.stop();
  await standIns?.close();
});
beforeEach(() => {
  standIns.forget();
  isSigned = [];
});

const azureClient = (vault: string): JsonObject => ({
  tenant_id: 't1',
  client_id: 'c1',
  client_secret: 'azure-client-secret',
  vault_url: vault,
});

/** Runs a secrets step and one that sends what it gave to somebody. */
async function run(fields: JsonObject): Promise<SeenExecution> {
  const path = `clouds/run_${++number}`;
  const workflow = [
    { step: 'start', type: 'secrets', ...fields, next: 'use' },
    { step: 'use', type: 'http', endpoint: USER, headers: { 'X-Secret': '{{ start.secret_value }}' }, next: 'end' },
    { step: 'end' },
  ];
  await service.register(
    JSON.stringify({ apiVersion: 'noetl.io/v1', kind: 'Playbook', metadata: { name: `run_${number}`, path }, workflow }),
  );
  return service.waitDone(await service.execute(path));
}
const got = (): unknown => standIns.requests.findLast(({ url }) => url === USER)?.headers['x-secret'];
const asked = (start: string): readonly SeenRequest[] => standIns.requests.filter(({ url }) => url.startsWith(start));

describe('secrets of clouds, through their SDKs', () => {
  it.each<[string, JsonObject, string]>([
    ['AWS: a key of a JSON secret', { provider: 'aws', name: 'prod/db#password' }, 'from-aws-1'],
    ['AWS: bytes', { provider: 'aws', name: 'binary' }, 'from-aws-binary'],
    ['Azure: the newest version', { provider: 'azure', name: 'db' }, 'from-azure-1'],
    ['Azure: one version', { provider: 'azure', name: 'db', version: 'v77' }, 'from-azure-v77'],
    ['Google: the newest version', { provider: 'gcp', name: 'db', project: 'demo' }, 'from-google-1'],
  ])('%s', async (_name, fields, value) => {
    expect(await run(fields)).toMatchObject({ status: 'completed' });
    expect(got()).toBe(value);
  });

  it('AWS: signs what it asks, once, with the key of the login and nothing of the machine', async () => {
    process.env.AWS_ACCESS_KEY_ID = 'AKIDOFTHEMACHINE';
    process.env.AWS_SECRET_ACCESS_KEY = 'key-of-the-machine';
    process.env.AWS_ENDPOINT_URL = 'https://elsewhere.example';
    try {
      await run({ provider: 'aws', name: 'prod/db' });
    } finally {
      for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_ENDPOINT_URL']) delete process.env[name];
    }
    expect(isSigned).toEqual([true]);
    const [request] = asked(AWS);
    expect(request).toMatchObject({ body: { SecretId: 'prod/db' }, headers: { 'x-amz-target': 'secretsmanager.GetSecretValue' } });
    expect(request?.headers.authorization).toContain('Credential=AKIDEXAMPLE/');
    expect(standIns.requests.map(({ url }) => new URL(url).host)).toEqual(['secretsmanager.eu-west-1.amazonaws.com', 'user.example']);
  });

  it('Azure: shows its token only to a vault whose challenge names a resource above it', async () => {
    await run({ provider: 'azure', name: 'db' });
    expect(asked(VAULT).map(({ headers }) => headers.authorization)).toEqual([undefined, 'Bearer azure-access-token']);
    const foreign = await run({ provider: 'azure', name: 'db', auth: 'foreign_vault' });
    expect(foreign).toMatchObject({ status: 'failed', error_details: { code: 'secret_provider_error' } });
    expect(asked('https://demo.elsewhere').map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it.each<[string, JsonObject, string, boolean, string]>([
    ['AWS: no such secret', { provider: 'aws', name: 'missing' }, 'unknown_secret', false, AWS],
    ['AWS: not allowed', { provider: 'aws', name: 'forbidden' }, 'secret_provider_error', false, AWS],
    ['AWS: busy', { provider: 'aws', name: 'busy' }, 'secret_provider_error', true, AWS],
    ['AWS: broken', { provider: 'aws', name: 'broken' }, 'secret_provider_error', true, AWS],
    ['AWS: no JSON', { provider: 'aws', name: 'odd' }, 'secret_provider_error', false, AWS],
    ['Azure: no such secret', { provider: 'azure', name: 'missing' }, 'unknown_secret', false, VAULT],
    ['Azure: busy', { provider: 'azure', name: 'busy' }, 'secret_provider_error', true, `${VAULT}/busy`],
    ['Azure: an address that is none', { provider: 'azure', name: 'db', auth: 'no_vault' }, 'secret_provider_error', false, ''],
    ['Google: no such secret', { provider: 'gcp', name: 'missing', project: 'demo' }, 'unknown_secret', false, GOOGLE],
    ['Google: broken', { provider: 'gcp', name: 'broken', project: 'demo' }, 'secret_provider_error', true, GOOGLE],
  ])('fails with a code, and asks no second time: %s', async (_name, fields, code, retryable, place) => {
    const ended = await run(fields);
    expect(ended).toMatchObject({ status: 'failed', error_details: { code, step: 'start', retryable } });
    if (place !== '') expect(asked(place).filter(({ headers }) => place === AWS || headers.authorization !== undefined)).toHaveLength(1);
    expect(JSON.stringify(ended)).not.toMatch(/about |later|azure-client-secret|access-token/);
  });

  it('leave nothing behind', async () => {
    const tables = ['execution', 'execution_payload', 'execution_event', 'credential'];
    const rows = await Promise.all(tables.map((table) => query(service.databaseUrl, `SELECT t::text FROM ${table} t`)));
    expect(JSON.stringify(rows)).not.toMatch(/from-(aws|azure|google)|access-token|azure-client-secret|aws-secret-access-key/);
  });
});

describe(loadSdk.name, () => {
  it('says which package is missing', async () => {
    const name: string = '@showrunner/no-such-package';
    await expect(loadSdk(name, () => import(name))).rejects.toMatchObject({
      code: 'secret_provider_unavailable',
      message: expect.stringContaining(name) as string,
      retryable: false,
    });
  });
});
