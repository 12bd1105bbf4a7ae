import { type Claiming, type Taker } from './claiming.js';
import { DatabaseAbsence } from './database-absence.js';
import { type Handover } from './handover.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';
import { type PostgresRunStore } from '../run-store.js';
import { type Timing } from '../timing.js';

const POLL_MS = 1_000;
const MAX_CLAIM = 100;

/** When this node claims runs for its consumer: what is due at a hint and every second, what crashed holders left behind every second. */
export class ClaimLoop {
  private readonly absence: DatabaseAbsence;
  private readonly taker: Taker;
  private claiming: Promise<void> | null = null;
  private claimAgain = false;
  /** Monotonic time of the next look for expired leases. */
  private nextSweepAt = 0;
  /** That look fell short for want of room: it is made up for before what is due takes the next room, or a full node would never come to it. */
  private owesSweep = false;

  constructor(
    private readonly claims: Claiming,
    private readonly store: PostgresRunStore,
    private readonly handover: Handover,
    lease: LeaseTerm,
    private readonly log: Log,
    private readonly timing: Timing,
  ) {
    this.absence = new DatabaseAbsence(lease, timing, POLL_MS);
    this.taker = { room: () => this.room(), hand: handover.hand };
  }

  /** Begins to poll, until the returned function is called. */
  start(): () => void {
    this.absence.start();
    return this.timing.every(POLL_MS, () => {
      this.absence.tick();
      this.wake();
    });
  }

  /** Looks for due rows soon. */
  wake(): void {
    if (this.claiming !== null) {
      this.claimAgain = true;
      return;
    }
    this.claiming = this.claim().finally(() => {
      this.claiming = null;
      if (this.claimAgain) {
        this.claimAgain = false;
        this.wake();
      }
    });
  }

  /** Resolves once the claim that is under way is over. */
  async done(): Promise<void> {
    await this.claiming;
  }

  /** The one suspect that was worked on here has got on, or is over: the next one need not wait for the next look (D16). */
  takeNextSuspect(): void {
    const now = this.timing.monotonic();
    if (!this.absence.isGrace(now)) this.nextSweepAt = Math.min(this.nextSweepAt, now);
    this.wake();
  }

  private async claim(): Promise<void> {
    const began = this.timing.monotonic();
    // Then there is no room, and nothing is asked of the database.
    if (this.store.condition() === 'away') this.absence.failed(began);
    try {
      let answered = false;
      for (let claimed = MAX_CLAIM, limit = 0; claimed >= limit;) {
        if (!this.absence.isAway && (answered || this.owesSweep)) await this.sweep();
        limit = this.room();
        if (limit <= 0) break;
        claimed = await this.claims.due(limit, this.taker);
        answered = true;
      }
      if (this.absence.isAway && answered) this.nextSweepAt = this.absence.over();
      await this.sweep();
    } catch (error) {
      this.absence.failed(began);
      this.log.warn({ err: error }, 'executions could not be claimed');
    }
  }

  /** Takes over what crashed holders left behind (R4): for ever, on every node, a batch at a time. */
  private async sweep(): Promise<void> {
    const limit = this.room();
    const { consumer } = this.handover;
    const now = this.timing.monotonic();
    if (consumer === null || now < this.nextSweepAt) return;
    this.owesSweep = limit <= 0;
    if (limit <= 0) return;
    this.nextSweepAt = now + POLL_MS;
    const swept = await this.claims.expired(limit, this.taker, () => !consumer.holdsSuspect(), this.absence.excusedBeforeMs(now));
    // There may be more.
    if (swept >= limit) this.nextSweepAt = now;
    this.owesSweep = swept >= limit;
    if (swept > 0) this.log.info({ executions: swept }, 'took over executions whose leases had expired');
  }

  private room(): number {
    return this.store.condition() === 'fine' ? Math.min(MAX_CLAIM, this.handover.room()) : 0;
  }
}
