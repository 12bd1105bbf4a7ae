import { randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SettingsError } from '../config/settings-error.js';
import { decryptFields, encryptFields, openReference, rewrapKey, sealReference } from './envelope.js';
import { loadKeyRing, parseKeyRing } from './key-ring.js';

const key = (): string => randomBytes(32).toString('base64');
const first = key();
const second = key();
const ring = parseKeyRing(first);
const place = { tenantId: 'a', id: '1', version: 1 };
const data = { db_password: 'p4ssword', db_port: 5432, nested: { a: ['ä', null] } };
const sealed = encryptFields(ring, place, data);
const unreadable = expect.objectContaining({ code: 'credential_unreadable' }) as Error;
const flipped = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes);
  const at = randomInt(copy.length);
  copy[at] = copy[at]! ^ (1 << randomInt(8));
  return copy;
};

describe('encrypted fields', () => {
  it('come back as they were, and never look the same twice', () => {
    expect(decryptFields(ring, place, sealed)).toEqual(data);
    expect(encryptFields(ring, place, data).fields).not.toEqual(sealed.fields);
    expect(JSON.stringify(sealed)).not.toContain('p4ss');
  });

  it('are refused after 1,000 flips of single bits', () => {
    for (let round = 0; round < 1_000; round += 1) {
      const inKey = round % 2 === 0;
      const wrappedKey = inKey ? flipped(sealed.wrappedKey) : sealed.wrappedKey;
      const password = inKey
        ? sealed.fields['db_password']!
        : flipped(Buffer.from(sealed.fields['db_password']!, 'base64')).toString('base64');
      expect(() => decryptFields(ring, place, { ...sealed, wrappedKey, fields: { ...sealed.fields, db_password: password } })).toThrow(
        unreadable,
      );
    }
  });

  it.each([
    ['tenant', { ...place, tenantId: 'b' }],
    ['credential', { ...place, id: '2' }],
    ['version', { ...place, version: 2 }],
  ])('are refused as those of another %s', (_name, elsewhere) => {
    expect(() => decryptFields(ring, elsewhere, sealed)).toThrow(unreadable);
  });

  it('are refused where fields or rows are swapped', () => {
    const { db_password: password, db_port: port } = sealed.fields;
    expect(() => decryptFields(ring, place, { ...sealed, fields: { db_password: port!, db_port: password! } })).toThrow(unreadable);
    const other = encryptFields(ring, { ...place, id: '2' }, data);
    expect(() => decryptFields(ring, place, other)).toThrow(unreadable);
    expect(() => decryptFields(ring, place, { ...sealed, wrappedKey: other.wrappedKey })).toThrow(unreadable);
    expect(() => decryptFields(ring, place, { ...sealed, fields: { ...sealed.fields, db_password: '' } })).toThrow(unreadable);
  });

  it('need the very key that they were wrapped with, and can be wrapped anew', () => {
    const both = parseKeyRing(`# the new one first\n${second}\n${first}\n`);
    const newOnly = parseKeyRing(second);
    expect(() => decryptFields(newOnly, place, sealed)).toThrow(unreadable);
    expect(() => decryptFields(newOnly, place, { ...sealed, kid: newOnly.current.kid })).toThrow(unreadable);
    expect(decryptFields(both, place, sealed)).toEqual(data);
    const rewrapped = { ...sealed, ...rewrapKey(both, place, sealed) };
    expect(rewrapped.kid).toBe(newOnly.current.kid);
    expect(rewrapped.fields).toBe(sealed.fields);
    expect(decryptFields(newOnly, place, rewrapped)).toEqual(data);
    expect(() => rewrapKey(newOnly, place, sealed)).toThrow(unreadable);
  });
});

describe('sealed references', () => {
  it('open for their tenant alone, and not after any change', () => {
    const token = sealReference(ring, 'a', { name: 'x' });
    expect(token).toMatch(/^[0-9a-f]+$/);
    expect(openReference(ring, 'a', token)).toEqual({ name: 'x' });
    expect(openReference(ring, 'b', token)).toBeNull();
    expect(openReference(parseKeyRing(second), 'a', token)).toBeNull();
    for (let round = 0; round < 300; round += 1)
      expect(openReference(ring, 'a', flipped(Buffer.from(token, 'hex')).toString('hex'))).toBeNull();
    for (const text of ['', 'ab', 'zz'.repeat(40), `${token}00`, token.slice(0, -2), `${token}x`])
      expect(openReference(ring, 'a', text)).toBeNull();
  });
});

describe(parseKeyRing.name, () => {
  it.each([
    ['nothing', '\n# a note\n'],
    ['a short key', randomBytes(16).toString('base64')],
    ['a long key', randomBytes(33).toString('base64')],
    ['a pass phrase', 'correct horse battery staple'],
    ['a default', Buffer.alloc(32).toString('base64')],
    ['a key of one letter', Buffer.alloc(32, 'a').toString('base64')],
    ['a key of few letters', Buffer.from('changeme'.repeat(4)).toString('base64')],
    ['a good key and a bad one', `${first}\nshort`],
  ])('refuses %s', (_name, text) => {
    expect(() => parseKeyRing(text)).toThrow(SettingsError);
    expect(() => parseKeyRing(text)).not.toThrow(new RegExp(text.slice(0, 8).replace(/[^a-z]/gi, '.') || 'never'));
  });

  it('reads base64 and hexadecimal as the same key', () => {
    expect(parseKeyRing(Buffer.from(first, 'base64').toString('hex')).current).toEqual(ring.current);
  });
});

describe(loadKeyRing.name, () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'keys-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('makes a key beside an embedded database, once, for its owner alone', () => {
    const settings = { encryptionKeyFile: null, databaseUrl: null, dataDir: join(folder, 'new') };
    const made = loadKeyRing(settings)!;
    expect(statSync(join(folder, 'new', 'encryption.key')).mode & 0o777).toBe(0o600);
    expect(loadKeyRing(settings)!.current).toEqual(made.current);
  });

  it('has none where the database is elsewhere and none is given', () => {
    expect(loadKeyRing({ encryptionKeyFile: null, databaseUrl: 'postgres://x/y', dataDir: folder })).toBeNull();
  });

  it('says which file cannot be used', () => {
    const file = join(folder, 'missing');
    expect(() => loadKeyRing({ encryptionKeyFile: file, databaseUrl: null, dataDir: folder })).toThrow(/ENCRYPTION_KEY_FILE.*ENOENT/s);
    writeFileSync(file, first);
    expect(loadKeyRing({ encryptionKeyFile: file, databaseUrl: 'postgres://x/y', dataDir: folder })!.current).toEqual(ring.current);
  });
});
