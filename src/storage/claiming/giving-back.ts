import { type DataSource } from 'typeorm';
import { type HeldRun } from '../../engine/ports.js';
import { giveBack, type GivenBack } from './claim.js';
import { type HeldRuns } from './held-runs.js';
import { type Log } from '../log.js';
import { type Timing } from '../timing.js';

const RETRY_MS = 500;
/** How long a node that stops goes on trying; then what is left is left to its lease. */
const STOPPING_MS = 5_000;
const MOST_AT_ONCE = 200;

/** Claimed runs of which nothing was written go back: whoever has room for them need not wait for their leases to expire. */
export class GivingBack {
  private readonly waiting: GivenBack[] = [];
  private going: Promise<void> | null = null;
  /** Monotonic time. */
  private triesUntil = Infinity;

  /** @param stopping aborted where the node stops */
  constructor(
    private readonly db: DataSource,
    private readonly held: HeldRuns,
    private readonly log: Log,
    private readonly timing: Timing,
    stopping: AbortSignal,
  ) {
    stopping.addEventListener('abort', () => void (this.triesUntil = timing.monotonic() + STOPPING_MS));
  }

  /**
   * Gives a claimed run back, due again `afterMs` from now, together with others that are to be given back meanwhile. Keeps trying while the database
   * is away.
   * @param attempts what its row counts from then on (D16); null: what it counts now
   */
  giveBack(held: HeldRun, afterMs: number, attempts: number | null = 0): void {
    this.waiting.push({ held, afterMs, attempts });
    this.going ??= this.go().finally(() => (this.going = null));
  }

  /** Resolves once nothing is being given back. */
  async done(): Promise<void> {
    await this.going;
  }

  private async go(): Promise<void> {
    // Those of one claim go together.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const some = this.waiting.splice(0, MOST_AT_ONCE);
      await this.release(some);
      for (const { held } of some) this.held.forget(held.run.id, held.token);
    }
  }

  private async release(some: readonly GivenBack[]): Promise<void> {
    for (;;) {
      try {
        return await giveBack(this.db, some);
      } catch (error) {
        this.log.warn({ err: error, executions: some.length }, 'claimed executions could not be given back');
        if (this.timing.monotonic() >= this.triesUntil) return;
        await this.timing.sleep(RETRY_MS);
      }
    }
  }
}
