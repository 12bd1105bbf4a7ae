import { type LeaseTerm } from '../lease-term.js';
import { type Timing } from '../timing.js';

/** Times in which the database was away: leases that expired then say nothing about their holders, which get a lease's time to be back (D16). */
export class DatabaseAbsence {
  private away = false;
  /** Monotonic times of the last tick, and of the end of the last time in which this process itself stood still. */
  private tickedAt = 0;
  private stoodStillUntil = -Infinity;
  /** Monotonic time up to which an expired lease may be the database's fault; null: it was never away. */
  private graceEndedAt: number | null = null;

  /** @param tickMs how often `tick` is called */
  constructor(
    private readonly lease: LeaseTerm,
    private readonly timing: Pick<Timing, 'monotonic'>,
    private readonly tickMs: number,
  ) {}

  /** True from a failure until `over`. */
  get isAway(): boolean {
    return this.away;
  }

  start(): void {
    this.tickedAt = this.timing.monotonic();
  }

  tick(): void {
    const now = this.timing.monotonic();
    if (this.standsStill(now)) this.stoodStillUntil = now;
    this.tickedAt = now;
  }

  /**
   * The database failed, or is slow and fails, in what began at `since` (monotonic). Where this process stood still meanwhile that may be its own
   * doing, for the server ends a transaction that stands still: then it says nothing about the leases of others.
   */
  failed(since: number): void {
    const now = this.timing.monotonic();
    if (!this.standsStill(now) && this.stoodStillUntil < since) this.away = true;
  }

  /** The database answers again. @returns monotonic time at which the grace for expired leases ends */
  over(): number {
    this.away = false;
    this.graceEndedAt = this.timing.monotonic() + this.lease.ms;
    return this.graceEndedAt;
  }

  isGrace(now: number): boolean {
    return this.graceEndedAt !== null && now < this.graceEndedAt;
  }

  /** Leases that expired longer ago than this may be the database's fault; null: none. */
  excusedBeforeMs(now: number): number | null {
    return this.graceEndedAt === null ? null : now - this.graceEndedAt;
  }

  private standsStill(now: number): boolean {
    return now - this.tickedAt > Math.max(2 * this.tickMs, this.lease.idleInTransactionMs);
  }
}
