import { type Json } from '../values.js';
import { normaliseAuth, normaliseHandles } from './auth-spec.js';

describe(normaliseAuth.name, () => {
  it.each<[string, Json, boolean, Json[]]>([
    ['a name', ' pg ', true, [{ alias: 'auth', source: 'credential', name: 'pg', type: null, fields: {} }]],
    ['key', { type: 'postgres', key: 'pg' }, true, [{ alias: 'postgres', source: 'credential', name: 'pg', type: 'postgres', fields: {} }]],
    ['credential', { credential: 'pg' }, true, [{ alias: 'auth', source: 'credential', name: 'pg', type: null, fields: {} }]],
    ['name', { type: 's3', name: 'x' }, true, [{ alias: 's3', source: 'credential', name: 'x', type: 's3', fields: {} }]],
    ['env', { type: 'bearer', env: 'T' }, true, [{ alias: 'bearer', source: 'env', name: 'T', type: 'bearer', fields: {} }]],
    ['source env with key', { source: 'env', key: 'T' }, true, [{ alias: 'auth', source: 'env', name: 'T', type: null, fields: {} }]],
    ['secret', { secret: 'S' }, true, [{ alias: 'auth', source: 'secret', name: 'S', type: null, fields: {} }]],
    ['provider', { provider: 'secret_manager', key: 'S' }, true, [{ alias: 'auth', source: 'secret', name: 'S', type: null, fields: {} }]],
    [
      'inline',
      { type: 'basic', inline: { username: 'u' } },
      true,
      [{ alias: 'basic', source: 'inline', name: null, type: 'basic', fields: { username: 'u' } }],
    ],
    [
      'fields beside the type',
      { type: 'bearer', token: 't' },
      true,
      [{ alias: 'bearer', source: 'inline', name: null, type: 'bearer', fields: { token: 't' } }],
    ],
    [
      'a header by name and value',
      { type: 'header', name: 'X', value: 'v' },
      true,
      [{ alias: 'header', source: 'inline', name: null, type: 'header', fields: { name: 'X', value: 'v' } }],
    ],
    [
      'overrides',
      { key: 'h', scope: 'gs://b', fields: { region: 'r' } },
      true,
      [{ alias: 'auth', source: 'credential', name: 'h', type: null, fields: { scope: 'gs://b', region: 'r' } }],
    ],
    [
      'an alias map',
      { pg: { type: 'postgres', key: 'a' }, api: 'b' },
      false,
      [
        { alias: 'pg', source: 'credential', name: 'a', type: 'postgres', fields: {} },
        { alias: 'api', source: 'credential', name: 'b', type: null, fields: {} },
      ],
    ],
  ])('reads %s', (_name, raw, single, entries) => expect(normaliseAuth(raw)).toEqual({ single, entries }));

  it.each<[string, Json]>([
    ['nothing', null],
    ['an empty mapping', {}],
  ])('is none for %s', (_name, raw) => expect(normaliseAuth(raw)).toBeNull());
});

describe(normaliseHandles.name, () => {
  it('reads lists, maps and the keychain', () => {
    const keychain: Json = [
      { name: 'k', kind: 'static', map: { a: 1 } },
      { name: 'c', kind: 'credential' },
    ];
    expect(normaliseHandles([{ name: 'pg', as: 'db' }, 'plain'], keychain).map(({ alias, source, name }) => [alias, source, name])).toEqual(
      [
        ['db', 'credential', 'pg'],
        ['plain', 'credential', 'plain'],
        ['k', 'inline', null],
        ['c', 'credential', 'c'],
      ],
    );
    expect(normaliseHandles({ db: { key: 'pg' } }, null)).toMatchObject([{ alias: 'db', name: 'pg' }]);
  });
});
