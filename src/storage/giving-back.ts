import { type DataSource } from 'typeorm';
import { type HeldRun } from '../engine/ports.js';
import { giveBack } from './claim.js';
import { type HeldRuns } from './held-runs.js';
import { type Log } from './log.js';
import { type Timing } from './timing.js';

const RETRY_MS = 500;

/** Claimed runs of which nothing was written go back: whoever has room for them need not wait for their leases to expire. */
export class GivingBack {
  private readonly underWay = new Set<Promise<void>>();

  /** @param stopping aborted where the node stops: then what cannot be given back at once is left to its lease */
  constructor(
    private readonly db: DataSource,
    private readonly held: HeldRuns,
    private readonly log: Log,
    private readonly timing: Timing,
    private readonly stopping: AbortSignal,
  ) {}

  /**
   * Gives a claimed run back, due again `afterMs` from now. Keeps trying while the database is away; where the node stops before, the lease expires.
   * @param attempts what its row counts from then on (D16)
   */
  giveBack(held: HeldRun, afterMs: number, attempts = 0): void {
    const given = this.release(held, afterMs, attempts).finally(() => this.underWay.delete(given));
    this.underWay.add(given);
  }

  /** Resolves once nothing is being given back. */
  async done(): Promise<void> {
    await Promise.all(this.underWay);
  }

  private async release(held: HeldRun, afterMs: number, attempts: number): Promise<void> {
    for (;;) {
      try {
        await giveBack(this.db, [held], afterMs, attempts);
        break;
      } catch (error) {
        this.log.warn({ err: error, runId: held.run.id }, 'a claimed execution could not be given back');
        if (this.stopping.aborted) break;
        await this.timing.sleep(RETRY_MS);
      }
    }
    this.held.forget(held.run.id, held.token);
  }
}
