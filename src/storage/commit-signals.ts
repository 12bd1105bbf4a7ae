import { type RowState, type RunId, type Unit, type UnitOutcome } from '../engine/ports.js';
import { type Json } from '../engine/values.js';
import { nextSeqOf } from './batch/pending-unit.js';

/** What one commit of a run changed; told only after it is durable. */
export interface CommitNotice {
  readonly runId: RunId;
  readonly tenantId: string;
  readonly lastSeq: number;
  readonly eventCount: number;
  readonly row: RowState;
  /** Set where the run ended. */
  readonly end: { readonly result: Json } | null;
  /** Database time, epoch milliseconds. */
  readonly at: number;
}

/**
 * Told of every unit's outcome, after its source.
 * @param sentAt monotonic time at which the unit was sent to the database last; null where it never was
 */
export type SettledListener = (unit: Unit, outcome: UnitOutcome, sentAt: number | null) => void;

/**
 * Who waits for commits on this node hears of them here, in memory and without delay; other nodes are reached by NOTIFY and polling (D34).
 * Listeners must not throw and must be quick: they run between two batches.
 */
export class CommitSignals {
  private readonly followers = new Map<RunId, Set<(notice: CommitNotice) => void>>();
  private readonly settledListeners = new Set<SettledListener>();
  private readonly inboxListeners = new Set<(runId: RunId) => void>();

  /** Hears of every commit of one run made on this node, until the returned function is called. */
  follow(runId: RunId, listener: (notice: CommitNotice) => void): () => void {
    const listeners = this.followers.get(runId) ?? new Set();
    this.followers.set(runId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.followers.get(runId) === listeners) this.followers.delete(runId);
    };
  }

  /** Hears of every outcome of every unit. */
  onSettled(listener: SettledListener): () => void {
    this.settledListeners.add(listener);
    return () => this.settledListeners.delete(listener);
  }

  /** Hears that a run may have unread inbox messages; a hint that may come twice or for runs held elsewhere (D5). */
  onInbox(listener: (runId: RunId) => void): () => void {
    this.inboxListeners.add(listener);
    return () => this.inboxListeners.delete(listener);
  }

  /** The writer's report; the source has already been told. */
  settled(unit: Unit, outcome: UnitOutcome, sentAt: number | null): void {
    for (const listener of this.settledListeners) listener(unit, outcome, sentAt);
    const followers = outcome.kind === 'committed' ? this.followers.get(unit.runId) : undefined;
    if (outcome.kind !== 'committed' || followers === undefined) return;
    const { runId, tenantId, row, end } = unit;
    const notice: CommitNotice = { runId, tenantId, row, end, lastSeq: nextSeqOf(unit), eventCount: unit.events.length, at: outcome.at };
    for (const listener of [...followers]) listener(notice);
  }

  inboxMoved(runId: RunId): void {
    for (const listener of this.inboxListeners) listener(runId);
  }
}
