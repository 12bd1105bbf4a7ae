import { type HeldRun, type NewRun } from '../../engine/ports.js';
import { type GivingBack } from './giving-back.js';
import { type HeldRuns } from './held-runs.js';
import { type Log } from '../log.js';

/** The worker's side of the queue. */
export interface RunConsumer {
  /** How many more runs it can take now. */
  capacity(): number;
  /** Runs it: sooner or later a unit of it is announced, or a claimed run given back. Must not throw; a run it cannot parse it ends as failed. */
  take(held: HeldRun): void;
  /** Runs it in memory alone (D32). */
  takeEphemeral(run: NewRun): void;
  /** True while it runs one whose holders keep crashing; no second one is handed to it (D16). */
  holdsSuspect(): boolean;
}

/** Who runs the runs of this node, and how they get there. */
export class Handover {
  /** Null: nobody does. */
  consumer: RunConsumer | null = null;

  constructor(
    private readonly held: HeldRuns,
    private readonly givingBack: GivingBack,
    private readonly log: Log,
  ) {}

  /** How many more runs find somebody here now. */
  room(): number {
    return this.consumer?.capacity() ?? 0;
  }

  /** Hands over a run that this node holds. Must not throw. */
  readonly hand = (run: HeldRun): void => {
    // Claimed while draining: give it back at once, nobody has to wait for the lease to expire.
    if (this.consumer === null) this.givingBack.giveBack(run, 0);
    else this.handTo(this.consumer, run);
  };

  /** Hands over a run without rows (D32); false where nobody here can run it now. */
  handEphemeral(run: NewRun): boolean {
    if (this.consumer === null || this.consumer.capacity() <= 0) return false;
    this.consumer.takeEphemeral(run);
    return true;
  }

  /** A consumer that fails on one run must not cost the others that were claimed with it; this one's lease is left to expire. */
  private handTo(consumer: RunConsumer, run: HeldRun): void {
    try {
      consumer.take(run);
    } catch (error) {
      this.log.error({ err: error, runId: run.run.id }, 'a run could not be handed over');
      this.held.forget(run.run.id, run.token);
    }
  }
}
