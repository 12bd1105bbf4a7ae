import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { SecretsError } from '../engine/secrets-port.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { type CredentialPlace, type EncryptedFields } from '../storage/repositories/credential.repository.js';
import { type KeyRing } from './key-ring.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const KID_BYTES = 8;

/** The name under which the data key itself is authenticated; no field has it. */
const DATA_KEY = '\0key';

/**
 * Encryption at rest (S13): every field by AES-256-GCM under a data key of this credential and version, the data key under the master key. What a
 * text is bound to (tenant, credential, field, version) is authenticated with it.
 */
export function encryptFields(ring: KeyRing, place: CredentialPlace, data: JsonObject): EncryptedFields {
  const dataKey = randomBytes(KEY_BYTES);
  const fields = Object.entries(data).map(([field, value]) => [
    field,
    encrypt(dataKey, Buffer.from(JSON.stringify(value), 'utf8'), boundTo(place, field)).toString('base64'),
  ]);
  const { kid, key } = ring.current;
  return { kid, wrappedKey: encrypt(key, dataKey, boundTo(place, DATA_KEY)), fields: Object.fromEntries(fields) as Record<string, string> };
}

/** Throws SecretsError `credential_unreadable` for an unknown key and for anything that was changed. */
export function decryptFields(ring: KeyRing, place: CredentialPlace, { kid, wrappedKey, fields }: EncryptedFields): JsonObject {
  const dataKey = unwrap(ring, place, { kid, wrappedKey });
  return Object.fromEntries(
    Object.entries(fields).map(([field, text]) => {
      const plain = decrypt(dataKey, Buffer.from(text, 'base64'), boundTo(place, field));
      return [field, JSON.parse(plain.toString('utf8')) as Json];
    }),
  );
}

/** The data key under the current master key; fields stay as they are. Throws SecretsError. */
export function rewrapKey(ring: KeyRing, place: CredentialPlace, encrypted: EncryptedFields): Pick<EncryptedFields, 'kid' | 'wrappedKey'> {
  const { kid, key } = ring.current;
  return { kid, wrappedKey: encrypt(key, unwrap(ring, place, encrypted), boundTo(place, DATA_KEY)) };
}

/** An encrypted reference as hexadecimal text, of use to this tenant alone. */
export function sealReference(ring: KeyRing, tenantId: string, reference: Json): string {
  const { kid, key } = ring.current;
  const salt = randomBytes(SALT_BYTES);
  const sealed = encrypt(referenceKey(key, salt), Buffer.from(JSON.stringify(reference), 'utf8'), referenceOf(tenantId));
  return Buffer.concat([Buffer.from(kid, 'hex'), salt, sealed]).toString('hex');
}

/** Null for anything that `sealReference` did not make for this tenant. */
export function openReference(ring: KeyRing, tenantId: string, token: string): Json | null {
  const bytes = Buffer.from(token, 'hex');
  const master = ring.find(bytes.subarray(0, KID_BYTES).toString('hex'));
  if (!master || bytes.length * 2 !== token.length) return null;
  const salt = bytes.subarray(KID_BYTES, KID_BYTES + SALT_BYTES);
  try {
    const plain = decrypt(referenceKey(master.key, salt), bytes.subarray(KID_BYTES + SALT_BYTES), referenceOf(tenantId));
    return JSON.parse(plain.toString('utf8')) as Json;
  } catch {
    return null;
  }
}

function referenceKey(key: Buffer, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, 'sealed reference', KEY_BYTES));
}

const referenceOf = (tenantId: string): Buffer => Buffer.from(JSON.stringify(['reference', tenantId]), 'utf8');

const boundTo = ({ tenantId, id, version }: CredentialPlace, field: string): Buffer =>
  Buffer.from(JSON.stringify([tenantId, id, field, version]), 'utf8');

function unwrap(ring: KeyRing, place: CredentialPlace, { kid, wrappedKey }: Pick<EncryptedFields, 'kid' | 'wrappedKey'>): Buffer {
  const master = ring.find(kid);
  if (!master)
    throw new SecretsError('credential_unreadable', `The credential is encrypted with the key ${kid}, which this node does not have.`);
  return decrypt(master.key, wrappedKey, boundTo(place, DATA_KEY));
}

function encrypt(key: Buffer, plain: Buffer, bound: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(bound);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, sealed: Buffer, bound: Buffer): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw unreadable();
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES }).setAAD(bound);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)), decipher.final()]);
  } catch {
    throw unreadable();
  }
}

function unreadable(): SecretsError {
  return new SecretsError(
    'credential_unreadable',
    'The stored credential cannot be decrypted: it was encrypted with another key, or changed.',
  );
}
