import { type RequestLimits } from '../config/request-limits.js';
import { type ErrorCode } from '../engine/error-codes.js';
import { EngineError } from '../engine/engine-error.js';

/** Structural limits of a request body. */
export type BodyLimits = Pick<RequestLimits, 'jsonDepth' | 'jsonNodes' | 'jsonKeysPerObject' | 'jsonItemsPerArray'>;

const QUOTE = 34;
const COMMA = 44;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const LOWER_U = 117;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** A container that is open at the scanned position. */
interface Open {
  readonly isObject: boolean;
  /** Keys of an object, items of a list, seen so far. */
  count: number;
  expectsKey: boolean;
}

function refuse(code: ErrorCode, message: string, at: number): never {
  throw new EngineError('unreadable', code, `${message} (character ${at})`);
}

/**
 * One linear pass over the text of a JSON body, before it is parsed: JSON.parse accepts a million levels, rounds big integers and lets
 * lone surrogates, NUL and `__proto__` through, all of which break things further in. Only limits are checked here; whether the
 * text is JSON at all is JSON.parse's to say. Throws EngineError of kind `unreadable`.
 */
export function scanBody(text: string, limits: BodyLimits): void {
  const stack: Open[] = [];
  let open: Open | undefined;
  let nodes = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char <= 32 || char === 58) continue;
    if (char === COMMA) {
      if (open?.isObject) open.expectsKey = true;
      continue;
    }
    if (char === CLOSE_OBJECT || char === CLOSE_LIST) {
      stack.pop();
      open = stack[stack.length - 1];
      continue;
    }
    if (char === QUOTE && open?.expectsKey) {
      open.expectsKey = false;
      if (++open.count > limits.jsonKeysPerObject)
        refuse('too_many_nodes', `An object has more than ${limits.jsonKeysPerObject} keys.`, at);
      const end = scanString(text, at);
      if (isProtoKey(text, at + 1, end)) refuse('forbidden_key', 'The key __proto__ is refused.', at);
      at = end;
      continue;
    }
    if (++nodes > limits.jsonNodes) refuse('too_many_nodes', `The body holds more than ${limits.jsonNodes} values.`, at);
    if (open && !open.isObject && ++open.count > limits.jsonItemsPerArray) {
      refuse('too_many_nodes', `A list has more than ${limits.jsonItemsPerArray} items.`, at);
    }
    if (char === QUOTE) at = scanString(text, at);
    else if (char === OPEN_OBJECT || char === OPEN_LIST) {
      if (stack.length === limits.jsonDepth) refuse('depth_exceeded', `The body is nested deeper than ${limits.jsonDepth} levels.`, at);
      open = { isObject: char === OPEN_OBJECT, count: 0, expectsKey: char === OPEN_OBJECT };
      stack.push(open);
    } else at = scanScalar(text, at);
  }
}

/** Returns the position of the closing quote, or of the end of an unclosed string. */
function scanString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) return at;
    if (char === 0) refuse('invalid_unicode', 'A string contains NUL.', at);
    if (char !== BACKSLASH) continue;
    at++;
    if (text.charCodeAt(at) !== LOWER_U) continue;
    const unit = hexUnit(text, at + 1);
    if (unit === 0) refuse('invalid_unicode', 'A string contains NUL.', at);
    if (unit >= 0xdc00 && unit <= 0xdfff) refuse('invalid_unicode', 'A string contains a lone surrogate.', at);
    at += 4;
    if (unit < 0xd800 || unit > 0xdbff) continue;
    const low = text.startsWith('\\u', at + 1) ? hexUnit(text, at + 3) : -1;
    if (low < 0xdc00 || low > 0xdfff) refuse('invalid_unicode', 'A string contains a lone surrogate.', at);
    at += 6;
  }
  return text.length;
}

/** Value of the four hexadecimal digits at a position; -1 where they are none (JSON.parse will refuse them). */
function hexUnit(text: string, at: number): number {
  const digits = text.slice(at, at + 4);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
}

/** True for `__proto__` in any spelling, escapes included. */
function isProtoKey(text: string, from: number, to: number): boolean {
  if (to - from === 9) return text.startsWith('__proto__', from);
  if (to - from < 9 || to - from > 54) return false;
  const raw = text.slice(from, to);
  return (
    raw.includes('\\') &&
    raw.replace(/\\u([0-9a-fA-F]{4})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))) === '__proto__'
  );
}

/** Skips a number or word; refuses numbers that a double cannot hold exactly. Returns the position of the last character. */
function scanScalar(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && isScalarChar(text.charCodeAt(end))) end++;
  const first = text.charCodeAt(start);
  const isNumber = first === MINUS || (first >= ZERO && first <= NINE);
  // Up to 15 digits are always exact; an exponent makes even a short number large.
  if (
    isNumber &&
    (end - start > 15 || hasExponent(text, start, end)) &&
    !(Math.abs(Number(text.slice(start, end))) <= Number.MAX_SAFE_INTEGER)
  ) {
    refuse('unsafe_number', 'A number is beyond what a double holds exactly; send it as a string.', start);
  }
  return end - 1;
}

function hasExponent(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((text.charCodeAt(at) | 32) === 101) return true;
  return false;
}

/** Letters, digits, sign and point: what numbers and the words true, false, null are made of. */
function isScalarChar(char: number): boolean {
  return (char >= ZERO && char <= NINE) || char === 43 || char === MINUS || char === 46 || ((char | 32) >= 97 && (char | 32) <= 122);
}
