import { type JsonObject } from '../engine/values.js';
import { databaseTarget } from './database-target.js';

const standard = {
  host: 'db.example',
  port: 5432,
  user: 'u',
  password: '',
  database: 'u',
  schema: null,
  sslMode: 'prefer',
  sslRootCertificate: null,
};

describe(databaseTarget.name, () => {
  it.each<[string, JsonObject, JsonObject]>([
    ['the least', { db_host: 'db.example', db_user: 'u' }, {}],
    [
      'names of credentials',
      { host: 'db.example', username: 'u', password: 'p', dbname: 'd', port: '6432' },
      { password: 'p', database: 'd', port: 6432 },
    ],
    [
      'fields of steps win',
      { host: 'other', db_host: 'db.example', user: 'u', db_schema: 's', sslmode: 'verify-full' },
      { schema: 's', sslMode: 'verify-full' },
    ],
    [
      'an address',
      { connection: 'postgresql://u:p%40%2F@db.example:6432/d%20b?sslmode=disable' },
      { password: 'p@/', database: 'd b', port: 6432, sslMode: 'disable' },
    ],
    ['an IPv6 address', { dsn: 'postgres://u@[::1]/d' }, { host: '::1', database: 'd' }],
    ['a list of words', { db_conn_string: "host=db.example user = u password='it\\'s' port=6432" }, { password: "it's", port: 6432 }],
    ['fields besides an address', { connection: 'postgres://u:old@db.example/d', db_password: 'new' }, { password: 'new', database: 'd' }],
    ['a mapping', { connection: { db_host: 'db.example', user: 'u' } }, {}],
    ['empty fields are none', { db_host: 'db.example', db_user: 'u', db_name: '', db_port: null }, {}],
  ])('%s', (_name, fields, expected) => expect(databaseTarget(fields)).toEqual({ ...standard, ...expected }));

  it.each<[string, JsonObject]>([
    ['no host', { db_user: 'u' }],
    ['no user', { db_host: 'h' }],
    ['a socket folder', { db_host: '/tmp', db_user: 'u' }],
    ['two hosts', { connection: 'postgres://u@a,b/d' }],
    ['two hosts in words', { connection: 'host=a,b user=u' }],
    ['an encoded socket folder', { connection: 'postgres://u@%2Ftmp/d' }],
    ['a port', { db_host: 'h', db_user: 'u', db_port: 0 }],
    ['a TLS mode', { db_host: 'h', db_user: 'u', sslmode: 'off' }],
    ['a text that is neither', { connection: 'db.example:5432' }],
    ['a list', { connection: [1] }],
    ['a mapping for a field', { db_host: { a: 1 }, db_user: 'u' }],
  ])('refuses %s', (_name, fields) =>
    expect(() => databaseTarget(fields)).toThrow(expect.objectContaining({ code: 'invalid_connection' }) as Error),
  );

  it('reads no file that a connection text names', () => {
    expect(databaseTarget({ connection: 'host=h user=u sslrootcert=/etc/passwd passfile=/root/.pgpass' }).sslRootCertificate).toBeNull();
    expect(databaseTarget({ connection: 'postgres://u@h/d?sslrootcert=/etc/passwd' }).sslRootCertificate).toBeNull();
  });
});
