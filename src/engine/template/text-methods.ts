import { firstIn, lastIn, splitAt } from '../find-text.js';
import { element, settled } from './access.js';
import { strftime } from './filters/dates.js';
import { strFormat } from './filters/str-format.js';
import { capitalized, centered, replaced, splitText, stripped } from './filters/text-operations.js';
import { itemsOf, kindOf, textOf } from './operators.js';
import { type Rendering } from './rendering.js';
import { TemplateError } from './template-error.js';
import { type JsonObject } from '../values.js';

/** `named` are the arguments with a name; only `format` takes any. */
export type Method<Value> = (value: Value, args: readonly unknown[], rendering: Rendering, named: JsonObject) => unknown;

const MAX_WIDTH = 1_000;

/** Python's methods of texts that only make another value. */
export const TEXT_METHODS: ReadonlyMap<string, Method<string>> = new Map<string, Method<string>>([
  ['upper', (value, _args, rendering) => counted(value.toUpperCase(), rendering)],
  ['lower', (value, _args, rendering) => counted(value.toLowerCase(), rendering)],
  ['title', (value, _args, rendering) => counted(value.replace(/\p{L}+/gu, capitalized), rendering)],
  ['capitalize', (value, _args, rendering) => counted(capitalized(value), rendering)],
  ['strip', (value, [characters]) => stripped(value, optionalText(characters), 'both')],
  ['lstrip', (value, [characters]) => stripped(value, optionalText(characters), 'start')],
  ['rstrip', (value, [characters]) => stripped(value, optionalText(characters), 'end')],
  ['removeprefix', (value, [start]) => (value.startsWith(text(start, 'removeprefix')) ? value.slice(text(start, 'removeprefix').length) : value)],
  ['removesuffix', (value, [end]) => (value.endsWith(text(end, 'removesuffix')) ? value.slice(0, value.length - text(end, 'removesuffix').length) : value)],
  ['split', (value, [separator, limit], rendering) => splitText(value, optionalText(separator), optionalCount(limit), rendering)],
  ['rsplit', (value, [separator, limit], rendering) => splitFromEnd(value, optionalText(separator), optionalCount(limit), rendering)],
  ['splitlines', (value, _args, rendering) => splitText(value.replace(/\r\n?/g, '\n').replace(/\n$/, ''), '\n', Number.POSITIVE_INFINITY, rendering).slice(value === '' ? 1 : 0)],
  ['partition', (value, [separator]) => parted(value, text(separator, 'partition'), firstIn(value, text(separator, 'partition'))) ?? [value, '', '']],
  ['rpartition', (value, [separator]) => parted(value, text(separator, 'rpartition'), lastIn(value, text(separator, 'rpartition'))) ?? ['', '', value]],
  ['replace', (value, [from, to, limit], rendering) => replaced(value, text(from, 'replace'), text(to, 'replace'), optionalCount(limit), rendering)],
  ['startswith', (value, [starts], rendering) => oneOf(starts, 'startswith').some((start) => looked(start, rendering) && value.startsWith(start))],
  ['endswith', (value, [ends], rendering) => oneOf(ends, 'endswith').some((end) => looked(end, rendering) && value.endsWith(end))],
  ['find', (value, [part], rendering) => characterAt(value, firstIn(value, text(part, 'find')), rendering)],
  ['rfind', (value, [part], rendering) => characterAt(value, lastIn(value, text(part, 'rfind')), rendering)],
  ['index', (value, [part], rendering) => found('index', characterAt(value, firstIn(value, text(part, 'index')), rendering))],
  ['rindex', (value, [part], rendering) => found('rindex', characterAt(value, lastIn(value, text(part, 'rindex')), rendering))],
  ['count', (value, [part], rendering) => {
    rendering.spendText(value.length);
    const wanted = text(part, 'count');
    return wanted === '' ? Array.from(value).length + 1 : splitAt(value, wanted).length - 1;
  }],
  ['zfill', (value, [width], rendering) => {
    const sign = /^[-+]/.test(value) ? value.slice(0, 1) : '';
    return counted(sign + value.slice(sign.length).padStart(widthOf(width, 'zfill') - sign.length, '0'), rendering);
  }],
  ['ljust', (value, [width, fill], rendering) => counted(value.padEnd(widthOf(width, 'ljust'), optionalText(fill) ?? ' '), rendering)],
  ['rjust', (value, [width, fill], rendering) => counted(value.padStart(widthOf(width, 'rjust'), optionalText(fill) ?? ' '), rendering)],
  ['center', (value, [width, fill], rendering) => counted(centered(value, widthOf(width, 'center'), optionalText(fill) ?? ' '), rendering)],
  ['swapcase', (value, _args, rendering) => counted(value.replace(/\p{L}/gu, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase())), rendering)],
  ['casefold', (value, _args, rendering) => counted(value.toLowerCase().replaceAll('ß', 'ss'), rendering)],
  ['expandtabs', (value, [size], rendering) => withoutTabs(value, element(size) === null ? 8 : widthOf(size, 'expandtabs'), rendering)],
  ['istitle', (value) => /\p{L}/u.test(value) && value === value.replace(/\p{L}+/gu, capitalized)],
  ['isascii', (value) => /^[\0-\x7f]*$/.test(value)],
  ['isdecimal', (value) => /^\p{Nd}+$/u.test(value)],
  ['isdigit', (value) => /^\p{Nd}+$/u.test(value)],
  ['isnumeric', (value) => /^\p{N}+$/u.test(value)],
  ['isalpha', (value) => /^\p{L}+$/u.test(value)],
  ['isalnum', (value) => /^[\p{L}\p{N}]+$/u.test(value)],
  ['isspace', (value) => /^\s+$/.test(value)],
  ['isupper', (value) => value === value.toUpperCase() && value !== value.toLowerCase()],
  ['islower', (value) => value === value.toLowerCase() && value !== value.toUpperCase()],
  ['join', (value, [items], rendering) => {
    const parts = itemsOf(items, rendering).map((item) => textOf(item, rendering));
    rendering.spendText(parts.reduce((length, part) => length + part.length + value.length, 0));
    return parts.join(value);
  }],
  ['format', (value, args, rendering, named) => strFormat(value, args, named, rendering)],
  // Dates are ISO texts here; documents written for datetime objects still call these.
  ['isoformat', (value) => value],
  ['strftime', (value, [pattern], rendering) => strftime(value, text(pattern, 'strftime'), rendering)],
]); // prettier-ignore

function counted(value: string, rendering: Rendering): string {
  rendering.spendText(value.length);
  return value;
}

function looked(value: string, rendering: Rendering): true {
  rendering.spendLook(value.length);
  return true;
}

function text(value: unknown, method: string): string {
  const plain = element(value);
  if (typeof plain !== 'string') throw new TemplateError(`${method} needs a text, not ${kindOf(plain)}.`);
  return plain;
}

/** A text, or a list of which any may do. */
function oneOf(value: unknown, method: string): readonly string[] {
  const plain = settled(value);
  return Array.isArray(plain) ? plain.map((item) => text(item, method)) : [text(plain, method)];
}

function optionalText(value: unknown): string | undefined {
  const plain = element(value);
  return typeof plain === 'string' ? plain : undefined;
}

function optionalCount(value: unknown): number {
  const plain = element(value);
  return typeof plain === 'number' && plain >= 0 ? plain : Number.POSITIVE_INFINITY;
}

function widthOf(value: unknown, method: string): number {
  const plain = element(value);
  if (typeof plain !== 'number' || !Number.isInteger(plain)) throw new TemplateError(`${method} needs a width, not ${kindOf(plain)}.`);
  return Math.min(plain, MAX_WIDTH);
}

function found(method: string, at: number): number {
  if (at < 0) throw new TemplateError(`${method}: there is no such part in the text.`);
  return at;
}

/** Each tab goes to the next multiple of `size`. */
function withoutTabs(value: string, size: number, rendering: Rendering): string {
  const lines = value.split('\n').map((line) => {
    const parts = line.split('\t');
    let length = 0;
    return parts.map((part, index) => {
      const width = Array.from(part).length;
      const missing = index === parts.length - 1 || size < 1 ? 0 : size - ((length + width) % size);
      length += width + missing;
      rendering.spendText(length);
      return part + ' '.repeat(missing);
    });
  });
  return counted(lines.map((parts) => parts.join('')).join('\n'), rendering);
}

/** A position in characters, as subscripts count them. */
function characterAt(value: string, at: number, rendering: Rendering): number {
  rendering.spendText(value.length);
  return at < 0 ? -1 : Array.from(value.slice(0, at)).length;
}

function parted(value: string, separator: string, at: number): string[] | undefined {
  if (separator === '') throw new TemplateError('The separator is empty.');
  return at < 0 ? undefined : [value.slice(0, at), separator, value.slice(at + separator.length)];
}

/** As split, but cut from the end: what is left whole is the beginning. */
function splitFromEnd(value: string, separator: string | undefined, limit: number, rendering: Rendering): string[] {
  const parts = splitText(value, separator, Number.POSITIVE_INFINITY, rendering);
  if (parts.length - 1 <= limit) return parts;
  const cut = limit === 0 ? [] : parts.slice(-limit);
  if (separator !== undefined) return [parts.slice(0, parts.length - limit).join(separator), ...cut];
  let rest = value.trimEnd();
  for (const part of cut.toReversed()) rest = rest.slice(0, rest.length - part.length).trimEnd();
  return [rest.trimStart(), ...cut];
}
