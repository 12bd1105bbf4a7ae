import { Injectable } from '@nestjs/common';
import { birthOf, fallsToCancel } from '../engine/births.js';
import { childEnded } from '../engine/child-ended.js';
import { type InboxMessage, type NewRun, type RunStore, type Unit, type UnitSource } from '../engine/ports.js';
import { type RunEvent } from '../engine/run/events.js';
import { runFault } from '../engine/run-fault.js';
import { RECORD_DEPTH, StorabilityCheck } from '../engine/storability.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { type ExecutionRecord } from './execution-record.js';

/** How long a finished run without rows can still be asked for. */
const KEPT_MS = 10 * 60_000;
/** Finished runs kept at most, and what their values may come to; the oldest go first. */
const KEPT_RUNS = 1_000;
const KEPT_BYTES = 64 * 1024 * 1024;

const NODE_LEFT = runFault('draining', 'The node was shut down; the execution was run without rows and cannot go on.', { retryable: true });

/** A run without rows as its node knows it. */
export interface EphemeralRun {
  readonly record: ExecutionRecord;
  readonly parameters: JsonObject;
  readonly result: Json;
  /** Values of steps as they completed last; only of runs that another one calls, which may ask for them. */
  readonly values: ReadonlyMap<string, Json>;
}
interface Known extends EphemeralRun {
  readonly inbox: InboxMessage[];
  readonly parentId: string | null;
  readonly ended: Promise<EphemeralRun>;
  readonly end: (run: EphemeralRun) => void;
}

/**
 * Runs of `sync_to_postgres: false` (D32): the engine drives them like any other, but their units go nowhere. Their status is
 * served by this node for ten minutes after the end, of the last thousand, and of as many of those as come to 64 MiB.
 */
@Injectable()
export class EphemeralRuns implements RunStore {
  private readonly runs = new Map<string, Known>();
  /** Runs that are over, in the order of their ends, which is the order of forgetting. */
  private readonly over = new Map<string, { readonly run: Known; readonly until: number; readonly bytes: number }>();
  /** Of all runs that are over. */
  private keptBytes = 0;
  private readonly abandonedListeners = new Set<(runId: string) => void>();
  private readonly inboxListeners = new Set<(runId: string) => void>();
  private readonly bornListeners = new Set<(run: NewRun) => void>();

  /** Makes a run known. `ended` of the answer resolves with its terminal state. */
  begin(run: NewRun, now: number): { readonly ended: Promise<EphemeralRun> } {
    const { promise: ended, resolve: end } = Promise.withResolvers<EphemeralRun>();
    this.runs.set(run.id, {
      record: recordOf(run, now),
      parameters: run.parameters,
      result: null,
      values: new Map(),
      inbox: [],
      parentId: run.parent?.runId ?? null,
      ended,
      end,
    });
    return { ended };
  }

  find(tenantId: string, id: string): EphemeralRun | null {
    this.forget(Date.now());
    const run = this.runs.get(id) ?? this.over.get(id)?.run;
    return run && run.record.tenantId === tenantId ? run : null;
  }

  /** Runs that have not ended. */
  get open(): number {
    return this.runs.size;
  }

  /** Hears of runs that were ended from outside, whose holder must stop. */
  onAbandoned(listener: (runId: string) => void): void {
    this.abandonedListeners.add(listener);
  }

  /** Hears of runs that were told something. */
  onInbox(listener: (runId: string) => void): void {
    this.inboxListeners.add(listener);
  }

  /** Hears of runs that others called: they run in the same memory. */
  onBorn(listener: (run: NewRun) => void): void {
    this.bornListeners.add(listener);
  }

  /** Tells a run to cancel, and its holder that it was told; false where it is over or not here. */
  cancel(tenantId: string, id: string, payload: JsonObject): boolean {
    const run = this.runs.get(id);
    if (run?.record.tenantId !== tenantId) return false;
    this.tell(id, run, 'cancel', payload);
    return true;
  }

  private tell(id: string, run: Known, kind: InboxMessage['kind'], payload: JsonObject): void {
    run.inbox.push({ inboxSeq: run.inbox.length + 1, kind, payload });
    for (const tell of this.inboxListeners) tell(id);
  }

  announce(source: UnitSource): void {
    // A turn of its own: a run that writes again and again must not hold the process.
    setImmediate(() => {
      const unit = source.takeUnit();
      if (!unit) return;
      const known = this.runs.get(unit.runId);
      if (!known) return source.unitSettled({ kind: 'lost' });
      if ((unit.end || unit.release) && unit.seenInbox < known.inbox.length) return source.unitSettled({ kind: 'inbox_moved' });
      // As with rows: nothing is called once a cancel was acknowledged (D29).
      if (fallsToCancel(unit.children) && known.inbox.some(({ kind }) => kind === 'cancel')) {
        return source.unitSettled(
          unit.seenInbox < known.inbox.length ? { kind: 'inbox_moved' } : { kind: 'refused', reason: 'its cancel was acknowledged' },
        );
      }
      const at = Date.now();
      this.record(known, unit, at);
      source.unitSettled({ kind: 'committed', at });
      for (const child of unit.children) {
        const { run } = child;
        this.begin(run, at);
        if (child.ended) this.record(this.runs.get(run.id)!, birthOf(child), at);
        else for (const take of this.bornListeners) take(run);
      }
      const ended = childEnded(unit, 0);
      const parent = ended && this.runs.get(ended.parentId);
      if (parent) this.tell(ended.parentId, parent, 'child_ended', ended.payload);
    });
  }

  readInbox(_tenantId: string, runId: string, after: number): Promise<readonly InboxMessage[]> {
    return Promise.resolve((this.runs.get(runId)?.inbox ?? []).filter((message) => message.inboxSeq > after));
  }

  /** No run without rows waits for an approval. */
  expireApproval(): Promise<null> {
    return Promise.resolve(null);
  }

  /** Ends a run from outside: its time is over, or the node goes away. Later units of it are lost. */
  abandon(id: string, error: ExecutionRecord['error'], now: number): void {
    const known = this.runs.get(id);
    if (!known) return;
    this.finish({
      ...known,
      record: { ...known.record, status: 'failed', progress: 100, error, endedAt: now, updatedAt: now, waitingFor: null },
    });
    for (const tell of this.abandonedListeners) tell(id);
    for (const [childId, { parentId }] of [...this.runs]) if (parentId === id) this.abandon(childId, error, now);
  }

  private record(known: Known, unit: Unit, at: number): void {
    const { row, events, expectedSeq, end } = unit;
    const record: ExecutionRecord = {
      ...known.record,
      ...row,
      lastSeq: expectedSeq + events.length,
      updatedAt: at,
      endedAt: end ? at : null,
    };
    const next = { ...known, record, result: end ? end.result : null, values: withValues(known, events) };
    if (end) this.finish(next);
    else this.runs.set(unit.runId, next);
    // Nobody else can go on with it: who waits for it hears that now (D32).
    if (unit.release) this.abandon(unit.runId, NODE_LEFT, at);
  }

  private finish(run: Known): void {
    const { id, endedAt } = run.record;
    this.runs.delete(id);
    const bytes = bytesOf(run);
    this.over.set(id, { run, until: (endedAt ?? run.record.updatedAt) + KEPT_MS, bytes });
    this.keptBytes += bytes;
    run.end(run);
    this.forget(run.record.updatedAt);
  }

  private forget(now: number): void {
    for (const [id, { until, bytes }] of this.over) {
      // However large the last one is, its caller may still ask for its values.
      const isFull = this.over.size > KEPT_RUNS || (this.keptBytes > KEPT_BYTES && this.over.size > 1);
      if (until > now && !isFull) return;
      this.over.delete(id);
      this.keptBytes -= bytes;
    }
  }
}

/** About what the values of a run take: the characters of their JSON, without making it. */
function bytesOf({ record, parameters, result, values }: Known): number {
  let bytes = 0;
  for (const value of [record.metadata, parameters, result, ...values.values()]) {
    const check = new StorabilityCheck(RECORD_DEPTH, true);
    check.count(value);
    bytes += check.characters;
  }
  return bytes;
}

function withValues({ parentId, values }: Known, events: readonly RunEvent[]): ReadonlyMap<string, Json> {
  if (parentId === null) return values;
  return new Map([...values, ...events.flatMap((event) => (event.type === 'step_completed' ? [[event.step, event.value] as const] : []))]);
}

/** A run as answers show it before anything of it is stored. */
export function recordOf(run: NewRun, now: number): ExecutionRecord {
  return {
    id: run.id,
    tenantId: run.tenantId,
    catalogId: run.catalogId,
    path: run.path,
    playbookName: run.playbookName,
    version: run.version,
    shownVersion: run.shownVersion,
    requestedVersion: run.requestedVersion,
    executionType: run.executionType,
    digest: run.digest,
    merge: run.merge,
    metadata: run.metadata,
    parentExecutionId: run.parentExecutionId,
    parentEventId: run.parentEventId,
    parentStep: run.parentStep,
    forkedFrom: run.forkedFrom,
    priority: run.priority,
    startAt: run.startAt,
    expiresAt: run.expiresAt,
    timeoutAt: run.timeoutAt,
    status: 'running',
    progress: 0,
    currentStep: null,
    waitingFor: null,
    error: null,
    createdAt: now,
    updatedAt: now,
    endedAt: null,
    cancelRequestedAt: null,
    pauseRequestedAt: null,
    lastSeq: 0,
  };
}
