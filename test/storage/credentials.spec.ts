import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type DataSource } from 'typeorm';
import { decryptFields, encryptFields, rewrapKey } from '../../src/credentials/envelope.js';
import { parseKeyRing } from '../../src/credentials/key-ring.js';
import { createDataSource } from '../../src/storage/connection/data-source.js';
import {
  type CredentialChange,
  type CredentialRecord,
  CredentialRepository,
} from '../../src/storage/repositories/credential.repository.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase } from '../support/storage.js';

const run = promisify(execFile);
const [oldKey, newKey] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
const oldRing = parseKeyRing(oldKey);
const newRing = parseKeyRing(newKey);
const both = parseKeyRing(`${newKey}\n${oldKey}`);
const unreadable = expect.objectContaining({ code: 'credential_unreadable' }) as Error;
let database: TestDatabase;
let db: DataSource;
let credentials: CredentialRepository;
let lastId = 0;

beforeAll(async () => {
  database = await createMigratedDatabase();
  db = await createDataSource(database.url, { poolSize: 4 }).initialize();
  credentials = new CredentialRepository(db);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});
beforeEach(() => db.query('DELETE FROM credential'));

async function save(name: string, ring = oldRing, tenantId = 'a'): Promise<CredentialRecord> {
  const change: CredentialChange = { tenantId, name, type: 'bearer', meta: {}, tags: [], description: null, subject: 'me' };
  const { record } = await credentials.save(change, String(++lastId), (place) => encryptFields(ring, place, { token: `token of ${name}` }));
  return record;
}
const openedBy = async (ring: typeof both, name: string, tenantId = 'a'): Promise<unknown> => {
  const record = (await credentials.byName(tenantId, name))!;
  return decryptFields(ring, record, record)['token'];
};

describe(CredentialRepository.name, () => {
  it('shows each tenant its own, by name and by id', async () => {
    const [mine, theirs] = [await save('same', oldRing, 'a'), await save('same', oldRing, 'b')];
    expect(mine.id).not.toBe(theirs.id);
    expect(await credentials.byId('a', theirs.id)).toBeNull();
    expect(await credentials.remove('a', theirs.id)).toBe(false);
    expect((await credentials.list('a', { type: null, text: null }, null, 10)).map(({ id }) => id)).toEqual([mine.id]);
    expect(await credentials.byName('c', 'same')).toBeNull();
  });

  it('gives nothing away where rows are swapped', async () => {
    await save('one');
    await save('two');
    await db.query(
      `UPDATE credential SET fields = (SELECT o.fields FROM credential o WHERE o.name = 'two'), wrapped_key = (SELECT o.wrapped_key FROM credential o WHERE o.name = 'two') WHERE name = 'one'`,
    );
    await expect(openedBy(oldRing, 'one')).rejects.toThrow(unreadable);
    await db.query(`UPDATE credential SET tenant_id = 'thief' WHERE name = 'two'`);
    await expect(openedBy(oldRing, 'two', 'thief')).rejects.toThrow(unreadable);
  });

  it('gives nothing away where an old version is put back', async () => {
    const first = await save('rolled');
    await save('rolled');
    await db.query('UPDATE credential SET fields = $1, wrapped_key = $2 WHERE name = $3', [first.fields, first.wrappedKey, 'rolled']);
    await expect(openedBy(oldRing, 'rolled')).rejects.toThrow(unreadable);
  });

  it('wraps anew only what has not changed meanwhile', async () => {
    const stale = await save('changing');
    await save('changing');
    expect(await credentials.rewrap(stale, rewrapKey(both, stale, stale))).toBe(false);
    expect(await openedBy(oldRing, 'changing')).toBe('token of changing');
  });
});

describe('npm run rewrap-keys', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'rewrap-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('wraps all keys with the first one while others save, and says what it cannot open', async () => {
    const names = Array.from({ length: 250 }, (_none, at) => `n${at}`);
    for (const name of names) await save(name);
    await db.query(`UPDATE credential SET wrapped_key = '\\x00' WHERE name = 'n7'`);
    writeFileSync(join(folder, 'keys'), `${newKey}\n${oldKey}\n`);
    const env = { PATH: process.env.PATH, DATABASE_URL: database.url, ENCRYPTION_KEY_FILE: join(folder, 'keys') };
    const command = run(process.execPath, [join('dist', 'src', 'rewrap-keys.js')], { env }).catch(
      (error: unknown) => error as { code: number; stdout: string },
    );
    for (const name of names.slice(100, 120)) await save(name, both);
    const { stdout, ...rest } = await command;
    expect(rest).toMatchObject({ code: 1 });
    expect(stdout).toContain('1 could not be opened');
    for (const name of names.filter((each) => each !== 'n7')) expect(await openedBy(newRing, name)).toBe(`token of ${name}`);
    await db.query(`DELETE FROM credential WHERE name = 'n7'`);
    expect((await run(process.execPath, [join('dist', 'src', 'rewrap-keys.js')], { env })).stdout).toContain('0 credentials are wrapped');
  });
});
