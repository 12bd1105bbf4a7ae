import { type JsonText } from '../history/storability.js';

/**
 * Text forms of array parameters. The driver's own form escapes every element by regular expression; these are the bulk of what a batch
 * costs in this process, so they do only what their elements need.
 */

/** Bytes are UTF-8 of a text. */
export type BatchParameter = string | Buffer;

/** Never in JSON text, where control characters are escaped; chr(31) in the statement. */
const SEPARATOR = '\x1f';
const SEPARATOR_BYTES = Buffer.from(SEPARATOR);

/** For `string_to_array($n, chr(31), '')`: JSON texts; null becomes SQL NULL, because no JSON text is empty. */
export const jsonList = (texts: readonly (string | null)[]): string => texts.map((text) => text ?? '').join(SEPARATOR);

/** The same where some may be bytes: then all of it is, which the driver sends as they are. */
export function mixedJsonList(texts: readonly (JsonText | null)[]): BatchParameter {
  if (texts.every((text) => text === null || typeof text === 'string')) return jsonList(texts);
  const [first = null] = texts;
  if (texts.length === 1 && first instanceof Uint8Array) return Buffer.from(first.buffer, first.byteOffset, first.length);
  const parts = texts.map((text) => (text instanceof Uint8Array ? text : Buffer.from(text ?? '')));
  return Buffer.concat(parts.flatMap((part, index) => (index === 0 ? [part] : [SEPARATOR_BYTES, part])));
}

/** For `$n::bigint[]` and the like: elements that need no quotes (numbers, uuids, booleans); null becomes NULL. */
export const plainArray = (items: readonly (string | number | boolean | null)[]): string =>
  `{${items.map((item) => item ?? 'NULL').join(',')}}`;

/** For `$n::text[]`: any text. */
export function textArray(items: readonly (string | null)[]): string {
  return `{${items.map((item) => (item === null ? 'NULL' : `"${needsEscape(item) ? item.replace(/["\\]/g, '\\$&') : item}"`)).join(',')}}`;
}

const needsEscape = (text: string): boolean => text.includes('"') || text.includes('\\');
