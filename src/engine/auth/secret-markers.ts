import { isObject, type Json } from '../values.js';

export const REDACTED = '[REDACTED]';

/** What may be done to a text with secrets before they are known; done to it once they are. */
export const ENCODINGS = ['base64', 'url', 'sql_string'] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** What a marker stands for. */
export type SecretReference =
  /** A field of a credential of the request, by its place in the list. */
  | { readonly credential: number; readonly field: string }
  /** A named secret of the operator. */
  | { readonly secret: string }
  /** A text with markers in it, encoded when they are replaced. */
  | { readonly encode: Encoding; readonly text: string };

/** Marker of one rendering: letters, digits and `_` alone, so that it means the same in URLs, headers, JSON and SQL. */
const MARKER = /__secret_([0-9a-f]{32})_(\d{1,6})__/g;
/** Reference that a `secrets` step leaves as its value: authenticated by encryption, so that nobody else can make one. */
const SEALED = /__sealed_([0-9a-f]{32,})__/g;
export const SEALED_START = '__sealed_';
const ANY = /__secret_[0-9a-f]{32}_\d{1,6}__|__sealed_[0-9a-f]{32,}__/g;

/** The text that stands for a value that was sealed. @param token hexadecimal, lower case */
export const sealedText = (token: string): string => `${SEALED_START}${token}__`;

/**
 * The secrets of one rendering. Templates get markers for them, pure text without any secret. A marker carries a nonce that was drawn for this
 * rendering alone: no value that a template can see has it, so nothing that looks like a marker is ever taken for one.
 */
export class SecretSession {
  readonly references: SecretReference[] = [];
  private readonly markers = new Map<string, string>();
  private drawn: string | null = null;

  /**
   * @param draw a fresh nonce; drawn with the first marker, since most renderings have none
   * @param isSealable a request is being rendered: what the markers stand for will be recorded beside it
   */
  constructor(
    private readonly draw: () => string,
    public isSealable: boolean,
  ) {}

  get nonce(): string {
    return (this.drawn ??= this.draw());
  }

  private get start(): string {
    return `__secret_${this.nonce}_`;
  }

  /** The marker of a reference; equal references have one. */
  mark(reference: SecretReference): string {
    const key = JSON.stringify(reference);
    let marker = this.markers.get(key);
    if (marker === undefined) {
      marker = `${this.start}${this.references.length}__`;
      this.references.push(reference);
      this.markers.set(key, marker);
    }
    return marker;
  }

  /** A text with secrets in it, to be encoded once they are known. Null where nothing will ever know them. */
  encoded(encode: Encoding, text: string): string | null {
    return this.isSealable ? this.mark({ encode, text }) : null;
  }

  /** True where a marker, or what a `secrets` step left, stands in the value. */
  isIn(value: unknown): boolean {
    if (typeof value === 'string') return value.includes(SEALED_START) || (this.references.length > 0 && value.includes(this.start));
    if (Array.isArray(value)) return value.some((item) => this.isIn(item));
    if (!isObject(value)) return false;
    for (const key in value) if (Object.hasOwn(value, key) && this.isIn(value[key])) return true;
    return false;
  }
}

/** Replaces the markers of one rendering in every text of a value; what carries another nonce stays text. Shares what has none. */
export function replaceMarkers(value: Json, nonce: string, secretOf: (index: number) => string): Json {
  return mapTexts(value, (text) =>
    text.includes(nonce)
      ? text.replace(MARKER, (whole, of: string, index: string) => (of === nonce ? secretOf(Number(index)) : whole))
      : text,
  );
}

/** What a value holds of `secrets` steps, each once. */
export function sealedIn(value: Json): string[] {
  const found = new Set<string>();
  mapTexts(value, (text) => {
    if (text.includes(SEALED_START)) for (const [, token] of text.matchAll(SEALED)) found.add(token!);
    return text;
  });
  return [...found];
}

/** Whether what may be of a `secrets` step stands in the value. */
export function holdsSealed(value: Json): boolean {
  if (typeof value === 'string') return value.includes(SEALED_START);
  if (Array.isArray(value)) return value.some(holdsSealed);
  if (!isObject(value)) return false;
  for (const key in value) if (key.includes(SEALED_START) || holdsSealed(value[key]!)) return true;
  return false;
}

export function replaceSealed(value: Json, secrets: ReadonlyMap<string, string>): Json {
  return mapTexts(value, (text) =>
    text.includes(SEALED_START) ? text.replace(SEALED, (whole, token: string) => secrets.get(token) ?? whole) : text,
  );
}

/** Whatever looks like a marker is not shown. */
export function maskMarkers(text: string): string {
  return text.includes('__se') ? text.replace(ANY, REDACTED) : text;
}

export const withoutMarkers = <T extends Json>(value: T): T => mapTexts(value, maskMarkers) as T;

/** A value with its texts changed, keys included; what does not change is shared. */
export function mapTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) {
    let list: Json[] | null = null;
    value.forEach((item, index) => {
      const changed = mapTexts(item, change);
      if (changed !== item) (list ??= [...value])[index] = changed;
    });
    return list ?? value;
  }
  if (!isObject(value)) return value;
  let isChanged = false;
  const entries = Object.entries(value).map(([key, item]) => {
    const [newKey, changed] = [change(key), mapTexts(item, change)];
    isChanged ||= newKey !== key || changed !== item;
    return [newKey, changed] as const;
  });
  return isChanged ? Object.fromEntries(entries) : value;
}

export function encodeText(encoding: Encoding, text: string): string {
  switch (encoding) {
    case 'base64':
      return Buffer.from(text, 'utf8').toString('base64');
    case 'url':
      return encodeURIComponent(text.toWellFormed()).replace(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      );
    case 'sql_string':
      return text.replaceAll("'", "''");
  }
}
