import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/sql.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const PASSWORD = 'pa$$-word with "quotes" and \\ äöü';
const POSTGRES = { db_host: 'db.internal', db_port: 5432, db_user: 'demo', db_password: PASSWORD, db_name: 'demo' };
const save = (name: string, more: object = {}) =>
  service.post('/credentials', { name, type: 'postgres', data: POSTGRES, tags: ['a'], description: 'The demo', ...more });

describe('credentials', () => {
  it('are stored, updated as new versions, read by id and name, listed and deleted, and never show their data', async () => {
    const made = await save('pg_local', { meta: { owner: 'ops' } });
    expect(made).toMatchObject({
      status: 201,
      json: { name: 'pg_local', type: 'postgres', version: 1, meta: { owner: 'ops' }, tags: ['a'] },
    });
    const id = String(made.json.id);
    expect(made.headers.get('location')).toBe(`/credentials/${id}`);
    const again = await save('pg_local', { description: null });
    expect(again).toMatchObject({ status: 200, json: { id, version: 2, description: null, created_at: made.json.created_at } });
    const replaced = await service.request('PUT', `/credentials/${id}`, { name: 'pg_local', type: 'postgres', data: POSTGRES });
    expect(replaced).toMatchObject({ status: 200, json: { id, version: 3, tags: [], meta: {} } });
    for (const path of [`/credentials/${id}`, '/credentials/pg_local', '/api/credentials/pg_local']) {
      const { status, json, text } = await service.get(path);
      expect({ status, json }).toEqual({ status: 200, json: replaced.json });
      expect(text).not.toMatch(/db_password|pa\$\$/);
    }
    expect(await service.request('DELETE', `/credentials/${id}`)).toMatchObject({ status: 204, text: '' });
    expect(await service.get('/credentials/pg_local')).toMatchObject({ status: 404, json: { code: 'unknown_credential' } });
    expect(await service.request('DELETE', `/credentials/${id}`)).toMatchObject({ status: 404, json: { code: 'unknown_credential' } });
  });

  it('are listed by name, filtered by type and text, in pages', async () => {
    for (const name of ['zeta', 'alpha', 'beta']) await save(name);
    await service.post('/credentials', {
      name: 'hook',
      type: 'httpBearerAuth',
      data: { token: 'a-token-of-length' },
      description: 'Of BETA',
    });
    const names = async (path: string) => {
      const { json, headers } = await service.get(path);
      return { names: (json.items as { name: string }[]).map(({ name }) => name), filter: json.filter, next: headers.get('x-next-cursor') };
    };
    expect(await names('/credentials')).toEqual({ names: ['alpha', 'beta', 'hook', 'zeta'], filter: { type: null, q: null }, next: null });
    expect(await names('/credentials?type=postgres&q=eta')).toMatchObject({
      names: ['beta', 'zeta'],
      filter: { type: 'postgres', q: 'eta' },
    });
    expect(await names('/credentials?q=beta')).toMatchObject({ names: ['beta', 'hook'] });
    expect(await names('/credentials?type=httpBearerAuth')).toMatchObject({ names: ['hook'] });
    const first = await names('/credentials?limit=3');
    expect(first.names).toEqual(['alpha', 'beta', 'hook']);
    expect(await names(`/credentials?limit=3&cursor=${first.next}`)).toMatchObject({ names: ['zeta'], next: null });
  });

  it.each(['/credentials?include_data=true', '/credentials/alpha?include_data=true', '/api/credentials/unknown?include_data=true'])(
    'refuse to give their data: %s',
    async (path) => expect(await service.get(path)).toMatchObject({ status: 403, json: { code: 'secrets_are_write_only' } }),
  );

  it.each<[string, object, string, string]>([
    ['no name', { name: undefined }, '/name', 'missing_field'],
    ['a name of digits', { name: '123' }, '/name', 'invalid_value'],
    ['a name with a slash', { name: 'a/b' }, '/name', 'invalid_value'],
    ['a name that is too long', { name: 'a'.repeat(256) }, '/name', 'invalid_value'],
    ['an unknown type', { type: 'carrier_pigeon' }, '/type', 'invalid_value'],
    ['no type', { type: undefined }, '/type', 'missing_field'],
    ['no data', { data: undefined }, '/data', 'missing_field'],
    ['data without fields', { type: 'generic', data: {} }, '/data', 'invalid_value'],
    ['data that is a text', { data: 'secret' }, '/data', 'invalid_type'],
    ['a field that is missing', { data: { ...POSTGRES, db_password: '' } }, '/data/db_password', 'missing_field'],
    ['basic without a password', { type: 'basic', data: { username: 'u' } }, '/data/password', 'missing_field'],
    ['an api key without a value', { type: 'api_key', data: { header: 'X' } }, '/data/value', 'missing_field'],
    [
      'oauth without its endpoint',
      { type: 'oauth2_client_credentials', data: { client_id: 'a', client_secret: 'b' } },
      '/data/token_url',
      'missing_field',
    ],
    ['tags that are no list', { tags: 'a' }, '/tags', 'invalid_type'],
    ['an unknown field', { secret: 'x' }, '/secret', 'unknown_field'],
  ])('are refused with %s', async (_name, change, pointer, code) => {
    const { status, json, text } = await service.post('/credentials', { name: 'bad', type: 'postgres', data: POSTGRES, ...change });
    expect({ status, errors: json.errors }).toMatchObject({
      status: 422,
      errors: expect.arrayContaining([expect.objectContaining({ pointer, code })]),
    });
    expect(text).not.toContain('pa$$');
  });

  it.each(['host', 'dbname'])('accept the other names of the fields of postgres (%s)', async (other) => {
    const { db_host, db_name, ...rest } = POSTGRES;
    const data = other === 'host' ? { ...rest, host: db_host, db_name } : { ...rest, db_host, dbname: db_name };
    expect(await save(`by_${other}`, { data })).toMatchObject({ status: 201 });
  });

  it('keep their names', async () => {
    await save('kept');
    const answer = await service.request('PUT', '/credentials/kept', { name: 'renamed', type: 'postgres', data: POSTGRES });
    expect(answer).toMatchObject({ status: 422, json: { errors: [{ pointer: '/name' }] } });
    expect(await service.request('PUT', '/credentials/nothing', { name: 'nothing', type: 'postgres', data: POSTGRES })).toMatchObject({
      status: 404,
    });
  });

  it('make one row each, also when the same name is saved many times at once', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => save('raced')));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array.from({ length: 11 }, () => 200), 201]);
    expect(answers.map(({ json }) => json.version as number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 12 }, (_none, at) => at + 1),
    );
  });

  it('lie encrypted in the database', async () => {
    await save('at_rest');
    const rows = await query(service.databaseUrl, 'SELECT credential::text AS row FROM credential');
    const text = JSON.stringify(rows);
    for (const form of [PASSWORD, 'pa$$', Buffer.from(PASSWORD).toString('base64').slice(0, 20), 'db.internal'])
      expect(text).not.toContain(form);
  });
});

describe('a node without an encryption key', () => {
  it('answers 503 to everything about credentials, and works otherwise', async () => {
    const node = await startTestService({ DATABASE_URL: service.databaseUrl }, service);
    try {
      for (const [method, path, body] of [
        ['GET', '/credentials', undefined],
        ['GET', '/credentials/alpha', undefined],
        ['DELETE', '/credentials/alpha', undefined],
        ['POST', '/credentials', { name: 'x', type: 'postgres', data: POSTGRES }],
        ['PUT', '/credentials/alpha', { name: 'alpha', type: 'postgres', data: POSTGRES }],
      ] as const) {
        const answer = await node.request(method, path, body);
        expect([method, answer.status, answer.json.code, answer.headers.get('retry-after')]).toEqual([
          method,
          503,
          'encryption_key_missing',
          expect.stringMatching(/^\d+$/),
        ]);
      }
      expect(await node.get('/health')).toMatchObject({ status: 200 });
    } finally {
      await node.stop();
    }
  });
});
