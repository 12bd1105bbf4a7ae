/**
 * What JavaScript code finds around itself in QuickJS, as a script whose value is {prepare, finish}: `console`, nothing of
 * the host. It runs before the code does and keeps the functions it needs, so that code can only spoil its own result.
 */
export const JAVASCRIPT_PRELUDE = String.raw`
(function (log, logCharacters) {
  'use strict';
  const { stringify, parse } = JSON;
  const { isArray } = Array;
  const { keys, create, fromEntries } = Object;
  const { isView } = ArrayBuffer;
  const { isFinite, isSafeInteger } = Number;
  const Text = String, SetOf = Set, MapOf = Map, DateOf = Date, ErrorOf = Error, MAX_DEPTH = 100;
  const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

  class Refused extends Error {}
  const unstorable = (path, what) => new Refused('the result' + path + ' ' + what);

  function base64(bytes) {
    let text = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const left = bytes.length - at;
      const group = (bytes[at] << 16) | ((bytes[at + 1] || 0) << 8) | (bytes[at + 2] || 0);
      text += LETTERS[group >> 18] + LETTERS[(group >> 12) & 63] + (left > 1 ? LETTERS[(group >> 6) & 63] : '=') + (left > 2 ? LETTERS[group & 63] : '=');
    }
    return text;
  }

  /** The value as JSON has it: dates ISO text, integers beyond 2^53 text, bytes base64, sets lists, maps objects; undefined members are left out. */
  function storable(value, path, depth) {
    if (value === null || value === undefined) return null;
    if (typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number') {
      if (isFinite(value)) return value;
      throw unstorable(path, 'is ' + value + ', which JSON does not have');
    }
    if (typeof value === 'bigint') {
      const number = Number(value);
      return isSafeInteger(number) ? number : Text(value);
    }
    if (typeof value !== 'object') throw unstorable(path, 'is a ' + typeof value + ', which JSON does not have');
    if (depth > MAX_DEPTH) throw unstorable('', 'is nested deeper than ' + MAX_DEPTH + ' levels or contains itself');
    if (value instanceof DateOf) return isFinite(value.getTime()) ? value.toISOString() : storable(NaN, path, depth);
    if (value instanceof ArrayBuffer) return base64(new Uint8Array(value));
    if (isView(value)) return base64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    if (value instanceof Promise) throw unstorable(path, 'is a promise, which JSON does not have');
    if (value instanceof SetOf) value = [...value];
    if (value instanceof MapOf) value = fromEntries(value);
    const below = (key) => (path.length < 200 ? path + key : path);
    if (isArray(value)) {
      const list = [];
      for (let index = 0; index < value.length; index++) list[index] = storable(value[index], below('[' + index + ']'), depth + 1);
      return list;
    }
    if (typeof value.toJSON === 'function') return storable(value.toJSON(), path, depth + 1);
    const found = create(null);
    for (const key of keys(value)) if (value[key] !== undefined) found[key] = storable(value[key], below('.' + key), depth + 1);
    return found;
  }

  function shown(value) {
    if (typeof value === 'string') return value;
    if (value instanceof ErrorOf) return value.name + ': ' + value.message;
    try {
      const text = typeof value === 'object' && value !== null ? stringify(value) : undefined;
      return text === undefined ? Text(value) : text;
    } catch {
      return Text(value);
    }
  }

  const print = (...values) => {
    let line = '';
    for (const value of values) if (line.length <= logCharacters) line += (line === '' ? '' : ' ') + shown(value).slice(0, logCharacters + 1);
    log(line + '\n');
  };
  globalThis.console = { log: print, info: print, warn: print, error: print, debug: print };

  return {
    prepare(text) {
      const request = parse(text);
      globalThis.context = request.context || {};
      return request.inputs;
    },
    /** The call's value: what main() gives, or the variable called result. */
    begin(inputs, main, result) {
      if (typeof main === 'function') return main(inputs, globalThis.context);
      if (result !== undefined) return result;
      throw new Refused('the code defines neither main() nor a variable called result');
    },
    // Nothing where a toJSON of the code's own says so.
    finish: (value) => stringify(storable(value, '', 0)) ?? 'null',
    refused: (error) => error instanceof Refused,
  };
})`;
