import { firstIn } from '../find-text.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { type BinaryOperator, type ComparisonOperator } from './ast.js';
import { charactersOf, element, settled, spendCharacters } from './access.js';
import { type Rendering } from './rendering.js';
import { TemplateError } from './template-error.js';

/** Values are shared, so small templates can build towers of lists; nothing that is walked may be higher. */
const MAX_VALUE_DEPTH = 200;

export function kindOf(value: unknown): string {
  const plain = settled(value);
  if (plain === undefined) return 'something undefined';
  if (plain === null) return 'null';
  if (Array.isArray(plain)) return 'a list';
  if (typeof plain === 'string') return 'a text';
  return typeof plain === 'object' ? 'a mapping' : `a ${typeof plain}`;
}

/** Python's truth inside expressions: null, false, 0, empty text, list and mapping are false. */
export function isTrue(value: unknown): boolean {
  const plain = settled(value);
  if (typeof plain !== 'object' || plain === null) return Boolean(plain);
  if (Array.isArray(plain)) return plain.length > 0;
  for (const key in plain) if (Object.hasOwn(plain, key)) return true;
  return false;
}

/** true and false count as 1 and 0, as in Python; undefined for what is no number. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'boolean' ? Number(value) : undefined;
}

/** The text a value has inside text: JSON for lists and mappings, nothing for null and undefined. */
export function textOf(value: unknown, rendering: Rendering): string {
  const plain = settled(value);
  if (typeof plain === 'string') return plain;
  if (plain === null || plain === undefined) return '';
  return typeof plain === 'object' ? jsonTextOf(plain as Json, rendering) : String(plain);
}

/** Compact JSON, counted before it is built. */
export function jsonTextOf(value: Json, rendering: Rendering, indent = 0): string {
  rendering.spendText(jsonSize(value, rendering, indent, 0));
  const text = JSON.stringify(value, null, indent);
  rendering.spendText(text.length);
  return text;
}

/** A lower bound of the length of the JSON text, close enough to refuse what would be too long. */
function jsonSize(value: Json, rendering: Rendering, indent: number, depth: number): number {
  rendering.spend(1);
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 1;
  if (depth > MAX_VALUE_DEPTH) throw new TemplateError(`A value is nested deeper than ${MAX_VALUE_DEPTH} levels.`, 'template_limit');
  let size = 2;
  const margin = indent * (depth + 1);
  if (Array.isArray(value)) for (const item of value) size += 1 + margin + jsonSize(item, rendering, indent, depth + 1);
  else for (const [key, item] of Object.entries(value)) size += key.length + 4 + margin + jsonSize(item, rendering, indent, depth + 1);
  if (size > rendering.limits.outputCharacters) rendering.spendText(size);
  return size;
}

export function binary(operator: BinaryOperator, leftValue: unknown, rightValue: unknown, rendering: Rendering): Json {
  const left = settled(leftValue);
  const right = settled(rightValue);
  const a = numberOf(left);
  const b = numberOf(right);
  if (a !== undefined && b !== undefined) return arithmetic(operator, a, b);
  if (operator === '+') {
    if (typeof left === 'string' && typeof right === 'string') return joined(left, right, rendering);
    if (Array.isArray(left) && Array.isArray(right)) {
      rendering.spend(left.length + right.length);
      return [...(left as Json[]), ...(right as Json[])];
    }
  }
  if (operator === '*') {
    if (b !== undefined) return repeated(left, b, right, rendering);
    if (a !== undefined) return repeated(right, a, left, rendering);
  }
  const hint = operator === '+' && (typeof left === 'string' || typeof right === 'string') ? ' (~ joins texts)' : '';
  throw new TemplateError(`${kindOf(left)} ${operator} ${kindOf(right)} has no meaning${hint}.`);
}

function joined(left: string, right: string, rendering: Rendering): string {
  rendering.spendText(left.length + right.length);
  return left + right;
}

function repeated(value: unknown, times: number, counter: unknown, rendering: Rendering): Json {
  const count = Math.max(0, times);
  if (!Number.isInteger(times) || (typeof value !== 'string' && !Array.isArray(value))) {
    throw new TemplateError(`${kindOf(value)} * ${kindOf(counter)} has no meaning.`);
  }
  if (typeof value === 'string') {
    rendering.spendText(value.length * count);
    return value.length === 0 ? '' : value.repeat(count);
  }
  rendering.spend(value.length * count);
  if (value.length === 0) return [];
  return Array.from({ length: value.length * count }, (_, index) => value[index % value.length] as Json);
}

function arithmetic(operator: BinaryOperator, a: number, b: number): number {
  if (b === 0 && (operator === '/' || operator === '//' || operator === '%')) throw new TemplateError('Division by zero.');
  const result = computed(operator, a, b);
  // JSON has no infinity and no NaN.
  if (!Number.isFinite(result)) throw new TemplateError(`The result of ${operator} is not a number that can be represented.`);
  return result === 0 ? 0 : result;
}

function computed(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    case '%':
      return a - Math.floor(a / b) * b === 0 ? 0 : signedRemainder(a, b);
    case '**':
      return a ** b;
  }
}

/** Python's remainder has the sign of the divisor. */
function signedRemainder(a: number, b: number): number {
  const remainder = a % b;
  return remainder !== 0 && remainder < 0 !== b < 0 ? remainder + b : remainder;
}

export function signed(operator: '-' | '+', value: unknown): number {
  const number = numberOf(settled(value));
  if (number === undefined) throw new TemplateError(`${operator} before ${kindOf(value)} has no meaning.`);
  return operator === '-' && number !== 0 ? -number : number;
}

export function compare(operator: ComparisonOperator, left: unknown, right: unknown, rendering: Rendering): boolean {
  switch (operator) {
    case '==':
      return equal(left, right, rendering);
    case '!=':
      return !equal(left, right, rendering);
    case 'in':
      return contains(right, left, rendering);
    case 'not in':
      return !contains(right, left, rendering);
    case '<':
      return order(left, right, rendering) < 0;
    case '<=':
      return order(left, right, rendering) <= 0;
    case '>':
      return order(left, right, rendering) > 0;
    case '>=':
      return order(left, right, rendering) >= 0;
  }
}

/** Deep, by value; numbers equal true and false where Python says so. */
export function equal(leftValue: unknown, rightValue: unknown, rendering: Rendering, depth = 0): boolean {
  const left = settled(leftValue);
  const right = settled(rightValue);
  if (typeof left === 'string' && typeof right === 'string' && left.length === right.length) rendering.spendLook(left.length);
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
    const a = numberOf(left);
    return a !== undefined && a === numberOf(right);
  }
  if (depth > MAX_VALUE_DEPTH) throw new TemplateError(`A value is nested deeper than ${MAX_VALUE_DEPTH} levels.`, 'template_limit');
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    rendering.spend(left.length);
    return left.every((item, index) => equal(item, right[index], rendering, depth + 1));
  }
  const keys = Object.keys(left);
  rendering.spend(keys.length);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every(
    (key) => Object.hasOwn(right, key) && equal((left as JsonObject)[key], (right as JsonObject)[key], rendering, depth + 1),
  );
}

/** Negative, 0 or positive; only like things have an order. */
export function order(leftValue: unknown, rightValue: unknown, rendering: Rendering): number {
  const left = settled(leftValue);
  const right = settled(rightValue);
  const a = numberOf(left);
  const b = numberOf(right);
  if (a !== undefined && b !== undefined) return a - b;
  if (typeof left === 'string' && typeof right === 'string') {
    rendering.spend(1);
    rendering.spendLook(Math.min(left.length, right.length));
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (!Array.isArray(left) || !Array.isArray(right)) throw new TemplateError(`${kindOf(left)} and ${kindOf(right)} have no order.`);
  rendering.spend(Math.min(left.length, right.length));
  for (let index = 0; index < left.length && index < right.length; index += 1) {
    if (!equal(left[index], right[index], rendering)) return order(left[index], right[index], rendering);
  }
  return left.length - right.length;
}

export function contains(containerValue: unknown, value: unknown, rendering: Rendering): boolean {
  const container = settled(containerValue);
  const plain = settled(value);
  if (container === undefined) return false;
  if (Array.isArray(container)) {
    rendering.spend(container.length);
    return container.some((item) => equal(item, plain, rendering));
  }
  if (isObject(container)) return typeof plain === 'string' && Object.hasOwn(container, plain);
  if (typeof container === 'string' && typeof plain === 'string') {
    rendering.spendText(container.length);
    return firstIn(container, plain) >= 0;
  }
  throw new TemplateError(`${kindOf(plain)} in ${kindOf(container)} has no meaning.`);
}

/** Python's slice of a list or text. */
export function slice(
  source: unknown,
  startValue: unknown,
  stopValue: unknown,
  stepValue: unknown,
  rendering: Rendering,
): Json | undefined {
  const value = settled(source);
  if (value === undefined) return undefined;
  if (typeof value !== 'string' && !Array.isArray(value)) throw new TemplateError(`${kindOf(value)} cannot be sliced.`);
  if (typeof value === 'string') spendCharacters(value, rendering);
  const items = typeof value === 'string' ? charactersOf(value) : (value as Json[]);
  const step = bound(stepValue) ?? 1;
  if (step === 0) throw new TemplateError('The step of a slice cannot be 0.');
  const length = items.length;
  const clamp = (index: number) =>
    Math.min(Math.max(index < 0 ? index + length : index, step < 0 ? -1 : 0), step < 0 ? length - 1 : length);
  const start = clamp(bound(startValue) ?? (step < 0 ? length - 1 : 0));
  const lowerStop = bound(stopValue);
  const stop = lowerStop === undefined ? (step < 0 ? -1 : length) : clamp(lowerStop);
  rendering.spend(Math.max(0, Math.ceil((stop - start) / step)));
  if (typeof items === 'string' && step === 1) return items.slice(start, Math.max(start, stop));
  const taken: Json[] = [];
  for (let index = start; step < 0 ? index > stop : index < stop; index += step) taken.push(element(items[index]));
  return typeof value === 'string' ? taken.join('') : taken;
}

function bound(value: unknown): number | undefined {
  const plain = settled(value);
  if (plain === null || plain === undefined) return undefined;
  if (typeof plain !== 'number' || !Number.isInteger(plain)) throw new TemplateError('The bounds of a slice are integers.');
  return plain;
}

/** What a loop or filter runs over: elements of a list, keys of a mapping, characters of a text, nothing of undefined and null. */
export function itemsOf(source: unknown, rendering: Rendering): readonly Json[] {
  const value = settled(source);
  if (rendering.secrets !== null && typeof value === 'string') rendering.refuseSecrets(value, 'A loop');
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) {
    rendering.spend(value.length);
    return value as Json[];
  }
  if (typeof value === 'string') {
    rendering.spend(value.length);
    return Array.from(value);
  }
  if (!isObject(value)) throw new TemplateError(`${kindOf(value)} has no elements.`);
  const keys = Object.keys(value);
  rendering.spend(keys.length);
  return keys;
}
