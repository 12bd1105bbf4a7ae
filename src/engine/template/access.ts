import { type Json, type JsonObject } from '../values.js';
import { namedPartOf } from './groups.js';
import { TemplateReference } from './scope.js';

/** Never visible, even where a payload has such a key: what a prototype could offer must not be reachable by any spelling. */
const REFUSED: ReadonlySet<string> = new Set(['__proto__', 'prototype', 'constructor']);

export function isRefusedName(name: string): boolean {
  return REFUSED.has(name);
}

/** `value.key` and `value[key]`: own keys, list and text positions (negative from the end); undefined where there is nothing. */
export function itemOf(value: unknown, key: string | number): unknown {
  if (typeof key === 'string' && REFUSED.has(key)) return undefined;
  if (typeof value === 'object' && value !== null) {
    if (value instanceof TemplateReference) return value.get(key);
    if (Array.isArray(value)) return typeof key === 'string' ? namedPartOf(value as Json[], key) : value[position(key, value.length)];
    return Object.hasOwn(value, key) ? (value as JsonObject)[key] : undefined;
  }
  if (typeof value !== 'string') return undefined;
  const characters = charactersOf(value);
  return characters[position(key, characters.length)];
}

/** -1, and so nothing, for what is no position. */
function position(key: string | number, length: number): number {
  if (typeof key === 'string' || !Number.isInteger(key)) return -1;
  return key < 0 ? length + key : key;
}

/** What people count as characters: a pair of surrogates is one. */
export function charactersOf(text: string): string | string[] {
  return /[\ud800-\udfff]/.test(text) ? Array.from(text) : text;
}

/** What a value stands for everywhere but in attribute access. */
export function settled(value: unknown): unknown {
  return value instanceof TemplateReference ? value.unwrap() : value;
}

/** As an element of a list or mapping: undefined becomes null, so that whatever a template builds is JSON. */
export function element(value: unknown): Json {
  if (value === undefined) return null;
  return settled(value) as Json;
}

/** Walks `a.b.0`, as attribute= of filters does. */
export function itemAtPath(value: unknown, path: unknown): unknown {
  if (typeof path === 'number') return itemOf(value, path);
  let current = value;
  for (const name of String(path).split('.')) current = itemOf(current, /^\d+$/.test(name) ? Number(name) : name);
  return current;
}
