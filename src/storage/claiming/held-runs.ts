import { type RunId } from '../../engine/ports.js';
import { type CommitSignals } from '../commit-signals.js';
import { type LeaseTerm } from '../lease-term.js';

export interface Hold {
  readonly runId: RunId;
  readonly token: string;
  /** Highest inbox_seq a stored unit of the run has seen. */
  seenInbox: number;
  /** Monotonic time from which the lease may be gone; counted from when the statement that renewed it was sent (D13). */
  deadline: number;
  /** Whether the row exists yet. */
  stored: boolean;
}

/** The runs this node holds: from claim or birth until their lease is given back, ended or lost. */
export class HeldRuns {
  private readonly byId = new Map<RunId, Hold>();
  private readonly dropListeners = new Set<(runId: RunId) => void>();
  private drops = 0;

  constructor(
    signals: CommitSignals,
    private readonly lease: LeaseTerm,
    private readonly monotonic: () => number = () => performance.now(),
  ) {
    signals.onSettled((unit, outcome, sentAt) => {
      const hold = this.byId.get(unit.runId);
      if (hold === undefined || hold.token !== unit.token) return;
      const gone =
        outcome.kind === 'lost' ||
        outcome.kind === 'duplicate' ||
        (outcome.kind === 'refused' && unit.create !== null) ||
        (outcome.kind === 'committed' && (unit.end !== null || unit.release !== null));
      if (gone) this.byId.delete(unit.runId);
      else if (outcome.kind === 'committed') {
        hold.seenInbox = unit.seenInbox;
        hold.stored = true;
        // Every unit of a held run renews its lease.
        if (sentAt !== null) this.renewed(hold, sentAt);
      }
    });
  }

  add(runId: RunId, token: string, seenInbox: number, stored: boolean, sentAt = this.monotonic()): void {
    this.byId.set(runId, { runId, token, seenInbox, stored, deadline: sentAt + this.lease.ms });
  }

  /** Its lease was renewed by a statement sent then (monotonic). */
  renewed(hold: Hold, sentAt: number): void {
    hold.deadline = Math.max(hold.deadline, sentAt + this.lease.ms);
  }

  /** Lets go of a run whose lease is left to expire. */
  forget(runId: RunId, token: string): void {
    if (this.byId.get(runId)?.token === token) this.byId.delete(runId);
  }

  /** Hears of every run that was dropped with all others: whoever drives it must stop at once and write nothing. */
  onDropped(listener: (runId: RunId) => void): void {
    this.dropListeners.add(listener);
  }

  /** Lets go of everything: none of these leases means anything any more (D19). */
  dropAll(): void {
    this.drops += 1;
    const ids = this.ids();
    this.byId.clear();
    for (const id of ids) for (const tell of this.dropListeners) tell(id);
  }

  /** How often everything was dropped: a claim that began before is void. */
  get dropped(): number {
    return this.drops;
  }

  has(runId: RunId): boolean {
    return this.byId.has(runId);
  }

  holds(runId: RunId, token: string): boolean {
    return this.byId.get(runId)?.token === token;
  }

  get size(): number {
    return this.byId.size;
  }

  ids(): RunId[] {
    return [...this.byId.keys()];
  }

  /** Holds with a row in the database. */
  stored(): Hold[] {
    return [...this.byId.values()].filter((hold) => hold.stored);
  }

  /** True while this node may begin effects of the run (D13). */
  isLive(runId: RunId, token: string): boolean {
    const hold = this.byId.get(runId);
    return hold !== undefined && hold.token === token && this.monotonic() < hold.deadline;
  }
}
