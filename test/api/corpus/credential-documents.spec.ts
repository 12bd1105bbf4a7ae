import { generateKeyPairSync } from 'node:crypto';
import { StepDatabase } from './step-database.js';
import { eventsOf, World } from './world.js';

const API = 'https://api.example.com';

let world: World;
let database: StepDatabase;
beforeAll(async () => {
  database = await StepDatabase.start();
  world = await World.start({
    OUTBOUND_ALLOW: database.address,
    NOETL_SECRET_API_BEARER_TOKEN: 'bearer-of-the-environment',
    NOETL_SECRET_demo_password: 'password-of-the-demo',
    NOETL_SECRET_custom_token: 'token-of-my-own',
  });
  await world.credential('pg_local', 'postgres', database.credential);
  await world.credential('external_api_key', 'api_key', { key: 'X-API-Key', value: 'an-api-key-0123456789' });
  await world.credential('stored_bearer_token', 'bearer', { token: 'a-stored-token-0123456789' });
});
afterAll(async () => {
  await world.stop();
  await database.stop();
});
beforeEach(() => world.standIns.forget());

describe('real documents with credentials', () => {
  it('http-patterns: every form of auth reaches the server, and nobody else', async () => {
    const run = await world.run('oct2025/examples/unified-auth/http-patterns.yaml');
    expect(run.ended).toMatchObject({ status: 'completed', result: { status_code: 200, data: { ok: 'credential' } } });
    const message = 'Demonstrate various HTTP auth patterns';
    const basic = `Basic ${btoa('demo_user:password-of-the-demo')}`;
    expect(world.standIns.requests).toMatchObject([
      { method: 'GET', url: `${API}/bearer-protected`, headers: { authorization: 'Bearer bearer-of-the-environment' } },
      { method: 'GET', url: `${API}/basic-protected`, headers: { authorization: basic } },
      { method: 'POST', url: `${API}/api-key-protected`, headers: { 'x-api-key': 'an-api-key-0123456789' }, body: { message } },
      {
        method: 'GET',
        url: `${API}/custom-protected`,
        headers: { authorization: 'Custom token-of-my-own', 'x-client-id': 'noetl-unified-auth-demo', 'x-request-id': run.id },
      },
      {
        method: 'PUT',
        url: `${API}/credential-protected`,
        headers: { authorization: 'Bearer a-stored-token-0123456789' },
        body: { action: 'update', data: message },
      },
    ]);
    const told = JSON.stringify([run.ended, run.events]);
    expect(told).not.toMatch(/of-the-environment|of-the-demo|of-my-own|0123456789/);
    expect(told).not.toContain(basic.slice(6));
  });

  it('duckdb-multi: its first statement was damaged before it was encoded', async () => {
    const { ended } = await world.run('oct2025/examples/unified-auth/duckdb-multi.yaml');
    expect(ended).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('syntax error at or near "DDENAULT"') as string,
      error_details: { code: 'sql_error', step: 'setup_postgres_table', cause: { sqlstate: '42601', statement: 1 } },
    });
    expect(await database.query(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`)).toEqual([]);
  });

  it('secrets_test: without a login, and with one', async () => {
    const file = 'oct2025/examples/google_secret_manager/secrets_test.yaml';
    const without = await world.run(file);
    expect(without.ended).toMatchObject({ status: 'failed', error_details: { code: 'unknown_credential', step: 'get_secret_step' } });
    expect(world.standIns.requests).toEqual([]);

    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await world.credential('secrets_gcp', 'google_service_account', { client_email: 'me@demo', private_key: key });
    const run = await world.run(file);
    expect(run.ended).toMatchObject({ status: 'completed', error: null });
    expect(run.ended.result).toEqual({
      status: 'success',
      message: 'Successfully retrieved and used the secret',
      secret_length: 'secret-of-google'.length,
      environment: 'dev',
    });
    expect(world.standIns.requests.map(({ url }) => url)).toEqual([
      'https://oauth2.googleapis.com/token',
      'https://secretmanager.googleapis.com/v1/projects/noetl-demo-19700101/secrets/test-secret/versions/latest:access',
    ]);
    // The document prints it.
    expect(JSON.stringify(eventsOf(run, 'step_completed', 'use_secret_step'))).toContain('Retrieved secret: [REDACTED]');
    expect(JSON.stringify([run.ended, run.events])).not.toContain('secret-of-google');
  });
});
