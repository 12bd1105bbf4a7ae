import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SettingsError } from '../config/settings-error.js';

/** Where the keys of a node are found; null where it has none. */
export const KEY_RING = Symbol('KEY_RING');

const KEY_BYTES = 32;
/** A random key has about 30 different bytes; one made by hand or left at its default has few. */
const DIFFERENT_BYTES = 16;

/** A master key and the name by which rows refer to it: the beginning of its SHA-256. */
export interface MasterKey {
  readonly kid: string;
  readonly key: Buffer;
}

/** The master keys of a node: the first encrypts, all of them decrypt. */
export class KeyRing {
  private readonly byKid: ReadonlyMap<string, MasterKey>;

  constructor(private readonly keys: readonly [MasterKey, ...MasterKey[]]) {
    this.byKid = new Map(keys.map((key) => [key.kid, key]));
  }

  get current(): MasterKey {
    return this.keys[0];
  }

  find(kid: string): MasterKey | null {
    return this.byKid.get(kid) ?? null;
  }
}

/**
 * Reads a key file: one key a line, 32 random bytes in base64 or hexadecimal; the first is the current one, those below it still open what they
 * once encrypted. Lines that begin with # are notes. Throws SettingsError where a key is short or plainly not random.
 */
export function parseKeyRing(text: string): KeyRing {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const keys = lines.map((line, index) => masterKey(line, index + 1));
  const [first, ...others] = keys;
  if (!first) throw refused('the file holds no key');
  return new KeyRing([first, ...others]);
}

function masterKey(line: string, number: number): MasterKey {
  const isHex = /^[0-9a-fA-F]+$/.test(line) && line.length === KEY_BYTES * 2;
  const isBase64 = /^[A-Za-z0-9+/_-]+={0,2}$/.test(line);
  const key = isHex ? Buffer.from(line, 'hex') : isBase64 ? Buffer.from(line, 'base64') : Buffer.alloc(0);
  if (key.length !== KEY_BYTES) throw refused(`key ${number} is not ${KEY_BYTES} bytes in base64 or hexadecimal`);
  if (new Set(key).size < DIFFERENT_BYTES) throw refused(`key ${number} is not random; make one with: openssl rand -base64 32`);
  return { kid: createHash('sha256').update(key).digest('hex').slice(0, 16), key };
}

/** What a node needs to know to find its keys. */
export interface KeyRingPlace {
  /** Given by the operator; null: none. */
  readonly encryptionKeyFile: string | null;
  /** Null: the database is the embedded one, which belongs to this machine as a key in its folder does. */
  readonly databaseUrl: string | null;
  readonly dataDir: string;
}

/** The keys of this node, made at its first start beside an embedded database; null where nobody gave one. Throws SettingsError. */
export function loadKeyRing({ encryptionKeyFile, databaseUrl, dataDir }: KeyRingPlace): KeyRing | null {
  if (encryptionKeyFile === null && databaseUrl !== null) return null;
  const file = encryptionKeyFile ?? join(dataDir, 'encryption.key');
  if (encryptionKeyFile === null) makeOnce(file);
  return readKeyRing(file);
}

/** The keys in a file. Throws SettingsError where it cannot be read, or holds none that are good. */
export function readKeyRing(file: string): KeyRing {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw refused(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
  return parseKeyRing(text);
}

function makeOnce(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  try {
    writeFileSync(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function refused(message: string): SettingsError {
  return new SettingsError([`ENCRYPTION_KEY_FILE: ${message}`]);
}
