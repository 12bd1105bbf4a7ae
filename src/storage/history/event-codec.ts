import { type RunEvent } from '../../engine/run/events.js';
import { RECORD_DEPTH, StorabilityCheck } from '../../engine/storability.js';
import { type Json } from '../../engine/values.js';
import { withDefaults, writtenFields } from './event-defaults.js';
import { jsonOf, type JsonText, NotStorable, storableJson } from './storability.js';

/** The form events are written in; a node claims only rows whose codec it knows (D25). From 2 on large values lie apart, and what most events say alike is not written. */
export const CODEC = 2;
/** A value of an event with more bytes of JSON lies apart from it, and travels by reference (R9). */
export const INLINE_VALUE_BYTES = 256 * 1024;

/** The fields of events that may lie apart. */
export const BLOB_PARTS = ['value', 'raw', 'inputs', 'request', 'payload', 'items', 'parts', 'acted'] as const;
export type BlobPart = (typeof BLOB_PARTS)[number];

/** A value that lies apart from its event. */
export interface BlobRow {
  readonly part: BlobPart;
  readonly body: JsonText;
  /** Of `body` as UTF-8. */
  readonly bytes: number;
}

/** An event as its row holds it; `body` is JSON text of all fields but `type` and `step`, and of `blobs` only the sizes. */
export interface EventRow {
  readonly type: string;
  readonly step: string | null;
  readonly body: string;
  readonly blobs: readonly BlobRow[];
}

/** Bytes of the fields that lie apart, in the body of a row. */
export type BlobSizes = Readonly<Partial<Record<BlobPart, number>>>;
interface RowBody {
  readonly blobs?: BlobSizes;
}

const NONE: readonly BlobRow[] = [];

/** @throws NotStorable */
export function encodeEvent(event: RunEvent): EventRow {
  const { type, step = null } = event as { readonly type: string; readonly step?: string };
  const fields = writtenFields(event, type);
  const check = new StorabilityCheck(RECORD_DEPTH, true);
  const fault = check.faultOf(fields);
  // Of one that is surely large nobody needs the whole text.
  if (fault === null && check.characters <= INLINE_VALUE_BYTES) {
    const body = JSON.stringify(fields);
    if (!isLarge(body)) return { type, step, body, blobs: NONE };
  } else if (fault !== null && fault.code !== 'result_too_large') {
    throw new NotStorable(fault.message);
  }
  return { type, step, ...apart(fields, fault === null ? jsonOf : storableJson) };
}

/**
 * Each value has a limit of its own, and what is left of the event has another.
 * @param textOf checks what it is given, unless all of the event was found storable
 */
function apart(fields: Record<string, unknown>, textOf: (value: unknown) => JsonText): Pick<EventRow, 'body' | 'blobs'> {
  const blobs: BlobRow[] = [];
  const sizes: Record<string, number> = {};
  for (const part of BLOB_PARTS) {
    if (fields[part] === undefined) continue;
    const body = textOf(fields[part]);
    if (!isLarge(body)) continue;
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    blobs.push({ part, body, bytes });
    sizes[part] = bytes;
    delete fields[part];
  }
  const rest = blobs.length === 0 ? fields : { ...fields, blobs: sizes };
  return { body: textOf(rest) as string, blobs };
}

function isLarge(text: JsonText): boolean {
  if (typeof text !== 'string') return text.length > INLINE_VALUE_BYTES;
  return text.length > INLINE_VALUE_BYTES / 3 && Buffer.byteLength(text) > INLINE_VALUE_BYTES;
}

/** Which fields of a row's event lie apart; null where none does. */
export const blobSizesOf = (body: object): BlobSizes | null => (body as RowBody).blobs ?? null;

/**
 * The event of a row that `encodeEvent` made with a codec known here; rows are trusted, the codec on the execution guards them.
 * @param valueOf what stands for a value that lies apart
 */
export function decodeEvent(type: string, step: string | null, body: object, valueOf: (part: BlobPart) => Json): RunEvent {
  const { blobs, ...fields } = body as RowBody & Record<string, unknown>;
  for (const part of BLOB_PARTS) if (blobs?.[part] !== undefined) fields[part] = valueOf(part);
  return (step === null ? { type, ...fields } : { type, step, ...withDefaults(type, fields) }) as RunEvent;
}
