import { isObject } from '../../values.js';
import { element } from '../access.js';
import { filter, type Filters } from '../operation.js';
import { kindOf, textOf } from '../operators.js';
import { type Rendering } from '../rendering.js';
import { TemplateError } from '../template-error.js';
import { flagArgument } from './arguments.js';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

/** Names of characters that texts of the web really use; others stay as they are written. */
const ENTITIES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', hellip: '…', ndash: '–', mdash: '—' },
    ...{ lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', sbquo: '‚', bdquo: '„', laquo: '«', raquo: '»', bull: '•', middot: '·', deg: '°', euro: '€' },
    ...{ pound: '£', yen: '¥', cent: '¢', sect: '§', para: '¶', times: '×', divide: '÷', plusmn: '±', frac12: '½', shy: '\u00ad', larr: '←', rarr: '→' },
    ...{ auml: 'ä', ouml: 'ö', uuml: 'ü', Auml: 'Ä', Ouml: 'Ö', Uuml: 'Ü', szlig: 'ß', eacute: 'é', egrave: 'è', ecirc: 'ê', euml: 'ë', agrave: 'à' },
    ...{ aacute: 'á', acirc: 'â', aring: 'å', aelig: 'æ', ccedil: 'ç', iacute: 'í', ntilde: 'ñ', oacute: 'ó', ocirc: 'ô', oslash: 'ø', uacute: 'ú' },
  }),
); // prettier-ignore
const ENTITY = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z][a-zA-Z0-9]{1,31}));/g;

export function escaped(text: string, rendering: Rendering): string {
  const safe = text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
  rendering.spendText(safe.length);
  return safe;
}

function unescaped(text: string): string {
  return text.replace(ENTITY, (whole, decimal?: string, hexadecimal?: string, name?: string) => {
    if (name !== undefined) return ENTITIES.get(name) ?? whole;
    const point = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal);
    return point === 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? '\ufffd' : String.fromCodePoint(point);
  });
}

/** What stands from `start` to the next `end` goes, again and again; what is not ended stays. Linear, as a pattern would not be. */
function without(text: string, start: string, end: string): string {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    const begin = text.indexOf(start, at);
    const close = begin < 0 ? -1 : text.indexOf(end, begin);
    if (close < 0) return parts.join('') + text.slice(at);
    parts.push(text.slice(at, begin));
    at = close + end.length;
  }
}

const escape = filter([], (value, _args, { rendering }) => escaped(textOf(value, rendering), rendering));

const striptags = filter([], (value, _args, { rendering }) => {
  const text = textOf(value, rendering);
  rendering.spendText(text.length * 2);
  const plain = without(without(text, '<!--', '-->'), '<', '>');
  return unescaped(plain.replace(/\s+/g, ' ').trim());
});

/** A mapping as attributes of a tag; null and undefined are left out. */
const xmlattr = filter(['autospace'], (value, [autospace], { rendering }) => {
  const mapping = element(value);
  if (!isObject(mapping)) throw new TemplateError(`xmlattr needs a mapping, not ${kindOf(mapping)}.`);
  rendering.spend(Object.keys(mapping).length);
  const parts = Object.entries(mapping).flatMap(([name, part]) => {
    if (part === null || part === undefined) return [];
    if (/[\s/>=]/.test(name)) throw new TemplateError('xmlattr: a name has a character that no attribute can have.');
    return `${escaped(name, rendering)}="${escaped(textOf(part, rendering), rendering)}"`;
  });
  rendering.spendText(parts.reduce((length, part) => length + part.length + 1, 0));
  return parts.length > 0 && flagArgument(autospace, true) ? ` ${parts.join(' ')}` : parts.join(' ');
});

export const MARKUP_FILTERS: Filters = { escape, e: escape, forceescape: escape, striptags, xmlattr };
