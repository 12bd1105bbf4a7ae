import { isObject, type Json } from './values.js';

/**
 * The one text of a JSON value (RFC 8785): keys sorted by UTF-16 code units, numbers and strings as ECMAScript writes
 * them, no white space. Equal values have equal texts, however they were sent.
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key]!)}`);
  return `{${members.join(',')}}`;
}
