import { Inject, Injectable } from '@nestjs/common';
import { type HeldRun } from '../engine/ports.js';
import { runFault } from '../engine/run-fault.js';
import { HeldRuns } from '../storage/claiming/held-runs.js';
import { LOG, type Log } from '../storage/log.js';
import { RunQueue } from '../storage/claiming/run-queue.js';
import { PostgresRunStore } from '../storage/run-store.js';
import { FailingRun } from './failing-run.js';

const LOOK_EVERY_MS = 1_000;
const BATCH = 200;

const EXPIRED = runFault('expired', 'Nothing had begun the execution by its expires_at.', { retryable: true });

/**
 * Ends executions that waited too long for somebody to begin them. Every node does that, whatever its role and however full it is:
 * it takes no room. Their ends are units like any other, fenced by the lease of the claim.
 */
@Injectable()
export class QueueTimeouts {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  private stopped = false;

  constructor(
    private readonly queue: RunQueue,
    private readonly store: PostgresRunStore,
    private readonly held: HeldRuns,
    @Inject(LOG) private readonly log: Log,
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      this.looking ??= this.look().finally(() => (this.looking = null));
    }, LOOK_EVERY_MS);
    this.timer.unref();
  }

  /** Resolves once no more of them will be claimed here. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.looking;
  }

  private async look(): Promise<void> {
    try {
      for (let taken = BATCH; taken === BATCH && !this.stopped;) {
        taken = await this.queue.takeTooLate(BATCH, this.end);
        if (taken > 0) this.log.info({ executions: taken }, 'ended executions that nothing had begun in time');
      }
    } catch (error) {
      this.log.warn({ err: error }, 'executions that expired in the queue could not be looked for');
    }
  }

  private readonly end = (held: HeldRun): void => {
    const letGo = (): void => this.held.forget(held.run.id, held.token);
    this.store.announce(new FailingRun(held, EXPIRED, this.store, letGo));
  };
}
