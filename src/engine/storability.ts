import { type Json } from './values.js';

/** Largest step value that is recorded, in bytes of JSON. */
export const MAX_RESULT_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 64;

export type StorabilityFault = { readonly code: 'result_not_storable' | 'result_too_large'; readonly message: string };

/**
 * Whether a value can be recorded (D7): JSON types only, no NUL and no lone surrogate in texts and keys, at most 64 levels,
 * finite numbers, at most 16 MiB. Null means it can.
 */
export function storabilityFault(value: unknown): StorabilityFault | null {
  const reason = unstorable(value, 1);
  if (reason) return { code: 'result_not_storable', message: `The value ${reason}.` };
  const size = JSON.stringify(value as Json).length;
  if (size <= MAX_RESULT_BYTES / 4) return null; // at most four bytes a UTF-16 unit: no need to count
  const bytes = Buffer.byteLength(JSON.stringify(value as Json));
  return bytes > MAX_RESULT_BYTES
    ? { code: 'result_too_large', message: `The value has ${bytes} bytes, ${MAX_RESULT_BYTES} are allowed.` }
    : null;
}

function unstorable(value: unknown, depth: number): string | null {
  switch (typeof value) {
    case 'string':
      return textFault(value);
    case 'number':
      return Number.isFinite(value) ? null : 'holds a number that JSON does not have';
    case 'boolean':
      return null;
    case 'object':
      break;
    default:
      return `holds a ${typeof value}`;
  }
  if (value === null) return null;
  if (depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels`;
  if (Array.isArray(value)) {
    for (const entry of value) {
      const fault = unstorable(entry, depth + 1);
      if (fault) return fault;
    }
    return null;
  }
  for (const [key, entry] of Object.entries(value)) {
    const fault = (key === '__proto__' ? 'has the key __proto__' : textFault(key)) ?? unstorable(entry, depth + 1);
    if (fault) return fault;
  }
  return null;
}

function textFault(text: string): string | null {
  if (!text.isWellFormed()) return 'holds a lone surrogate';
  return text.includes('\0') ? 'holds a NUL character' : null;
}
