import { type RunId } from '../engine/ports.js';
import { RECORD_DEPTH, StorabilityCheck } from '../engine/storability.js';
import { type Json } from '../engine/values.js';

/** A result above this many bytes of JSON is not part of the execution's answer; it has a route of its own. */
export const INLINE_RESULT_BYTES = 256 * 1024;
/** Bytes of JSON that a number has at most, which is counted as one character. */
const BYTES_OF_CHARACTER = 26;

/** What answers say in place of a result that is too large for them. */
export const resultReference = (runId: RunId): Json => ({ $ref: `/executions/${runId}/result` });

/** The result of a stored run as answers show it. */
export function inlineResult(runId: RunId, result: Json): Json {
  const check = new StorabilityCheck(RECORD_DEPTH, true);
  check.count(result);
  if (check.characters * BYTES_OF_CHARACTER <= INLINE_RESULT_BYTES) return result;
  // Of one that is surely large nobody needs the text.
  const isLarge = check.characters > INLINE_RESULT_BYTES || Buffer.byteLength(JSON.stringify(result)) > INLINE_RESULT_BYTES;
  return isLarge ? resultReference(runId) : result;
}
