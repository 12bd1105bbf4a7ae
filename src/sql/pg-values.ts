import { type Json } from '../engine/values.js';

const MAX_DOUBLE_DIGITS = 15;

type Reader = (text: string) => Json;

/** Object ids of PostgreSQL's built-in types (pg_type.dat), which never change. */
const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [16, (text) => text === 't'], // bool
  [17, bytes], // bytea
  [20, integer], // int8
  [21, Number], // int2
  [23, Number], // int4
  [26, Number], // oid
  [114, json],
  [3802, json], // jsonb
  [700, real], // float4
  [701, real], // float8
  [1700, decimal], // numeric
  [1114, timestamp], // timestamp
  [1184, timestamp], // timestamptz
]);

/** Arrays by the type of their elements. */
const ARRAYS: ReadonlyMap<number, number> = new Map([
  ...([[1000, 16], [1001, 17], [1016, 20], [1005, 21], [1007, 23], [1028, 26], [199, 114], [3807, 3802], [1021, 700], [1022, 701]] as const),
  ...([[1231, 1700], [1115, 1114], [1185, 1184], [1009, 25], [1015, 1043], [1014, 1042], [1002, 18], [1003, 19], [1182, 1082]] as const),
  ...([[1183, 1083], [1270, 1266], [1187, 1186], [2951, 2950], [1041, 869]] as const),
]); // prettier-ignore

/**
 * A column's text as JSON: booleans, numbers where a double holds them exactly (else text), json parsed, times ISO 8601,
 * bytes base64, arrays as lists, everything else as the text PostgreSQL shows.
 */
export function readColumn(text: string | null, type: number): Json {
  if (text === null) return null;
  const element = ARRAYS.get(type);
  if (element !== undefined) return readArray(text, READERS.get(element) ?? ((item) => item));
  const reader = READERS.get(type);
  return reader ? reader(text) : text;
}

function bytes(text: string): Json {
  return text.startsWith('\\x') ? Buffer.from(text.slice(2), 'hex').toString('base64') : text;
}

function integer(text: string): Json {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

function real(text: string): Json {
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

/** Fifteen significant digits are what every double gives back. */
function decimal(text: string): Json {
  const number = Number(text);
  if (!Number.isFinite(number)) return text;
  const digits = text.replace(/^-/, '').replace('.', '').replace(/^0+/, '');
  const significant = text.includes('.') ? digits.replace(/0+$/, '') : digits;
  return significant.length <= MAX_DOUBLE_DIGITS || (Number.isSafeInteger(number) && String(number) === text) ? number : text;
}

/** JSON whose numbers that a double would change arrive as text. */
export function json(text: string): Json {
  if (!/\d{16}/.test(text)) return JSON.parse(text) as Json;
  const exact = (_key: string, value: Json, context: { readonly source?: string }): Json =>
    typeof value === 'number' && context.source !== undefined && !isExact(value, context.source) ? context.source : value;
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown) as Json;
}

function isExact(value: number, source: string): boolean {
  return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value) && source.replace(/\D/g, '').length <= 17;
}

/** `2024-01-02 03:04:05.6+02` as 2024-01-02T03:04:05.6+02:00; infinity, years before Christ and the like stay as they are. */
function timestamp(text: string): Json {
  const parts = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-]\d\d)(?::?(\d\d))?)?$/.exec(text);
  if (!parts) return text;
  const [, date, time, hours, minutes = '00'] = parts;
  const zone = hours === undefined ? '' : hours === '+00' && minutes === '00' ? 'Z' : `${hours}:${minutes}`;
  return `${date}T${time}${zone}`;
}

/** `{1,NULL,"a,b",{…}}`; with bounds before it (`[0:1]={…}`) only the elements count. */
function readArray(text: string, read: Reader): Json {
  const start = text.indexOf('{');
  if (start < 0) return text;
  const stack: Json[][] = [];
  let whole: Json[] | null = null;
  for (let at = start; at < text.length;) {
    const character = text[at]!;
    if (character === '{') {
      const list: Json[] = [];
      stack.at(-1)?.push(list);
      stack.push(list);
      at += 1;
    } else if (character === '}') {
      whole = stack.pop() ?? null;
      at += 1;
    } else if (character === ',') at += 1;
    else {
      const quoted = character === '"';
      const pattern = quoted ? QUOTED_ITEM : PLAIN_ITEM;
      pattern.lastIndex = at;
      const [token] = pattern.exec(text) ?? [''];
      if (token === '') return text;
      const item = quoted ? token.slice(1, -1).replace(/\\(.)/gs, '$1') : token;
      stack.at(-1)?.push(!quoted && item === 'NULL' ? null : read(item));
      at += token.length;
    }
  }
  return whole ?? text;
}

const QUOTED_ITEM = /"(?:[^"\\]|\\[\s\S])*"/y;
const PLAIN_ITEM = /[^,{}"]+/y;
