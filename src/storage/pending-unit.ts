import { type Unit, type UnitSource } from '../engine/ports.js';
import { type Json } from '../engine/values.js';
import { encodeEvent, type EventRow } from './event-codec.js';
import { checkText, storableJson } from './storability.js';

/** How a unit leaves its row. */
export const MODE = { held: 0, ended: 1, released: 2, unleased: 3 } as const;
export type Mode = (typeof MODE)[keyof typeof MODE];

/** A unit taken from its source, checked and in the form its rows have. */
export interface PendingUnit {
  readonly source: UnitSource;
  readonly unit: Unit;
  /** DatabaseHistory.number when it was taken: on another history it is lost. */
  readonly history: number;
  readonly mode: Mode;
  readonly events: readonly EventRow[];
  readonly waitingFor: string | null;
  readonly error: string | null;
  /** JSON text where the unit ends the run. */
  readonly result: string | null;
  readonly parameters: string | null;
  readonly workload: string | null;
  readonly metadata: string | null;
  readonly snapshot: string | null;
  /** Characters of all texts together, for the bound of a batch. */
  readonly size: number;
  /** The connection broke while this unit was under way once: finding it already stored is no conflict (D9). */
  unsure: boolean;
  /** Monotonic time at which it was sent last; null before. */
  sentAt: number | null;
  /** Batches it was in that waited too long for a lock. */
  lockTimeouts: number;
  settled: boolean;
}

/** @throws NotStorable */
export function pendingUnit(source: UnitSource, unit: Unit, history: number): PendingUnit {
  const { create, row } = unit;
  if (create !== null) {
    if (create.idempotency) checkText(create.idempotency.key);
    for (const text of [create.path, create.playbookName, create.parentExecutionId, create.parentEventId, create.parentStep]) {
      if (text !== null) checkText(text);
    }
  }
  if (row.currentStep !== null) checkText(row.currentStep);
  const events = unit.events.map(encodeEvent);
  const result = unit.end === null ? null : (knownText(unit.end.result, unit, events) ?? storableJson(unit.end.result));
  const parameters = create === null ? null : storableJson(create.parameters);
  const workload = create === null || create.workload === null ? null : storableJson(create.workload);
  let size = (result?.length ?? 0) + (parameters?.length ?? 0) + (workload?.length ?? 0) + (unit.snapshot?.length ?? 0);
  for (const event of events) {
    size += event.body.length;
    for (const blob of event.blobs) size += blob.body.length;
  }
  return {
    source,
    unit,
    history,
    mode: modeOf(unit),
    events,
    waitingFor: row.waitingFor === null ? null : storableJson(row.waitingFor),
    error: row.error === null ? null : storableJson(row.error),
    result,
    parameters,
    workload,
    metadata: create === null || Object.keys(create.metadata).length === 0 ? null : storableJson(create.metadata),
    snapshot: unit.snapshot,
    size,
    unsure: false,
    sentAt: null,
    lockTimeouts: 0,
    settled: false,
  };
}

/** The result often is the value of the last step: a large one is not made text twice. */
function knownText(result: Json, { events }: Unit, rows: readonly EventRow[]): string | undefined {
  if (typeof result !== 'object' || result === null) return undefined;
  const index = events.findLastIndex((event) => event.type === 'step_completed' && event.value === result);
  return rows[index]?.blobs.find(({ part }) => part === 'value')?.body;
}

function modeOf(unit: Unit): Mode {
  if (unit.end !== null) return MODE.ended;
  if (unit.release !== null) return MODE.released;
  return unit.token === null ? MODE.unleased : MODE.held;
}

/** last_seq once the unit is stored. */
export const nextSeqOf = (unit: Unit): number => unit.expectedSeq + unit.events.length;
