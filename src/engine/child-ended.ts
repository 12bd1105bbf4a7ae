import { type ChildEnded, type RunId, type Unit } from './ports.js';
import { type JsonObject } from './values.js';

/** Characters of a result that may travel in the message; a longer one is read by those who need it. */
export const LONGEST_RESULT = 8 * 1024;

/**
 * What the run that called this one hears with the unit that ends it; null where there is nobody to tell.
 * @param resultCharacters length of the result as JSON text
 */
export function childEnded(unit: Unit, resultCharacters: number): { readonly parentId: RunId; readonly payload: JsonObject } | null {
  const { parent, end, row, runId } = unit;
  if (end === null || parent === null) return null;
  const { step, wave, item } = parent;
  const payload = {
    child_id: runId,
    step,
    wave,
    item,
    status: row.status as ChildEnded['status'],
    error: row.error,
    ...(resultCharacters <= LONGEST_RESULT && { result: end.result }),
  } satisfies ChildEnded;
  return { parentId: parent.runId, payload: payload as unknown as JsonObject };
}
