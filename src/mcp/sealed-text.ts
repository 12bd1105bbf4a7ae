import { createHmac, timingSafeEqual } from 'node:crypto';

/** Bytes of a seal: guessing one takes 2^128 tries. */
const SEAL_BYTES = 16;

/** Base64url of the first 16 bytes of HMAC-SHA-256 over a text for one purpose. */
export function sealOf(key: Buffer, purpose: string, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\n${text}`).digest().subarray(0, SEAL_BYTES).toString('base64url');
}

/** In constant time. */
export function isSealOf(seal: string, key: Buffer, purpose: string, text: string): boolean {
  const given = Buffer.from(seal, 'base64url');
  const right = Buffer.from(sealOf(key, purpose, text), 'base64url');
  return given.length === right.length && timingSafeEqual(given, right) && right.toString('base64url') === seal;
}
