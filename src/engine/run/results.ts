import { isObject, type Json } from '../values.js';
import { type ItemFailure } from './events.js';
import { type ItemError } from './parts.js';

/**
 * What the saves of an iterator see besides its value (playbook language §6.6).
 * @param value its own, whatever `result` makes of it
 */
export function namesOfResults(value: Json, errors: readonly ItemFailure[] | null): Record<string, unknown> {
  const list = isObject(value) ? (value['results'] ?? []) : value;
  return { results: list, items: list, count: Array.isArray(list) ? list.length : 0, errors: errors ?? [] };
}

/** The items that failed as templates see them, in the order of the collection. */
export function itemFailures(errors: readonly ItemError[]): ItemFailure[] {
  return errors.map(({ index, error: { message } }) => ({ index, message })).sort((a, b) => a.index - b.index);
}
