/** How deep a stored value may nest: the door's limit (64) and what events wrap around it, with room. */
export const STORABLE_DEPTH = 200;
export const STORABLE_BYTES = 16 * 1024 * 1024;

/** The value can never be stored, wherever it came from (D7); the message says why and holds no user data. */
export class NotStorable extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = new.target.name;
  }
}

/**
 * The JSON text of a value, after every rule of storing it was checked: no NUL, no lone surrogate, bounded depth and bytes, finite numbers
 * (JSON.stringify would turn the others into null, and a replay would see another value than the live run).
 * @throws NotStorable
 */
export function storableJson(value: unknown): string {
  checkValue(value, 0);
  const text = JSON.stringify(value);
  // A character takes at most three bytes of UTF-8 (a surrogate pair four for two).
  if (text.length > STORABLE_BYTES / 3 && Buffer.byteLength(text) > STORABLE_BYTES) throw new NotStorable('larger than 16 MiB');
  return text;
}

/** @throws NotStorable */
export function checkText(text: string): void {
  if (text.includes('\0')) throw new NotStorable('a text contains NUL');
  if (!text.isWellFormed()) throw new NotStorable('a text contains a lone surrogate');
}

function checkValue(value: unknown, depth: number): void {
  if (typeof value === 'string') return checkText(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new NotStorable('a number is not finite');
    return;
  }
  if (value === null || typeof value === 'boolean') return;
  if (typeof value !== 'object') throw new NotStorable(`a value is of type ${typeof value}`);
  if (depth >= STORABLE_DEPTH) throw new NotStorable(`nested deeper than ${STORABLE_DEPTH}`);
  if (Array.isArray(value)) {
    for (const item of value) checkValue(item, depth + 1);
    return;
  }
  for (const key of Object.keys(value)) {
    checkText(key);
    const member = (value as Record<string, unknown>)[key];
    // Optional fields of events: JSON leaves them out, and so does a replay.
    if (member !== undefined) checkValue(member, depth + 1);
  }
}
