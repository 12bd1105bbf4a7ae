import { type Json } from '../../values.js';
import { element } from '../access.js';
import { filter, type Filters } from '../operation.js';
import { kindOf, numberOf, textOf } from '../operators.js';
import { TemplateError } from '../template-error.js';
import { flagArgument, integerArgument, textArgument } from './arguments.js';

const DECIMAL = /^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const INTEGER = /^([+-]?)(0[box])?_?([0-9a-z]+(?:_[0-9a-z]+)*)$/i;
/** Of a text that says its base. */
const BASES: Readonly<Record<string, number>> = { '0b': 2, '0o': 8, '0x': 16 };
const SIZES = ['Bytes', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];

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
  if (base !== 0 && (base < 2 || base > 36)) throw new TemplateError('int knows the bases 2 to 36, and 0 for what the text says.');
  const integer = inBase(value.trim(), base);
  return integer ?? parsedInteger(value, 10);
}

/** As Python's int(text, base); undefined for what is no such number. */
function inBase(text: string, base: number): number | undefined {
  const [, sign = '', prefix = '', digits = ''] = INTEGER.exec(text) ?? [];
  const said = BASES[prefix.toLowerCase()];
  // 0b1 is a number in base 16, and has a prefix in base 2.
  const isPrefix = said !== undefined && (base === 0 || base === said);
  const used = base === 0 ? (said ?? 10) : base;
  const body = (isPrefix ? digits : prefix + digits).replaceAll('_', '').toLowerCase();
  if (body === '' || Array.from(body).some((digit) => Number.isNaN(Number.parseInt(digit, used)))) return undefined;
  const number = Number.parseInt(body, used);
  return Number.isFinite(number) ? (sign === '-' ? -number : number) || 0 : undefined;
}

/** Bytes as people read them, by thousands or by 1024. */
const filesizeformat = filter(['binary'], (value, [binary]) => {
  const bytes = parsedNumber(element(value));
  if (bytes === undefined) throw new TemplateError(`filesizeformat needs a number, not ${kindOf(value)}.`);
  const base = flagArgument(binary) ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`;
  let power = 1;
  while (power < SIZES.length - 1 && bytes >= base ** (power + 1)) power += 1;
  const unit = SIZES[power] ?? '';
  const name = base === 1000 ? unit : `${unit.slice(0, 1).toUpperCase()}i${unit.slice(1)}`;
  return `${roundedHalfEven((base * bytes) / base ** (power + 1), 1).toFixed(1)} ${name}`;
});

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
  filesizeformat,
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
