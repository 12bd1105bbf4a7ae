import { isObject, type Json } from '../../values.js';
import { element } from '../access.js';
import { jsonTextOf, kindOf, numberOf, textOf } from '../operators.js';
import { type Rendering } from '../rendering.js';
import { roundedHalfEven } from './numbers.js';
import { TemplateError } from '../template-error.js';

const DIRECTIVE = /%(?:\(([^)%]{1,100})\))?([-+ 0#]{0,5})(\d{0,4})(?:\.(\d{1,2}))?([a-zA-Z%])?/g;
const MAX_WIDTH = 1_000;

/** Python's `text % values` for %s %d %i %f %e %g %c %x %X %o %r %% with flags, width, precision and %(name)s. */
export function printf(text: string, positional: readonly unknown[], named: Json, rendering: Rendering): string {
  rendering.spendText(text.length);
  let used = 0;
  let size = text.length;
  const formatted = text.replace(DIRECTIVE, (_whole, name?: string, flags = '', width = '', precision?: string, kind?: string) => {
    if (kind === '%') return '%';
    if (kind === undefined) throw new TemplateError('format: a % is not followed by a kind.');
    if (name === undefined && used >= positional.length) throw new TemplateError('format: there are more placeholders than values.');
    const value = name === undefined ? element(positional[used++]) : namedValue(named, name);
    if (width !== '' || precision !== undefined) rendering.refuseSecretText(value, 'A format with a width or a precision');
    const body = converted(kind, value, precision === undefined ? undefined : Number(precision), flags, rendering);
    const part = padded(body, flags, Math.min(Number(width), MAX_WIDTH));
    size += part.length;
    rendering.spendText(size);
    return part;
  });
  if (used < positional.length) throw new TemplateError('format: there are more values than placeholders.');
  return formatted;
}

function namedValue(named: Json, name: string): Json {
  if (!isObject(named) || !Object.hasOwn(named, name)) throw new TemplateError(`format: there is no value named ${name}.`);
  return element(named[name]);
}

function converted(kind: string, value: Json, precision: number | undefined, flags: string, rendering: Rendering): string {
  if (kind === 's') return textOf(value, rendering).slice(0, precision);
  if (kind === 'r') return jsonTextOf(value, rendering);
  if (kind === 'c') return characterOf(value);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`format: %${kind} needs a number, not ${kindOf(value)}.`);
  const sign = number < 0 || Object.is(number, -0) ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  return sign + magnitude(kind, Math.abs(number), precision ?? 6);
}

function characterOf(value: Json): string {
  if (typeof value === 'string' && Array.from(value).length === 1) return value;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0x10ffff)
    throw new TemplateError('format: %c needs one character, or its number.');
  return String.fromCodePoint(value);
}

function magnitude(kind: string, number: number, precision: number): string {
  switch (kind) {
    case 'd':
    case 'i':
      return String(Math.trunc(number));
    case 'f':
    case 'F':
      return roundedHalfEven(number, precision).toFixed(precision);
    case 'e':
      return number.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2');
    case 'g':
      return shortest(number, Math.max(1, precision));
    case 'x':
      return Math.trunc(number).toString(16);
    case 'X':
      return Math.trunc(number).toString(16).toUpperCase();
    case 'o':
      return Math.trunc(number).toString(8);
    default:
      throw new TemplateError(`format: %${kind} is unknown.`);
  }
}

/** Of %g: with an exponent where the number is small or longer than the precision. */
function shortest(number: number, precision: number): string {
  const [mantissa = '', exponent = '0'] = number.toExponential(precision - 1).split('e');
  const power = Number(exponent);
  if (power >= -4 && power < precision) return String(Number(number.toPrecision(precision)));
  const digits = Math.abs(power) < 10 ? `0${Math.abs(power)}` : String(Math.abs(power));
  return `${String(Number(mantissa))}e${power < 0 ? '-' : '+'}${digits}`;
}

function padded(body: string, flags: string, width: number): string {
  if (flags.includes('-')) return body.padEnd(width);
  if (!flags.includes('0') || !/^[-+ ]?\d/.test(body)) return body.padStart(width);
  const sign = /^[-+ ]/.test(body) ? body.slice(0, 1) : '';
  return sign + body.slice(sign.length).padStart(width - sign.length, '0');
}
