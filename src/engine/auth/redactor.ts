import { isObject, type Json } from '../values.js';
import { mapTexts, REDACTED } from './secret-markers.js';

/** Shorter secrets are too likely to be words of their own. */
const SHORTEST = 6;

/**
 * Replaces the secrets of one execution in whatever comes back from the world: raw, in base64 (wherever they stand in the encoded text),
 * URL-encoded and JSON-escaped. Costs nothing until there is a secret.
 */
export class Redactor {
  private readonly known = new Set<string>();
  private needles: string[] = [];

  /** @param executionId of the execution: authors put it into headers, and it is no secret there */
  constructor(private readonly executionId: string | null = null) {}

  get isIdle(): boolean {
    return this.needles.length === 0;
  }

  /** Each form of each secret, the longest first. */
  get forms(): readonly string[] {
    return this.needles;
  }

  /** From now on the text is a secret. */
  taint(secret: string): void {
    if (secret.length < SHORTEST || secret === this.executionId || this.known.has(secret)) return;
    this.known.add(secret);
    const lines = secret.includes('\n') ? secret.split('\n').filter((line) => line.length >= 24) : [];
    const forms = [secret, ...lines].flatMap(formsOf).filter((form) => form.length >= SHORTEST);
    // The longest first: what is left of a shorter one inside it would stay readable.
    this.needles = [...new Set([...this.needles, ...forms])].sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    let shown = text;
    for (const needle of this.needles) if (shown.includes(needle)) shown = shown.replaceAll(needle, REDACTED);
    return shown;
  }

  value(value: Json): Json {
    if (this.isIdle) return value;
    return mapTexts(value, (text) => this.text(text));
  }

  /** Every text of a value becomes a secret. */
  taintAll(value: Json): void {
    if (typeof value === 'string') this.taint(value);
    else if (Array.isArray(value)) for (const item of value) this.taintAll(item);
    else if (isObject(value)) for (const item of Object.values(value)) this.taintAll(item);
  }
}

function formsOf(secret: string): string[] {
  const url = encodeURIComponent(secret.toWellFormed());
  const strict = url.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  const escaped = JSON.stringify(secret).slice(1, -1);
  return [
    secret,
    escaped,
    escaped.replaceAll('/', '\\/'),
    asciiEscaped(escaped),
    ...[url, strict].flatMap((form) => [form, form.replaceAll('%20', '+'), lowerHex(form)]),
    ...base64Forms(secret),
  ];
}

/** As Python's json and many others write it. */
function asciiEscaped(escaped: string): string {
  return escaped.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const lowerHex = (form: string): string => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());

/** The part of the base64 text that does not depend on what stands around the secret, for each of the three places it may begin at. */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const forms = [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const first = Math.ceil((before * 8) / 6);
    const whole = Math.floor(((before + bytes.length) * 8) / 6);
    return [encoded.slice(first, whole), ...(before === 0 ? [encoded] : [])];
  });
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}
