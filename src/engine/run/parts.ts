import { type Json, type JsonObject } from '../values.js';
import { type ItemFailure, type RunErrorDetails } from './error-details.js';
import { type SaveOutcome } from './save-outcome.js';

/**
 * The parts of a composite action: items of an iterator, tasks of an item, pages, saves. Each is an effect of its own with a start and an end in
 * the history (D20), so that a crash repeats only what was under way. A part is named by its path below the action: `3` is the fourth item,
 * `3/t1` its second task, `3/s0` its first save, `s0` the step's own first save, `` the action itself.
 */
export interface PartRecord {
  /** Attempt it stands at; 0 before the first. */
  attempt: number;
  inputs: JsonObject | null;
  request: Json;
  /** Epoch ms at which the next attempt is due; null where it is under way. */
  dueAt: number | null;
  /** Its action has ended, its saves follow; null before. */
  acted: PartEnd | null;
  ended: PartEnd | null;
  /** Set where it iterates. */
  loop: LoopRecord | null;
  /** Set where it calls another playbook. */
  child: ChildRecord | null;
  /** Parts below it that have begun; an item's are gone once it has ended. */
  readonly parts: Record<string, PartRecord>;
}

export type PartEnd =
  | { readonly ok: true; readonly value: Json }
  /** `value`: what later expressions see of the failure, such as an HTTP answer. */
  | { readonly ok: false; readonly error: RunErrorDetails; readonly value: Json };

/** An execution that a part has called. */
export interface ChildRecord {
  readonly id: string;
  readonly path: string;
  readonly version: string;
  /** `result` is null where it is too long to be told: then it is asked for. */
  ended: {
    readonly status: 'completed' | 'failed' | 'cancelled';
    readonly error: RunErrorDetails | null;
    readonly result: { readonly value: Json } | null;
  } | null;
}

/** How the action of a firing ended whose saves are under way: everything that was rendered before them (D22). */
export interface ActedStep {
  readonly end: PartEnd;
  /** Unprojected value, where `result:` projected it. */
  readonly raw: { readonly value: Json } | null;
  readonly vars: JsonObject | null;
  readonly durationMs: number;
  readonly logs: string | null;
  readonly itemErrors: readonly ItemFailure[] | null;
  /** timeout: its step was a wait that was too long, and ends along its `on_timeout`. limit: it ran away, and fails whatever it says about errors. */
  readonly cut?: 'timeout' | 'limit';
}

/** What an iterator stands at: the collection as it was filtered and sorted (D22), and what came of each item. */
export interface LoopRecord {
  readonly items: readonly Json[];
  /** By index; null where an item has not ended, or failed. */
  readonly values: Json[];
  readonly over: boolean[];
  readonly errors: ItemError[];
  done: number;
}

/** An item that failed. */
export interface ItemError {
  readonly index: number;
  readonly error: RunErrorDetails;
}

/** A part that begins an attempt. */
export interface PartStart {
  readonly path: string;
  readonly attempt: number;
  readonly inputs: JsonObject;
  readonly request: Json;
}

/** A part that has come to its end, or (`acted`) whose action has and whose saves follow. */
export interface PartStop {
  readonly path: string;
  readonly acted?: true;
  readonly end: PartEnd;
  readonly logs?: string;
  /** What its saves to the execution itself keep beside its value. */
  readonly saves?: readonly SaveOutcome[];
}

/** An item that has ended. */
export interface ItemStop {
  readonly index: number;
  readonly end: PartEnd;
  readonly attempt: number;
  readonly logs?: string;
  readonly saves?: readonly SaveOutcome[];
}

export const newPart = (): PartRecord => ({
  attempt: 0,
  inputs: null,
  request: null,
  dueAt: null,
  acted: null,
  ended: null,
  loop: null,
  child: null,
  parts: {},
});

/** The part of a path, which is made where it is not there yet. */
export function partAt(root: PartRecord, path: string): PartRecord {
  if (path === '') return root;
  let part = root;
  for (const name of path.split('/')) part = part.parts[name] ??= newPart();
  return part;
}

/** Executions called below a part that have not ended. */
export function liveCalls(part: PartRecord): string[] {
  const own = part.child && part.child.ended === null ? [part.child.id] : [];
  return [...own, ...Object.values(part.parts).flatMap(liveCalls)];
}

/** Whether an effect of a part, or of one below it, has begun and not ended, or its saves are still to follow. */
export function isUnderWay(part: PartRecord): boolean {
  if (part.ended !== null) return false;
  const acts = part.inputs !== null && part.dueAt === null;
  return acts || part.acted !== null || Object.values(part.parts).some(isUnderWay);
}

/** Another attempt of an iterator keeps its items as they were chosen, and what succeeded: what failed or was under way is done again. */
export function partsForRetry(root: PartRecord | null): PartRecord | null {
  if (!root?.loop) return null;
  const { items, values, over, errors } = root.loop;
  const left = [...over];
  for (const { index } of errors) left[index] = false;
  return { ...newPart(), loop: { items, values, over: left, errors: [], done: left.filter(Boolean).length } };
}

/** The part of a path where there is one. */
export function findPart(root: PartRecord, path: string): PartRecord | undefined {
  let part: PartRecord | undefined = root;
  if (path !== '') for (const name of path.split('/')) part = part && Object.hasOwn(part.parts, name) ? part.parts[name] : undefined;
  return part;
}

export function startParts(root: PartRecord, starts: readonly PartStart[]): void {
  for (const { path, attempt, inputs, request } of starts) Object.assign(partAt(root, path), { attempt, inputs, request, dueAt: null });
}

export function stopParts(root: PartRecord, stops: readonly PartStop[]): void {
  for (const { path, acted, end } of stops) {
    const part = partAt(root, path);
    if (acted) part.acted = end;
    else Object.assign(part, { ended: end, acted: null, inputs: null, request: null, loop: null, child: null, parts: {} });
  }
}

export function startLoop(root: PartRecord, path: string, items: readonly Json[]): void {
  partAt(root, path).loop = {
    items,
    values: new Array<Json>(items.length).fill(null),
    over: new Array<boolean>(items.length).fill(false),
    errors: [],
    done: 0,
  };
}

export function stopItems(root: PartRecord, path: string, stops: readonly ItemStop[]): void {
  const part = partAt(root, path);
  const loop = part.loop!;
  for (const { index, end } of stops) {
    if (end.ok) loop.values[index] = end.value;
    else loop.errors.push({ index, error: end.error });
    loop.over[index] = true;
    loop.done += 1;
    delete part.parts[String(index)];
  }
}
