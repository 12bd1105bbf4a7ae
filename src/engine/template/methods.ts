import { isObject, type Json, type JsonObject } from '../values.js';
import { element, isRefusedName, itemOf, settled } from './access.js';
import { capitalized, replaced, splitText, stripped, titled } from './filters/text-operations.js';
import { itemsOf, kindOf, textOf } from './operators.js';
import { type Rendering } from './rendering.js';
import { TemplateReference } from './scope.js';
import { TemplateError } from './template-error.js';

type Method<Value> = (value: Value, args: readonly unknown[], rendering: Rendering) => unknown;

const TEXT_METHODS: ReadonlyMap<string, Method<string>> = new Map<string, Method<string>>([
  ['upper', (value, _args, rendering) => counted(value.toUpperCase(), rendering)],
  ['lower', (value, _args, rendering) => counted(value.toLowerCase(), rendering)],
  ['title', (value, _args, rendering) => counted(titled(value), rendering)],
  ['capitalize', (value, _args, rendering) => counted(capitalized(value), rendering)],
  ['strip', (value, [characters]) => stripped(value, optionalText(characters), 'both')],
  ['lstrip', (value, [characters]) => stripped(value, optionalText(characters), 'start')],
  ['rstrip', (value, [characters]) => stripped(value, optionalText(characters), 'end')],
  ['split', (value, [separator, limit], rendering) => splitText(value, optionalText(separator), optionalCount(limit), rendering)],
  ['replace', (value, [from, to, limit], rendering) => replaced(value, text(from, 'replace'), text(to, 'replace'), optionalCount(limit), rendering)],
  ['startswith', (value, [start]) => value.startsWith(text(start, 'startswith'))],
  ['endswith', (value, [end]) => value.endsWith(text(end, 'endswith'))],
  ['join', (value, [items], rendering) => {
    const parts = itemsOf(items, rendering).map((item) => textOf(item, rendering));
    rendering.spendText(parts.reduce((length, part) => length + part.length + value.length, 0));
    return parts.join(value);
  }],
  // Dates are ISO texts here; documents written for datetime objects still call this.
  ['isoformat', (value) => value],
]); // prettier-ignore

const MAPPING_METHODS: ReadonlyMap<string, Method<JsonObject>> = new Map<string, Method<JsonObject>>([
  ['get', (value, [key, fallback]) => {
    const name = settled(key);
    if (typeof name !== 'string' || isRefusedName(name) || !Object.hasOwn(value, name)) return fallback ?? null;
    return value[name];
  }],
  ['keys', (value, _args, rendering) => itemsOf(value, rendering)],
  ['values', (value, _args, rendering) => itemsOf(value, rendering).map((key) => value[key as string] as Json)],
  ['items', (value, _args, rendering) => itemsOf(value, rendering).map((key) => [key, value[key as string] as Json])],
]); // prettier-ignore

/** Calls a method of the fixed list; everything else throws template_error. Objects of the host have none that could be reached. */
export function callMethod(value: unknown, name: string, args: readonly unknown[], rendering: Rendering): unknown {
  if (name === 'get' && value instanceof TemplateReference) return getFromReference(value, args);
  const plain = settled(value);
  if (typeof plain === 'string') {
    const method = TEXT_METHODS.get(name);
    if (method !== undefined) return method(plain, args, rendering);
  } else if (isObject(plain)) {
    const method = MAPPING_METHODS.get(name);
    if (method !== undefined) return method(plain, args, rendering);
  }
  throw new TemplateError(`unknown method: ${kindOf(plain)} has no method ${name}.`);
}

/** A step answers .get(k) as it answers .k, so that both spellings find the same thing. */
function getFromReference(reference: TemplateReference, [key, fallback]: readonly unknown[]): unknown {
  const name = settled(key);
  const found = typeof name === 'string' ? itemOf(reference, name) : undefined;
  return found ?? fallback ?? null;
}

function counted(value: string, rendering: Rendering): string {
  rendering.spendText(value.length);
  return value;
}

function text(value: unknown, method: string): string {
  const plain = element(value);
  if (typeof plain !== 'string') throw new TemplateError(`${method} needs a text, not ${kindOf(plain)}.`);
  return plain;
}

function optionalText(value: unknown): string | undefined {
  const plain = element(value);
  return typeof plain === 'string' ? plain : undefined;
}

function optionalCount(value: unknown): number {
  const plain = element(value);
  return typeof plain === 'number' && plain >= 0 ? plain : Number.POSITIVE_INFINITY;
}
