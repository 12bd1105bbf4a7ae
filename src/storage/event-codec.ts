import { type RunEvent } from '../engine/run/events.js';
import { storableJson } from './storability.js';

/** The form events are written in; a node claims only rows whose codec it knows (D25). */
export const CODEC = 1;

/** An event as its row holds it; `body` is JSON text of all fields but `type` and `step`. */
export interface EventRow {
  readonly type: string;
  readonly step: string | null;
  readonly body: string;
}

/** @throws NotStorable */
export function encodeEvent(event: RunEvent): EventRow {
  const { type, ...rest } = event;
  if (!('step' in rest)) return { type, step: null, body: storableJson(rest) };
  const { step, ...body } = rest;
  return { type, step, body: storableJson(body) };
}

/** The event of a row that `encodeEvent` made with this codec; rows are trusted, the codec on the execution guards them. */
export function decodeEvent(type: string, step: string | null, body: object): RunEvent {
  return (step === null ? { type, ...body } : { type, step, ...body }) as RunEvent;
}
