import { Injectable } from '@nestjs/common';
import { type InboxMessage, type NewRun, type RunStore, type Unit, type UnitSource } from '../engine/ports.js';
import { isTerminal } from '../engine/run/events.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { type ExecutionRecord } from './execution-record.js';

/** How long a finished run without rows can still be asked for. */
const KEPT_MS = 10 * 60_000;
/** Finished runs kept at most; the oldest go first. */
const KEPT_RUNS = 1_000;

/** A run without rows as its node knows it. */
export interface EphemeralRun {
  readonly record: ExecutionRecord;
  readonly parameters: JsonObject;
  readonly result: Json;
}
interface Known extends EphemeralRun {
  readonly inbox: InboxMessage[];
  readonly ended: Promise<EphemeralRun>;
  readonly end: (run: EphemeralRun) => void;
}

/**
 * Runs of `sync_to_postgres: false` (D32): the engine drives them like any other, but their units go nowhere. Their status is
 * served by this node for ten minutes after the end.
 */
@Injectable()
export class EphemeralRuns implements RunStore {
  private readonly runs = new Map<string, Known>();
  private readonly listeners = new Set<(runId: string) => void>();
  private openRuns = 0;

  /** Makes a run known. `ended` of the answer resolves with its terminal state. */
  begin(run: NewRun, now: number): { readonly ended: Promise<EphemeralRun> } {
    const { promise: ended, resolve: end } = Promise.withResolvers<EphemeralRun>();
    this.openRuns += 1;
    this.runs.set(run.id, { record: recordOf(run, now), parameters: run.parameters, result: null, inbox: [], ended, end });
    return { ended };
  }

  find(tenantId: string, id: string): EphemeralRun | null {
    const run = this.runs.get(id);
    return run && run.record.tenantId === tenantId ? run : null;
  }

  /** Runs that have not ended. */
  get open(): number {
    return this.openRuns;
  }

  /** Hears of runs that were ended from outside, whose holder must stop. */
  onAbandoned(listener: (runId: string) => void): void {
    this.listeners.add(listener);
  }

  /** Tells a run to cancel; false where it is over or not here. The caller wakes its holder. */
  cancel(tenantId: string, id: string, payload: JsonObject): boolean {
    const run = this.runs.get(id);
    if (!run || run.record.tenantId !== tenantId || isTerminal(run.record.status)) return false;
    run.inbox.push({ inboxSeq: run.inbox.length + 1, kind: 'cancel', payload });
    return true;
  }

  announce(source: UnitSource): void {
    queueMicrotask(() => {
      const unit = source.takeUnit();
      if (!unit) return;
      const known = this.runs.get(unit.runId);
      if (!known || isTerminal(known.record.status)) return source.unitSettled({ kind: 'lost' });
      if ((unit.end || unit.release) && unit.seenInbox < known.inbox.length) return source.unitSettled({ kind: 'inbox_moved' });
      const at = Date.now();
      this.record(known, unit, at);
      source.unitSettled({ kind: 'committed', at });
    });
  }

  readInbox(_tenantId: string, runId: string, after: number): Promise<readonly InboxMessage[]> {
    return Promise.resolve((this.runs.get(runId)?.inbox ?? []).filter((message) => message.inboxSeq > after));
  }

  /** Ends a run from outside: its time is over, or the node goes away. Later units of it are lost. */
  abandon(id: string, error: ExecutionRecord['error'], now: number): void {
    const known = this.runs.get(id);
    if (!known || isTerminal(known.record.status)) return;
    this.finish({
      ...known,
      record: { ...known.record, status: 'failed', progress: 100, error, endedAt: now, updatedAt: now, waitingFor: null },
    });
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
    const next = { ...known, record, result: end ? end.result : null };
    if (end) this.finish(next);
    else this.runs.set(unit.runId, next);
  }

  private finish(known: Known): void {
    const { id } = known.record;
    this.openRuns -= 1;
    this.runs.delete(id); // to the end of the order, which is the order of forgetting
    this.runs.set(id, known);
    known.end(known);
    setTimeout(() => this.runs.delete(id), KEPT_MS).unref();
    let surplus = this.runs.size - this.openRuns - KEPT_RUNS;
    for (const [other, { record }] of this.runs) {
      if (surplus <= 0) return;
      if (!isTerminal(record.status)) continue;
      this.runs.delete(other);
      surplus -= 1;
    }
  }
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
    priority: 0,
    startAt: null,
    expiresAt: null,
    timeoutAt: null,
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
