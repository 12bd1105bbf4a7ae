import { isObject, type Json } from '../values.js';

/** Collects JSON text up to a limit, so that a state far too large is not written out in full only to be thrown away. */
export class JsonText {
  private readonly parts: string[] = [];
  private left: number;

  /** @param limit in characters */
  constructor(limit: number) {
    this.left = limit;
  }

  /** @throws TooLong */
  add(part: string): void {
    this.left -= part.length;
    if (this.left < 0) throw new TooLong();
    this.parts.push(part);
  }

  toString(): string {
    return this.parts.join('');
  }
}

export class TooLong extends Error {}

/** Writes values of one type as JSON text and reads them back from parsed JSON: exact, and sharing nothing with the original. */
export interface Codec<T> {
  /** Names the form, with all fields below: what was written in one form must not be read in another. */
  readonly shape: string;
  write(value: T, out: JsonText): void;
  /** @param json undefined where the field is absent */
  read(json: Json | undefined): T;
}

interface PlainCodec extends Codec<unknown> {
  readonly isPlain: true;
}

/** T where JSON holds it as it is; else something that T does not extend: maps, functions and undefined need a codec that says how. */
type Plain<T> = T extends Json
  ? T
  : T extends (...args: never[]) => unknown
    ? never
    : T extends object
      ? { [K in keyof T]: Plain<T[K]> }
      : never;

/** One codec for every field: a field that is added to T and not here does not compile. */
export type Fields<T> = { readonly [K in keyof T]-?: T[K] extends Plain<T[K]> ? PlainCodec | Codec<T[K]> : Codec<T[K]> };

/** Values that JSON holds as they are. */
export const PLAIN: PlainCodec = {
  isPlain: true,
  shape: '*',
  write: (value, out) => out.add(JSON.stringify(value)),
  read: (json) => {
    if (json === undefined) throw new Error('a field is absent');
    return json;
  },
};

export function record<T extends object>(fields: Fields<T>): Codec<T> {
  const entries = Object.entries<Codec<unknown>>(fields as Readonly<Record<string, Codec<unknown>>>);
  return {
    shape: `{${entries.map(([name, { shape }]) => `${name}:${shape}`).join()}}`,
    write(value, out) {
      let separator = '{';
      for (const [name, codec] of entries) {
        const field = (value as Readonly<Record<string, unknown>>)[name];
        if (field === undefined) continue;
        out.add(`${separator}"${name}":`);
        codec.write(field, out);
        separator = ',';
      }
      out.add(separator === '{' ? '{}' : '}');
    },
    read(json) {
      if (!isObject(json)) throw new Error('not a record');
      return Object.fromEntries(
        entries.map(([name, codec]) => [name, codec.read(Object.hasOwn(json, name) ? json[name] : undefined)]),
      ) as unknown as T;
    },
  };
}

/** A field that may be absent. */
export const optional = <T>(codec: Codec<T>): Codec<T | undefined> => ({
  shape: `${codec.shape}?`,
  write: (value, out) => (value === undefined ? out.add('null') : codec.write(value, out)),
  read: (json) => (json === undefined ? undefined : codec.read(json)),
});

/** A list whose places may be empty; empty places are null, so its elements must never be. */
export const sparseList = <T extends object>(codec: Codec<T>): Codec<(T | undefined)[]> => ({
  shape: `[${codec.shape}?]`,
  write: (values, out) => writeList(values, (value) => (value === undefined ? out.add('null') : codec.write(value, out)), out),
  read: (json) => listOf(json).map((value) => (value === null ? undefined : codec.read(value))),
});

/** A map, in its order. */
export function mapOf<K extends string | number, V>(codec: Codec<V>): Codec<Map<K, V>> {
  return {
    shape: `map(${codec.shape})`,
    write: (map, out) =>
      writeList(
        [...map],
        ([key, value]) => {
          out.add(`[${JSON.stringify(key)},`);
          codec.write(value, out);
          out.add(']');
        },
        out,
      ),
    read: (json) =>
      new Map(
        listOf(json).map((entry) => {
          const [key, value] = listOf(entry);
          return [key as K, codec.read(value)];
        }),
      ),
  };
}

function writeList<T>(values: readonly T[], write: (value: T) => void, out: JsonText): void {
  out.add('[');
  values.forEach((value, index) => {
    if (index > 0) out.add(',');
    write(value);
  });
  out.add(']');
}

function listOf(json: Json | undefined): Json[] {
  if (!Array.isArray(json)) throw new Error('not a list');
  return json;
}
