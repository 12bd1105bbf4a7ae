import { type Json, type JsonObject } from '../values.js';
import { namedPartOf } from './groups.js';
import { type Rendering } from './rendering.js';
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
  return hasPairs(text) ? Array.from(text) : text;
}

/** Counts a text that `charactersOf` has to take apart. */
export function spendCharacters(text: string, rendering: Rendering): void {
  if (hasPairs(text)) rendering.spendLook(text.length);
}

const hasPairs = (text: string): boolean => /[\ud800-\udfff]/.test(text);

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
export function itemAtPath(value: unknown, path: unknown, rendering: Rendering): unknown {
  if (typeof path === 'number') return countedItemOf(value, path, rendering);
  let current = value;
  const names = String(path).split('.');
  rendering.spend(names.length - 1);
  for (const name of names) current = countedItemOf(current, /^\d+$/.test(name) ? Number(name) : name, rendering);
  return current;
}

/** As itemOf; the characters of a text have to be counted to find one of them. */
export function countedItemOf(value: unknown, key: string | number, rendering: Rendering): unknown {
  if (typeof value === 'string') spendCharacters(value, rendering);
  return itemOf(value, key);
}
