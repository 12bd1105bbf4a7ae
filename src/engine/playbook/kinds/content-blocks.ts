import { isObject, type Json, type JsonObject, own } from '../../values.js';
import { type Findings } from '../findings.js';
import { isTemplate, textOf } from '../normalise-values.js';
import { at } from '../source-positions.js';

/** What each kind of content block must have (MCP 2026-07-28, content). */
const BLOCKS: Readonly<Record<string, readonly string[]>> = {
  text: ['text'],
  image: ['data', 'mimeType'],
  audio: ['data', 'mimeType'],
  resource: ['resource'],
  resource_link: ['uri', 'name'],
};
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Data in base64, or a template that makes some. */
export const isBase64 = (value: Json): boolean => typeof value === 'string' && (isTemplate(value) || BASE64.test(value));

/** A lone template gives whatever it makes; behind a nothing it gives text, as clients expect where text stands. */
export const alwaysText = (value: Json): Json => (isTemplate(value) ? `{{ '' }}${String(value)}` : value);

/** Content as a document writes it: a text, a block, or a list of them. */
export function contentOf(value: Json, pointer: string, findings: Findings): JsonObject[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => contentOf(item, at(pointer, index), findings));
  const text = textOf(value);
  if (text !== null) return [{ type: 'text', text: alwaysText(typeof value === 'string' ? value : text) }];
  if (!isObject(value)) {
    findings.error('invalid_type', pointer, 'Content is a text, a block with "type", or a list of them.');
    return [];
  }
  const type = own(value, 'type');
  const needs = typeof type === 'string' && Object.hasOwn(BLOCKS, type) ? BLOCKS[type]! : null;
  if (!needs) {
    findings.error('invalid_value', at(pointer, 'type'), `The type of a content block is one of ${Object.keys(BLOCKS).join(', ')}.`);
    return [];
  }
  for (const name of needs)
    if (!Object.hasOwn(value, name)) findings.error('missing_field', pointer, `A block of type ${String(type)} needs "${name}".`);
  const data = own(value, 'data') ?? null;
  if (data !== null && !isBase64(data)) findings.error('invalid_value', at(pointer, 'data'), 'data must be base64.');
  return [type === 'text' ? { ...value, text: alwaysText(own(value, 'text') ?? null) } : value];
}
