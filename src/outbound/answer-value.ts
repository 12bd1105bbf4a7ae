import { type OutboundResponse } from '../engine/outbound-port.js';
import { type Json, type JsonObject } from '../engine/values.js';

const MAX_DEPTH = 64;
/** May a text have a key `__proto__`, written out or escaped? */
const FORBIDDEN_KEY = /__proto__|\\u005f/i;

/** What the body of an answer is as a value. */
export interface AnswerData {
  readonly data: Json;
  readonly encoding?: 'base64';
}

/**
 * The value of an http step: `{status_code, headers, url, elapsed, data}`, elapsed in seconds. `data` is the parsed
 * body where the content type says JSON, else its text. JSON that is broken, deeper than 64 levels or has a key
 * `__proto__` stays text. A body that is no text becomes base64, and the value says `encoding: base64`.
 */
export function answerValue(response: OutboundResponse): JsonObject {
  return { ...answerHead(response), ...answerData(response.body, contentTypeOf(response)) };
}

/** The value without what comes of the body. */
export function answerHead({ status, headers, url, elapsedMs }: Omit<OutboundResponse, 'body'>): JsonObject {
  return { status_code: status, headers: { ...headers }, url, elapsed: elapsedMs / 1000 };
}

export const contentTypeOf = ({ headers }: Pick<OutboundResponse, 'headers'>): string => String(headers['content-type'] ?? '');

export function answerData(body: Uint8Array, contentType: string): AnswerData {
  const [mediaType = '', ...parameters] = contentType.split(';');
  const text = decodeText(body, charsetOf(parameters));
  if (text === null) return { data: Buffer.from(body).toString('base64'), encoding: 'base64' };
  return { data: isJson(mediaType.trim().toLowerCase()) ? parseJson(text) : text };
}
function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType === 'text/json' || mediaType.endsWith('+json');
}

function charsetOf(parameters: readonly string[]): string {
  const charset = parameters.map((parameter) => parameter.trim().toLowerCase()).find((parameter) => parameter.startsWith('charset='));
  return charset?.slice('charset='.length).replaceAll('"', '') ?? 'utf-8';
}

/** Null for bytes that are no text: not in the declared charset, or with NUL, which no text column can hold. */
function decodeText(body: Uint8Array, charset: string): string | null {
  try {
    const text = decoderFor(charset).decode(body);
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}

function decoderFor(charset: string): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder(charset, { fatal: true });
  } catch {
    return new TextDecoder('utf-8', { fatal: true }); // a charset nobody knows
  }
}

/** An empty body is null. */
function parseJson(text: string): Json {
  if (text.trim() === '') return null;
  if (isTooDeep(text)) return text;
  try {
    const parsed = JSON.parse(text) as Json;
    // Not by a reviver: for a large answer that takes several times the time and the memory of all the rest.
    return FORBIDDEN_KEY.test(text) && hasForbiddenKey(parsed) ? text : parsed;
  } catch {
    return text;
  }
}

/** A parsed key is the value's own, whatever it is called; the depth is bounded. */
function hasForbiddenKey(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasForbiddenKey);
  for (const key in value) if (key === '__proto__' || hasForbiddenKey(value[key]!)) return true;
  return false;
}

/** Counts brackets outside strings before anything recursive sees the text. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** Where the string that begins at `start` ends: at the next quote that no backslash escapes, or else with the text. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (text[before - 1] === '\\') before -= 1;
    if ((quote - before) % 2 === 0) return quote;
  }
  return text.length;
}
