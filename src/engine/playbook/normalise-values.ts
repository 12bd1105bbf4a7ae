import { isObject, type Json, type JsonObject } from '../values.js';
import { type FieldKind } from './action-fields.js';
import { type Findings } from './findings.js';
import { type Field, type Mapping } from './mapping.js';

export const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** True for text that holds a template, whose value is known only when it is rendered. */
export function isTemplate(value: Json): boolean {
  return typeof value === 'string' && /\{\{|\{%/.test(value);
}

/** Text that may have been written as a number or boolean; null where it is neither. */
export function textOf(value: Json): string | null {
  if (typeof value === 'string') return value.trim();
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/;
const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Seconds of `1.5`, `"30"`, `"30s"`, `"500ms"`, `"5m"`; null where it is no duration. */
export function secondsOf(value: Json): number | null {
  if (typeof value === 'number') return value >= 0 ? value : null;
  const match = typeof value === 'string' ? DURATION.exec(value.trim()) : null;
  return match ? Number(match[1]) * (UNIT_SECONDS[match[2] ?? 's'] ?? 1) : null;
}

/** Checks a field that is not a template. Numbers are accepted as text, and text as numbers where they read as one. */
export function fits(value: Json, kind: FieldKind): boolean {
  if (kind === 'any' || isTemplate(value)) return true;
  switch (kind) {
    case 'text':
      return textOf(value) !== null;
    case 'mapping':
      return isObject(value);
    case 'list':
      return Array.isArray(value);
    case 'bool':
      return typeof value === 'boolean' || /^(true|false|yes|no|on|off|1|0)$/i.test(String(value));
    case 'count':
      return /^\d+$/.test(String(value));
  }
}

/** The inputs of an action or an edge: mappings of several spellings merged, the strongest name last; or one lone template. */
export function mergeInputs(mapping: Mapping, weakestFirst: readonly string[], findings: Findings): JsonObject | string {
  const given = weakestFirst.map((name) => mapping.take(name)).filter((field): field is Field => field !== null && field.value !== null);
  let merged: JsonObject | string = {};
  for (const field of given) {
    const { value, pointer, key } = field;
    if (typeof value === 'string' && isTemplate(value)) merged = value;
    else if (isObject(value)) merged = typeof merged === 'string' ? value : { ...merged, ...value };
    else findings.error('invalid_type', pointer, `"${key}" must be a mapping, or one template that gives a mapping.`);
  }
  const lone = given.find(({ value }) => typeof value === 'string');
  if (lone && given.length > 1)
    findings.warn(
      'ambiguous_field',
      lone.pointer,
      `"${lone.key}" is a template and cannot be merged with the other inputs; the strongest of them counts.`,
    );
  return merged;
}

/** The nearest of the known words, for "did you mean". */
export function nearest(word: string, known: readonly string[]): string | null {
  const flat = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  return (
    known.find((candidate) => flat(candidate) === flat(word)) ??
    known.find((candidate) => offByOne(candidate.toLowerCase(), word.toLowerCase())) ??
    null
  );
}

/** One letter more, less, other, or two swapped. */
function offByOne(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1 || Math.min(a.length, b.length) < 3) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const [restA, restB] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  return (
    Math.max(restA.length, restB.length) <= 1 ||
    (restA.length === 2 && restB.length === 2 && restA[0] === restB[1] && restA[1] === restB[0])
  );
}
