import { birthOf } from '../../engine/births.js';
import { childEnded } from '../../engine/child-ended.js';
import { type UnitApprovals } from '../../engine/approvals.js';
import { type RunId, type Unit, type UnitSource } from '../../engine/ports.js';
import { knownJson } from '../../engine/known-json.js';
import { type Json } from '../../engine/values.js';
import { type BlobPlace, placeOf, rememberPlace } from '../history/blob-places.js';
import { encodeEvent, type EventRow } from '../history/event-codec.js';
import { checkText, type JsonText, NotStorable, storableJson } from '../history/storability.js';

/** How a unit leaves its row; `told` is no unit's, but a row that hears of another's end. */
export const MODE = { held: 0, ended: 1, released: 2, unleased: 3, told: 4 } as const;
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
  /** Where the unit ends the run; null as well where the result lies apart already. */
  readonly result: JsonText | null;
  /** Where the result lies that is a large value of the run's history; null for all others. */
  readonly resultPlace: BlobPlace | null;
  readonly parameters: string | null;
  readonly workload: string | null;
  readonly metadata: string | null;
  readonly snapshot: string | null;
  /** Runs that are born with it, each as a unit that makes its row; never sent by themselves. */
  readonly children: readonly PendingUnit[];
  /** Approvals that it opens and closes; null for nearly all units. */
  readonly approvals: PendingApprovals | null;
  /** The message with which the run that called this one hears of its end; JSON text. */
  readonly tells: { readonly parentId: RunId; readonly payload: string } | null;
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

/** As UnitApprovals; what is asked is JSON text. */
export interface PendingApprovals extends Pick<UnitApprovals, 'closes' | 'closesAll'> {
  readonly opens: readonly { readonly id: string; readonly json: string }[];
}

/** @throws NotStorable */
export function pendingUnit(source: UnitSource, unit: Unit, history: number): PendingUnit {
  const { create, row } = unit;
  if (create !== null) {
    if (create.idempotency) checkText(create.idempotency.key);
    for (const text of [
      create.path,
      create.playbookName,
      create.parentExecutionId,
      create.parentEventId,
      create.parentStep,
      create.parent?.item ?? null,
    ]) {
      if (text !== null) checkText(text);
    }
  }
  if (row.currentStep !== null) checkText(row.currentStep);
  const events = unit.events.map(encodeEvent);
  rememberPlaces(unit, events);
  const resultPlace = unit.end === null ? null : placeOf(unit.end.result, unit.runId);
  const result = unit.end === null || resultPlace !== null ? null : (knownJson(unit.end.result)?.json ?? storableJson(unit.end.result));
  const parameters = create === null ? null : storableJson(create.parameters);
  const workload = create === null || create.workload === null ? null : storableJson(create.workload);
  // A crash at its commit could not tell whether it was stored (D9).
  if (unit.children.length > 0 && events.length === 0) throw new NotStorable('runs are born with an event that says so');
  const children = unit.children.length === 0 ? NO_CHILDREN : unit.children.map((child) => pendingUnit(source, birthOf(child), history));
  const ended = unit.end === null ? null : childEnded(unit, resultPlace?.bytes ?? result?.length ?? 0);
  const tells = ended && { parentId: ended.parentId, payload: storableJson(ended.payload) };
  const approvals = unit.approvals ? pendingApprovals(unit.approvals) : null;
  let size = (result?.length ?? 0) + (parameters?.length ?? 0) + (workload?.length ?? 0) + (unit.snapshot?.length ?? 0);
  for (const event of events) {
    size += event.body.length;
    for (const blob of event.blobs) size += blob.body.length;
  }
  for (const child of children) size += child.size;
  return {
    source,
    unit,
    history,
    mode: modeOf(unit),
    events,
    waitingFor: row.waitingFor === null ? null : storableJson(row.waitingFor),
    error: row.error === null ? null : storableJson(row.error),
    result,
    resultPlace,
    parameters,
    workload,
    metadata: create === null || Object.keys(create.metadata).length === 0 ? null : storableJson(create.metadata),
    snapshot: unit.snapshot,
    children,
    approvals,
    tells,
    size,
    unsure: false,
    sentAt: null,
    lockTimeouts: 0,
    settled: false,
  };
}

function pendingApprovals({ opens, closes, closesAll }: UnitApprovals): PendingApprovals {
  for (const { step } of closes) checkText(step);
  return { opens: opens.map((opened) => ({ id: opened.id, json: storableJson(opened) })), closes, closesAll };
}

const NO_CHILDREN: readonly PendingUnit[] = [];

function rememberPlaces({ runId, expectedSeq, events }: Unit, rows: readonly EventRow[]): void {
  rows.forEach(({ blobs }, index) => {
    const fields = events[index] as unknown as Readonly<Record<string, Json>>;
    for (const { part, bytes } of blobs) rememberPlace(fields[part]!, { runId, seq: expectedSeq + 1 + index, part, bytes });
  });
}

function modeOf(unit: Unit): Mode {
  if (unit.end !== null) return MODE.ended;
  if (unit.release !== null) return MODE.released;
  return unit.token === null ? MODE.unleased : MODE.held;
}

/** last_seq once the unit is stored. */
export const nextSeqOf = (unit: Unit): number => unit.expectedSeq + unit.events.length;
