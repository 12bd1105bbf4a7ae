import { type DataSource } from 'typeorm';
import { type HeldRun, type RunId } from '../../engine/ports.js';
import { claimDue, claimExpired, claimTooLate, countUnreadable, UnreadableClaim } from './claim.js';
import { type GivingBack } from './giving-back.js';
import { type HeldRuns } from './held-runs.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';
import { type Timing } from '../timing.js';

/** Who gets what is claimed. */
export interface Taker {
  /** How many more it can take now. */
  room(): number;
  /** Must not throw. */
  hand(run: HeldRun): void;
}

type Claim = (limit: number, excluded: readonly RunId[], sending: () => void) => Promise<readonly HeldRun[]>;

/** Claims rows and hands over what can be read of them. Each method claims `limit` rows at most and rejects where the database fails. */
export class Claiming {
  /** What was claimed here so far: without a holder, after a lease had expired, to be ended as expired. */
  readonly counts = { claimed: 0, takenOver: 0, tooLate: 0 };
  /** Runs whose rows cannot be read, and until when (monotonic) they are not tried again: they must not hold up the others (R4). */
  private readonly unreadable = new Map<RunId, number>();
  /** One after a claim that took too long, and twice as many after each that did not: what takes so long is found alone, or the database is slow. */
  private most = Infinity;

  constructor(
    private readonly db: DataSource,
    private readonly held: HeldRuns,
    private readonly lease: LeaseTerm,
    private readonly givingBack: GivingBack,
    private readonly log: Log,
    private readonly timing: Timing,
  ) {}

  /** Runs without a holder that are due. @returns how many rows were dealt with */
  async due(limit: number, taker: Taker): Promise<number> {
    const taken = await this.take(limit, taker, (most, excluded, sending) => claimDue(this.db, this.lease, most, excluded, sending));
    this.counts.claimed += taken;
    return taken;
  }

  /**
   * Runs whose leases have expired; see claimExpired.
   * @param suspectToo asked again before each statement: a run that was handed over by the one before may be a suspect
   * @returns how many rows were dealt with
   */
  async expired(limit: number, taker: Taker, suspectToo: () => boolean, excusedBeforeMs: number | null): Promise<number> {
    const taken = await this.take(limit, taker, (most, excluded, sending) =>
      claimExpired(this.db, this.lease, most, excluded, suspectToo(), excusedBeforeMs, sending),
    );
    this.counts.takenOver += taken;
    return taken;
  }

  /** Runs that it is too late to begin. @returns how many rows were dealt with */
  async tooLate(limit: number, taker: Taker): Promise<number> {
    const taken = await this.take(limit, taker, (most, excluded, sending) => claimTooLate(this.db, this.lease, most, excluded, sending));
    this.counts.tooLate += taken;
    return taken;
  }

  private async take(limit: number, taker: Taker, claim: Claim): Promise<number> {
    let sent = this.timing.monotonic();
    const { dropped } = this.held;
    let claimed: readonly HeldRun[];
    try {
      const excluded = [...this.held.ids(), ...this.unreadableNow(sent)];
      claimed = await claim(Math.min(limit, this.most), excluded, () => void (sent = this.timing.monotonic()));
    } catch (error) {
      if (!(error instanceof UnreadableClaim)) throw error;
      return await this.takeApart(error, taker, claim);
    }
    // Claimed on a history that is over; where the present one has these leases too, they expire.
    if (dropped !== this.held.dropped) return 0;
    const isLate = this.timing.monotonic() - sent >= this.lease.ms;
    for (const run of claimed) {
      const { id } = run.run;
      this.held.add(id, run.token, run.history?.inboxConsumed ?? 0, true, sent);
      if (this.held.isLive(id, run.token)) taker.hand(run);
      else this.letGo(run, isLate && claimed.length === 1);
    }
    if (claimed.length > 0) this.most = isLate ? 1 : 2 * this.most;
    return claimed.length;
  }

  /**
   * Its claim took longer than its lease, or a run before it made this node stand still for so long: by now it may be another's. Where it still is
   * not, the row need not keep a lease that is over. Nothing was begun of it, which says nothing of it; but where it was claimed alone, perhaps it is
   * what takes so long: that counts as an expired lease does, and from the second time on it is left to the sweep, which takes suspects alone (D16).
   */
  private letGo(run: HeldRun, wasAlone: boolean): void {
    if (!wasAlone) this.givingBack.giveBack(run, 0, null);
    else if ((run.history?.attempts ?? 0) === 0) this.givingBack.giveBack(run, 0, 1);
    else this.held.forget(run.run.id, run.token);
  }

  /** One row that cannot be read fails alone: that is counted, it is set aside for a lease, and the others are claimed one by one. */
  private async takeApart(error: UnreadableClaim, taker: Taker, claim: Claim): Promise<number> {
    const [only] = error.ids;
    if (error.ids.length === 1 && only !== undefined) {
      this.log.error({ err: error, runId: only }, 'an execution cannot be claimed');
      this.unreadable.set(only, this.timing.monotonic() + this.lease.ms);
      await countUnreadable(this.db, this.lease, only);
      return 1;
    }
    let count = 0;
    for (let left = error.ids.length; left > 0 && taker.room() > 0; left--) count += await this.take(1, taker, claim);
    return count;
  }

  private unreadableNow(now: number): RunId[] {
    for (const [id, until] of this.unreadable) if (until <= now) this.unreadable.delete(id);
    return [...this.unreadable.keys()];
  }
}
