import { type HeldRun, type Unit, type UnitSource } from '../engine/ports.js';
import { type RunErrorDetails } from '../engine/run/events.js';

/** Ends a claimed run that this node cannot even begin (its entry cannot be read or compiled): it fails alone, with a code (R5). */
export class FailingRun implements UnitSource {
  readonly runId: string;
  private done = false;

  constructor(
    private readonly held: HeldRun,
    private readonly error: RunErrorDetails,
  ) {
    this.runId = held.run.id;
  }

  takeUnit(): Unit | null {
    if (this.done) return null;
    const { run, token, history } = this.held;
    return {
      runId: run.id,
      tenantId: run.tenantId,
      token,
      create: history ? null : run,
      expectedSeq: history?.events.length ?? 0,
      events: [...(history ? [] : [{ type: 'execution_started' } as const]), { type: 'execution_failed', error: this.error, others: [] }],
      row: { status: 'failed', progress: 100, currentStep: null, waitingFor: null, error: this.error },
      end: { result: null },
      release: null,
      seenInbox: history?.inboxConsumed ?? 0,
      recordsProgress: false,
    };
  }

  /** Where unread inbox held the end off, the lease expires and the next holder tries again. */
  unitSettled(): void {
    this.done = true;
  }
}
