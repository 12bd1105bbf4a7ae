import { type Json, type JsonObject } from '../../values.js';
import { element } from '../access.js';
import { jsonTextOf, kindOf, numberOf, textOf } from '../operators.js';
import { type Rendering } from '../rendering.js';
import { roundedHalfEven } from './numbers.js';
import { TemplateError } from '../template-error.js';

const FIELD = /\{\{|\}\}|\{([^{}!:]*)(?:!([a-z]))?(?::([^{}]*))?\}|[{}]/g;
const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?#?(0)?(\d{1,4})?([,_])?(?:\.(\d{1,2}))?([bcdeEfFgGnosxX%])?$/su;
const MAX_WIDTH = 1_000;

/** Python's `'{} {0} {name:>8.2f}'.format(…)`. Fields name an argument and nothing in it: what hangs on a value is reached by the template itself. */
export function strFormat(text: string, positional: readonly unknown[], named: JsonObject, rendering: Rendering): string {
  rendering.spendText(text.length);
  let next = 0;
  let size = text.length;
  return text.replace(FIELD, (whole, name?: string, conversion?: string, spec?: string) => {
    if (whole === '{{' || whole === '}}') return whole.slice(1);
    if (name === undefined) throw new TemplateError(`format: a single ${whole} stands for nothing; double it.`);
    const value = valueNamed(name === '' ? String(next++) : name, positional, named);
    const shown = conversion === undefined ? value : conversion === 'r' ? jsonTextOf(value, rendering) : textOf(value, rendering);
    const part = formatted(shown, spec ?? '', rendering);
    size += part.length;
    rendering.spendText(size);
    return part;
  });
}

function valueNamed(name: string, positional: readonly unknown[], named: JsonObject): Json {
  if (/^\d{1,4}$/.test(name)) {
    if (Number(name) >= positional.length) throw new TemplateError('format: there are more placeholders than values.');
    return element(positional[Number(name)]);
  }
  if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name))
    throw new TemplateError(`format: {${name.slice(0, 40)}} is refused, a placeholder is a name or a number.`);
  if (!Object.hasOwn(named, name)) throw new TemplateError(`format: there is no value named ${name.slice(0, 40)}.`);
  return element(named[name]);
}

function formatted(value: Json, spec: string, rendering: Rendering): string {
  if (spec === '') return textOf(value, rendering);
  rendering.refuseSecretText(value, 'A format with a width or a precision');
  const match = SPEC.exec(spec);
  if (!match) throw new TemplateError(`format: ${spec.slice(0, 40)} is no format.`);
  const [, fill, align, sign, zero, width, grouping, precision, kind] = match;
  const number = typeof value === 'number' || (kind !== undefined && kind !== 's') ? numberOf(value) : undefined;
  if (number === undefined && kind !== undefined && kind !== 's')
    throw new TemplateError(`format: ${kind} needs a number, not ${kindOf(value)}.`);
  const wanted = Math.min(Number(width ?? 0), MAX_WIDTH);
  const digits = precision === undefined ? undefined : Number(precision);
  if (number === undefined) {
    const text = textOf(value, rendering);
    return padded('', digits === undefined ? text : Array.from(text).slice(0, digits).join(''), fill ?? ' ', align ?? '<', wanted);
  }
  const signs = number < 0 ? '-' : sign === '+' || sign === ' ' ? sign : '';
  const body = grouped(magnitude(kind, Math.abs(number), digits), grouping);
  return padded(signs, body, fill ?? (zero ? '0' : ' '), align ?? (zero ? '=' : '>'), wanted);
}

function magnitude(kind: string | undefined, number: number, digits: number | undefined): string {
  const exponent = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2');
  switch (kind) {
    case undefined:
    case 'g':
    case 'G':
    case 'n':
      return digits === undefined && kind === undefined ? String(number) : String(Number(number.toPrecision(Math.max(1, digits ?? 6))));
    case 'f':
    case 'F':
      return fixed(number, digits ?? 6);
    case '%':
      return `${fixed(number * 100, digits ?? 6)}%`;
    case 'e':
      return exponent(number.toExponential(digits ?? 6));
    case 'E':
      return exponent(number.toExponential(digits ?? 6)).toUpperCase();
    default:
      return integer(kind, number);
  }
}

const fixed = (number: number, digits: number): string => roundedHalfEven(number, digits).toFixed(digits);

const BASES: Readonly<Record<string, number>> = { b: 2, o: 8, d: 10, x: 16, X: 16 };

function integer(kind: string, number: number): string {
  const base = BASES[kind];
  if (base === undefined || !Number.isInteger(number)) throw new TemplateError(`format: ${kind} is not for this number.`);
  const text = number.toString(base);
  return kind === 'X' ? text.toUpperCase() : text;
}

function grouped(body: string, separator: string | undefined): string {
  if (separator === undefined) return body;
  const [, whole = '', rest = ''] = /^(\d+)(.*)$/.exec(body) ?? [];
  return whole.replace(/\B(?=(\d{3})+$)/g, separator) + rest;
}

function padded(sign: string, body: string, fill: string, align: string, width: number): string {
  const missing = Math.max(0, width - sign.length - Array.from(body).length);
  if (align === '=') return sign + fill.repeat(missing) + body;
  const before = align === '>' ? missing : align === '^' ? Math.floor(missing / 2) : 0;
  return fill.repeat(before) + sign + body + fill.repeat(missing - before);
}
