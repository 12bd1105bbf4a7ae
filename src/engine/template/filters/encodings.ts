import { isObject } from '../../values.js';
import { type Encoding } from '../../auth/secret-markers.js';
import { element, settled } from '../access.js';
import { filter, type Filters } from '../operation.js';
import { textOf } from '../operators.js';
import { type Rendering } from '../rendering.js';
import { TemplateError } from '../template-error.js';

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** As Python's quote: slashes stay. */
function percentEncoded(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return encodeURIComponent(wellFormed).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A text with secrets in it is encoded when they are known; undefined for any other. */
function encodedLater(encoding: Encoding, value: unknown, rendering: Rendering): string | undefined {
  if (rendering.secrets === null || !rendering.secrets.isIn(settled(value))) return undefined;
  const plain = settled(value);
  const later = typeof plain === 'string' ? rendering.secrets.encoded(encoding, plain) : null;
  if (later === null) throw new TemplateError('A secret can be encoded only as a text, in the fields of the step that uses it.');
  return later;
}

/** A text is percent-encoded; a mapping or a list of pairs becomes a query string, where blanks are +. */
const urlencode = filter([], (value, _args, { rendering }) => {
  const later = encodedLater('url', value, rendering);
  if (later !== undefined) return later;
  const plain = element(value);
  const pairs = isObject(plain) ? Object.entries(plain) : Array.isArray(plain) ? plain : undefined;
  const encode = (part: unknown) => {
    const text = textOf(part, rendering);
    rendering.spendText(text.length * 3);
    return percentEncoded(text);
  };
  if (pairs === undefined) return encode(plain).replaceAll('%2F', '/');
  rendering.spend(pairs.length);
  return pairs
    .map((pair) => {
      if (!Array.isArray(pair) || pair.length !== 2) throw new TemplateError('urlencode needs a text, a mapping or a list of pairs.');
      return `${encode(pair[0])}=${encode(pair[1])}`.replaceAll('%20', '+');
    })
    .join('&');
});

export const ENCODING_FILTERS: Filters = {
  urlencode,
  b64encode: filter([], (value, _args, { rendering }) => {
    const later = encodedLater('base64', value, rendering);
    if (later !== undefined) return later;
    const text = textOf(value, rendering);
    rendering.spendText(Math.ceil(text.length / 3) * 4);
    return Buffer.from(text, 'utf8').toString('base64');
  }),
  b64decode: filter([], (value, _args, { rendering }) => {
    const text = textOf(value, rendering).trim();
    rendering.spendLook(text.length);
    if (!BASE64.test(text)) throw new TemplateError('b64decode: the text is not base64.');
    return Buffer.from(text, 'base64').toString('utf8');
  }),
};
