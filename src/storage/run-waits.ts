import { type Json } from '../engine/values.js';
import { type RowState, type RunId } from '../engine/ports.js';
import { isTerminal } from '../engine/run/events.js';
import { type CommitSignals } from './commit-signals.js';
import { type HeldRuns } from './claiming/held-runs.js';
import { inlineResult } from './inline-result.js';
import { type ExecutionRepository } from './repositories/execution.repository.js';

/** Runs of other nodes are looked at this often; runs held here report in memory (D34). */
const POLL_MS = 1_000;

/** How a run ended, as far as a waiting answer needs it. */
export interface RunEnd {
  readonly row: RowState;
  /** As answers show it. */
  readonly result: Json;
  readonly lastSeq: number;
  /** Database time of the end, epoch ms. */
  readonly at: number;
}

/** One waiting request. */
export interface RunWait {
  /** The end, or null where the time ran out, the wait was cancelled or the node drains. */
  readonly ended: Promise<RunEnd | null>;
  cancel(): void;
}

/** Requests that wait for ends. A wait holds neither worker nor connection; their number is bounded. */
export class RunWaits {
  private readonly open = new Set<() => void>();
  private isDraining = false;

  constructor(
    private readonly signals: CommitSignals,
    private readonly held: HeldRuns,
    private readonly executions: ExecutionRepository,
    private readonly limit: number,
  ) {}

  /** Waits for an end from now on; null where too many wait already, then the answer is given at once. */
  begin(tenantId: string, runId: RunId, waitMs: number): RunWait | null {
    if (this.isDraining || this.open.size >= this.limit) return null;
    const { promise: ended, resolve } = Promise.withResolvers<RunEnd | null>();
    const settle = (end: RunEnd | null): void => {
      unfollow();
      clearTimeout(timer);
      clearInterval(poll);
      this.open.delete(cancel);
      resolve(end);
    };
    const cancel = (): void => settle(null);
    const unfollow = this.signals.follow(runId, ({ end, row, lastSeq, at }) => {
      if (end) settle({ row, result: inlineResult(runId, end.result), lastSeq, at });
    });
    let looking = false;
    const timer = setTimeout(cancel, waitMs);
    const poll = setInterval(() => {
      if (looking || this.held.has(runId)) return;
      looking = true;
      void this.look(tenantId, runId).then((end) => {
        looking = false;
        if (end) settle(end);
      });
    }, POLL_MS);
    this.open.add(cancel);
    return { ended, cancel };
  }

  /** How many wait now. */
  get size(): number {
    return this.open.size;
  }

  /** True once the node shuts down: whoever follows a run goes elsewhere. */
  get draining(): boolean {
    return this.isDraining;
  }

  /** Answers everybody who waits, now, and refuses further waits. */
  drain(): void {
    this.isDraining = true;
    for (const cancel of [...this.open]) cancel();
  }

  private async look(tenantId: string, runId: RunId): Promise<RunEnd | null> {
    // An outage must not end a wait; the next look may succeed.
    const found = await this.executions.withPayload(tenantId, runId).catch(() => null);
    if (!found || !isTerminal(found.record.status)) return null;
    const { status, progress, currentStep, waitingFor, error, lastSeq, updatedAt } = found.record;
    return { row: { status, progress, currentStep, waitingFor, error }, result: found.payload.result, lastSeq, at: updatedAt };
  }
}
