import { knownJson } from '../../engine/known-json.js';
import { recordFault, textFault } from '../../engine/storability.js';

/** The value can never be stored, wherever it came from (D7); the message says why and holds no user data. */
export class NotStorable extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = new.target.name;
  }
}

/** JSON as it is written: a text, or of a value that is known the UTF-8 of one. */
export type JsonText = string | Uint8Array;

/** The JSON of a value that is known to be storable. */
export const jsonOf = (value: unknown): JsonText => knownJson(value)?.json ?? JSON.stringify(value);

/**
 * The JSON text of a value, after every rule of storing it was checked (the engine's rules for what it records).
 * @throws NotStorable
 */
export function storableJson(value: unknown): string {
  const fault = recordFault(value);
  if (fault !== null) throw new NotStorable(fault.message);
  return JSON.stringify(value);
}

/** @throws NotStorable */
export function checkText(text: string): void {
  const fault = textFault(text);
  if (fault !== null) throw new NotStorable(`A text ${fault}.`);
}
