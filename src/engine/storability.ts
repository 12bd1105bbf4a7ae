import { knownJson, type StorabilityFault } from './known-json.js';

/** Largest value that is recorded, in bytes of JSON. */
export const MAX_RESULT_BYTES = 16 * 1024 * 1024;
/** Deepest value of a step. What is recorded around values (events, edges, results of several branches) may be deeper. */
const VALUE_DEPTH = 64;
export const RECORD_DEPTH = 200;
/** Bytes of JSON that a number and its comma have at most, and a UTF-16 unit of a text where it is escaped. */
const NUMBER_BYTES = 25;
const UNIT_BYTES = 6;
/** Down to this level it is asked whether a value is known: step values are recorded near the top of records. */
const KNOWN_LEVELS = 3;
/** Texts from this length on are measured: their JSON is often far below the worst case, and making it only to know how long it is costs most. */
const MEASURED_LENGTH = 64 * 1024;
const ESCAPED = /["\\\u0000-\u001f]/;

/**
 * Whether a step's value can be recorded (D7): JSON types only, no NUL and no lone surrogate in texts and keys, at most 64
 * levels, finite numbers, at most 16 MiB, no key __proto__. Null means it can.
 */
export function storabilityFault(value: unknown): StorabilityFault | null {
  return new StorabilityCheck(VALUE_DEPTH, false).faultOf(value);
}

/** The same for what is recorded around values; fields that are undefined are left out by JSON and by a replay alike. */
export function recordFault(record: unknown): StorabilityFault | null {
  return new StorabilityCheck(RECORD_DEPTH, true).faultOf(record);
}

/** A text with whatever cannot be stored replaced, for prints: they must not cost the value they came with. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

/** One walk over a value: finds the first fault, and stops once it has seen more than may be stored at all. */
export class StorabilityCheck {
  /** Characters of JSON seen so far, without escapes and commas: a lower bound of its bytes. */
  characters = 0;
  /** What the JSON can have at most, in bytes. */
  private bytesAtMost = 0;
  /** Measured only where it matters how long they are: that costs as much as all the rest. */
  private longTexts: string[] | null = null;

  constructor(
    private readonly depth: number,
    private readonly leavesOut: boolean,
  ) {}

  faultOf(value: unknown): StorabilityFault | null {
    const known = knownJson(value)?.fault;
    if (known) return known;
    const reason = this.unstorable(value, 1);
    if (reason !== null) return { code: 'result_not_storable', message: `The value ${reason}.` };
    // A value that shares parts with itself can be huge as JSON: its text is only made once it is known to be bounded.
    if (this.characters > MAX_RESULT_BYTES) return tooLarge();
    if (this.bytesAtMost <= MAX_RESULT_BYTES) return null;
    for (const text of this.longTexts ?? []) this.bytesAtMost += bytesOfLongText(text) - bytesAtMostOf(text);
    if (this.bytesAtMost <= MAX_RESULT_BYTES) return null;
    return Buffer.byteLength(JSON.stringify(value)) > MAX_RESULT_BYTES ? tooLarge() : null;
  }

  /** Counts the characters of a value that is known to be storable. */
  count(value: unknown): void {
    this.unstorable(value, 1);
  }

  private unstorable(value: unknown, depth: number): string | null {
    switch (typeof value) {
      case 'string':
        this.characters += value.length + 2;
        this.bytesAtMost += bytesAtMostOf(value) + 1;
        if (value.length >= MEASURED_LENGTH) (this.longTexts ??= []).push(value);
        return textFault(value);
      case 'number':
        this.characters += 1;
        this.bytesAtMost += NUMBER_BYTES;
        return Number.isFinite(value) ? null : 'holds a number that JSON does not have';
      case 'boolean':
        this.characters += 4;
        this.bytesAtMost += 6;
        return null;
      case 'object':
        break;
      default:
        return `holds a ${typeof value}`;
    }
    const known = depth > KNOWN_LEVELS ? undefined : knownJson(value);
    if (known?.json) {
      this.characters += known.json.length;
      this.bytesAtMost += known.json.length + 1;
      return depth + known.depth - 1 > this.depth ? this.tooDeep() : null;
    }
    this.characters += 2;
    this.bytesAtMost += 5;
    if (value === null) return null;
    if (depth > this.depth) return this.tooDeep();
    return Array.isArray(value) ? this.listFault(value, depth + 1) : this.mappingFault(value as Record<string, unknown>, depth + 1);
  }

  private tooDeep(): string {
    return `is nested deeper than ${this.depth} levels`;
  }

  private listFault(list: readonly unknown[], depth: number): string | null {
    for (const entry of list) {
      const fault = this.unstorable(entry, depth);
      if (fault !== null) return fault;
      if (this.characters > MAX_RESULT_BYTES) return null;
    }
    return null;
  }

  private mappingFault(mapping: Record<string, unknown>, depth: number): string | null {
    for (const key of Object.keys(mapping)) {
      const entry = mapping[key];
      if (entry === undefined && this.leavesOut) continue;
      const fault = (key === '__proto__' ? 'has the key __proto__' : textFault(key)) ?? this.unstorable(entry, depth);
      if (fault !== null) return fault;
      this.characters += key.length + 3;
      this.bytesAtMost += bytesAtMostOf(key) + 1;
      if (this.characters > MAX_RESULT_BYTES) return null;
    }
    return null;
  }
}

function tooLarge(): StorabilityFault {
  return { code: 'result_too_large', message: `The value has more than ${MAX_RESULT_BYTES} bytes of JSON.` };
}

/** The bytes of a text's JSON, quotes included, where each unit is escaped. */
const bytesAtMostOf = (text: string): number => text.length * UNIT_BYTES + 2;

/** The same, and exactly where it needs no escape. */
function bytesOfLongText(text: string): number {
  return ESCAPED.test(text) ? bytesAtMostOf(text) : Buffer.byteLength(text) + 2;
}

/** What keeps a text from being stored, or null. */
export function textFault(text: string): string | null {
  if (!text.isWellFormed()) return 'holds a lone surrogate';
  return text.includes('\0') ? 'holds a NUL character' : null;
}
