import { type RunId } from '../../engine/ports.js';
import { type Json } from '../../engine/values.js';
import { type BlobPart } from './event-codec.js';

/** Where a large value of an execution lies, apart from its event. */
export interface BlobPlace {
  readonly runId: RunId;
  readonly seq: number;
  readonly part: BlobPart;
  /** Of its JSON text. */
  readonly bytes: number;
}

const PLACES = new WeakMap<object, BlobPlace>();

/**
 * Remembers where a recorded value lies, for as long as somebody has it: the result of an execution mostly is the value of its last step, and what is
 * megabytes long is neither made text nor stored twice. A value that is recorded again, also in another execution, lies where it was recorded last.
 */
export function rememberPlace(value: Json, place: BlobPlace): void {
  if (typeof value === 'object' && value !== null) PLACES.set(value, place);
}

/** Where this very value lies in the history of this execution; null where it does not, or nobody knows. */
export function placeOf(value: Json, runId: RunId): BlobPlace | null {
  const place = typeof value === 'object' && value !== null ? PLACES.get(value) : undefined;
  return place?.runId === runId ? place : null;
}
