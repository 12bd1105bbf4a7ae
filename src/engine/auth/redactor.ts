import { firstIn, matcherOf, splitAt } from '../find-text.js';
import { isObject, type Json } from '../values.js';
import { CUT_MARK, cutOfPrints, cutsIn } from './cut-text.js';
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
    return withoutAny(text, this.needles);
  }

  /** A text that may have been cut (`cutText`) before it came here: what a cut left of a secret goes as well. */
  message(text: string): string {
    return cutWithout(text, this.needles);
  }

  /** What code printed, which may have been cut. */
  prints(text: string): string {
    const cut = this.isIdle ? null : cutOfPrints(text);
    return cut === null ? this.text(text) : this.text(withoutBeginnings(text, [cut], this.needles));
  }

  value(value: Json): Json {
    if (this.isIdle) return value;
    return mapTexts(value, (text) => this.text(text));
  }

  /** A value whose texts may have been cut. */
  messages(value: Json): Json {
    if (this.isIdle) return value;
    return mapTexts(value, (text) => this.message(text));
  }

  /** Every text of a value becomes a secret. */
  taintAll(value: Json): void {
    if (typeof value === 'string') this.taint(value);
    else if (Array.isArray(value)) for (const item of value) this.taintAll(item);
    else if (isObject(value)) for (const item of Object.values(value)) this.taintAll(item);
  }
}

/** A text that may have been cut, without any of the secrets, each of whose forms is given. */
export function cutWithout(text: string, forms: readonly string[]): string {
  const cuts = forms.length === 0 ? [] : cutsIn(text);
  if (cuts.length === 0) return withoutAny(text, forms);
  // A mark inside a secret is no cut.
  const marked = forms.filter((form) => form.includes(CUT_MARK));
  if (marked.some((form) => firstIn(text, form) >= 0)) return cutWithout(withoutAny(text, marked), forms);
  return withoutAny(withoutBeginnings(text, cuts, forms), forms);
}

function withoutAny(text: string, forms: readonly string[]): string {
  let shown = text;
  for (const form of forms) if (firstIn(shown, form) >= 0) shown = splitAt(shown, form).join(REDACTED);
  return shown;
}

/** Before each cut, in ascending order, goes what is the beginning of a secret. To be done before whole ones go: one may be the beginning of a longer one. */
function withoutBeginnings(text: string, cuts: readonly number[], forms: readonly string[]): string {
  const pieces: string[] = [];
  const overlaps = longestOverlaps(text, cuts, forms);
  let from = 0;
  for (const [index, cut] of cuts.entries()) {
    const begin = beginningBefore(text, Math.max(from, cut - overlaps[index]!), { from, cut }, forms);
    if (begin === cut) continue;
    pieces.push(text.slice(from, begin), REDACTED);
    from = cut;
  }
  return pieces.join('') + text.slice(from);
}

/** Where what must not stay before a cut begins: the longest beginning of a secret, and whole ones that share characters with it. */
function beginningBefore(text: string, longest: number, { from, cut }: { from: number; cut: number }, forms: readonly string[]): number {
  let begin = longest;
  if (begin === cut) return cut;
  for (let last = -1; last !== begin;) {
    last = begin;
    for (const form of forms) {
      const start = Math.max(from, begin - form.length + 1);
      const at = firstIn(text.slice(start, Math.min(cut, begin + form.length - 1)), form);
      if (at >= 0) begin = Math.min(begin, start + at);
    }
  }
  return begin;
}

/** How many of the characters before each cut are the beginning of a form, at most. */
function longestOverlaps(text: string, cuts: readonly number[], forms: readonly string[]): number[] {
  const longest = cuts.map(() => 0);
  for (const form of forms) {
    let matcher: ReturnType<typeof matcherOf> | null = null;
    let [at, matched] = [0, 0];
    cuts.forEach((cut, index) => {
      // What was read for the cut before is not read again.
      const start = cut - form.length + 1;
      if (start > at) [at, matched] = [start, 0];
      for (; at < cut; at += 1) {
        const unit = text.charCodeAt(at);
        if (matched > 0 || unit === form.charCodeAt(0)) matched = (matcher ??= matcherOf(form)).next(matched, unit);
      }
      // A whole one is none that was cut, but may end with its own beginning.
      longest[index] = Math.max(longest[index]!, matched === form.length ? matcher!.border : matched);
    });
  }
  return longest;
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
