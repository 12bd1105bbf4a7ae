import { type Json } from '../../values.js';
import { element } from '../access.js';
import { filter, type Filters } from '../operation.js';
import { kindOf, numberOf, textOf } from '../operators.js';
import { TemplateError } from '../template-error.js';
import { flagArgument, integerArgument, textArgument } from './arguments.js';

const DECIMAL = /^[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const DIGITS: Readonly<Record<number, RegExp>> = {
  2: /^([+-]?)(?:0b)?([01]+)$/i,
  8: /^([+-]?)(?:0o)?([0-7]+)$/i,
  10: /^([+-]?)(\d[\d_]*)$/,
  16: /^([+-]?)(?:0x)?([0-9a-f]+)$/i,
};

/** A number from a number, a truth value or a text; undefined where that is impossible. */
function parsedNumber(value: Json): number | undefined {
  const number = numberOf(value);
  if (number !== undefined) return number;
  if (typeof value !== 'string' || !DECIMAL.test(value.trim())) return undefined;
  const parsed = Number(value.trim().replaceAll('_', ''));
  return Number.isFinite(parsed) ? parsed : undefined;
}

function parsedInteger(value: Json, base: number): number | undefined {
  if (base === 10 || typeof value !== 'string') {
    const number = parsedNumber(value);
    return number === undefined ? undefined : Math.trunc(number) || 0;
  }
  const pattern = DIGITS[base];
  if (pattern === undefined) throw new TemplateError('int knows the bases 2, 8, 10 and 16.');
  const [, sign, digits] = pattern.exec(value.trim()) ?? [];
  return digits === undefined ? undefined : Number.parseInt(`${sign ?? ''}${digits}`, base);
}

/** Python's rounding: a true tie goes to the even neighbour, which binary floats reach only where twice the value is odd. */
export function roundedHalfEven(value: number, digits: number): number {
  if (digits < 0) {
    const unit = 10 ** -digits;
    return roundedHalfEven(value / unit, 0) * unit;
  }
  const doubled = value * 2 ** (digits + 1);
  if (Math.abs(doubled % 2) !== 1) return Number(value.toFixed(digits));
  const scale = 10 ** digits;
  const below = Math.floor(value * scale);
  return (below % 2 === 0 ? below : below + 1) / scale;
}

const round = filter(['precision', 'method'], (value, [precision, methodName]) => {
  const number = required(value, 'round');
  const digits = Math.max(-20, Math.min(integerArgument(precision, 'precision', 0), 20));
  const method = textArgument(methodName, 'method', 'common');
  const scale = 10 ** digits;
  if (method === 'common') return roundedHalfEven(number, digits) || 0;
  if (method === 'ceil') return Math.ceil(number * scale) / scale || 0;
  if (method === 'floor') return Math.floor(number * scale) / scale || 0;
  throw new TemplateError('round knows the methods common, ceil and floor.');
});

function required(value: unknown, name: string): number {
  const number = numberOf(element(value));
  if (number === undefined) throw new TemplateError(`${name} needs a number, not ${kindOf(value)}.`);
  return number;
}

export const NUMBER_FILTERS: Filters = {
  int: filter(['default', 'base'], (value, [fallback, base]) => {
    return parsedInteger(element(value), integerArgument(base, 'base', 10)) ?? (fallback === undefined ? 0 : element(fallback));
  }),
  float: filter(['default'], (value, [fallback]) => parsedNumber(element(value)) ?? (fallback === undefined ? 0 : element(fallback))),
  abs: filter([], (value) => Math.abs(required(value, 'abs'))),
  round,
  /** The texts a person would write for yes are true; every other text is false, other values keep their truth. */
  bool: filter([], (value) => {
    const plain = element(value);
    return typeof plain === 'string' ? /^(?:true|yes|on|1|y|t)$/i.test(plain.trim()) : flagArgument(plain);
  }),
  string: filter([], (value, _args, { rendering }) => textOf(value, rendering)),
};
