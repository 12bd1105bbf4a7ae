import { type RunEvent, type RunStatus } from '../../src/engine/run/events.js';
import { decodeEvent } from '../../src/storage/history/event-codec.js';
import { type MemoryApprovals } from '../../src/engine/testing/memory-approvals.js';
import { type Json, type JsonObject } from '../../src/engine/values.js';

/** A row of `execution`, by its column names; columns that the simulation does not look at are there as they were inserted. */
export interface ExecutionRow {
  readonly [column: string]: unknown;
  readonly id: string;
  readonly tenant_id: string;
  readonly status: RunStatus;
  readonly created_at: number;
  readonly updated_at: number;
  readonly start_at: number | null;
  readonly timeout_at: number | null;
  readonly lease_token: string | null;
  readonly lease_until: number | null;
  readonly claim_no: number;
  readonly last_seq: number;
  readonly inbox_seq: number;
  readonly inbox_consumed: number;
  readonly wake_at: number | null;
  readonly cancel_requested_at: number | null;
  readonly pause_requested_at: number | null;
  readonly attempts: number;
}

/** What checks read of an event. */
export interface EventContent {
  readonly wave?: number;
  readonly attempt?: number;
  readonly dueAt?: number | null;
  readonly reason?: string;
  readonly value?: Json;
  readonly childId?: string;
  readonly status?: string;
  readonly error?: Json;
  readonly by?: string;
  readonly waitsFor?: { readonly approval?: { readonly id: string } };
  readonly path?: string;
  readonly parts?: readonly { readonly path: string; readonly attempt?: number; readonly acted?: true }[];
  readonly acted?: { readonly end: { readonly ok: boolean } };
  readonly items?: readonly { readonly index: number }[];
  readonly force?: boolean;
  readonly cascade?: boolean;
  readonly inherited?: boolean;
  readonly firings?: readonly { readonly step: string; readonly wave: number }[];
}

export interface EventRow {
  readonly seq: number;
  readonly event_type: string;
  readonly step: string | null;
  /** JSON text. */
  readonly body: string;
  /** What it says, read once for all checks. */
  readonly content: EventContent;
  /** Database time, epoch ms. */
  readonly at: number;
}

export interface InboxRow {
  readonly inbox_seq: number;
  readonly kind: string;
  readonly payload: JsonObject;
}

/** All that the database keeps of one execution. */
export interface Stored {
  row: ExecutionRow;
  readonly events: EventRow[];
  /** Consumed messages go with the unit that consumed them. */
  inbox: InboxRow[];
  approvals: MemoryApprovals;
  /** The newest alone. */
  snapshot: { readonly seq: number; readonly state: Json } | null;
  readonly parameters: JsonObject;
  readonly workload: JsonObject | null;
  /** undefined until a unit ended it. */
  result: Json | undefined;
}

const read = new WeakMap<EventRow, RunEvent>();

/** The form claims and tests read events in. Read once: histories are replayed again and again. Frozen, so that no reader changes what the next one gets. */
export function eventOf(row: EventRow): RunEvent {
  const known = read.get(row);
  if (known) return known;
  const { event_type, step, body } = row;
  const event = decodeEvent(event_type, step, JSON.parse(body) as object, (part) => {
    throw new Error(`the simulation keeps no values apart, and the ${part} of ${event_type} is`);
  });
  freeze(event);
  read.set(row, event);
  return event;
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}
