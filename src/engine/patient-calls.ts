import { type ChildRuns } from './child-runs-port.js';
import { type Clock, type HeldRun } from './ports.js';
import { type RunState } from './run/run-state.js';
import { StepFailure } from './step-executor.js';

/** What calls ask of the run that makes them. */
export interface CallingRun {
  readonly held: HeldRun;
  readonly clock: Clock;
  readonly state: RunState;
  readonly children: ChildRuns;
  isOver(): boolean;
}

/** A database that is away is asked again after so long, and then after ever longer. */
const ASK_AGAIN_MS = 100;
const LONGEST_ASK_MS = 2_000;

/** The door as a run asks it about what it calls: where the database is away, it waits and asks again. */
export class PatientCalls {
  constructor(private readonly run: CallingRun) {}

  /** @param isWanted asked after a failure: where it is not, the failure is passed on */
  while(isWanted: () => boolean): ChildRuns {
    const { children } = this.run;
    const again = <T>(work: () => Promise<T>): Promise<T> =>
      this.again(work, (error) => isWanted() && !(error instanceof StepFailure && error.code !== 'database_unavailable'));
    return {
      prepare: (call) => again(() => children.prepare(call)),
      playbookOf: (child) => children.playbookOf(child),
      below: (parent, prefix) => again(() => children.below(parent, prefix)),
      outcome: (tenantId, childId, returnStep) => again(() => children.outcome(tenantId, childId, returnStep)),
      cancel: (tenantId, childIds, reason) => children.cancel(tenantId, childIds, reason),
      cancelAll: (tenantId, parentId, reason) => children.cancelAll(tenantId, parentId, reason),
    };
  }

  /** What a run calls is cancelled before it ends itself. Resolves once that is stored, or the run is over here. */
  cancel(childIds: readonly string[]): Promise<void> {
    const { children, held, state } = this.run;
    return this.again(
      async () => {
        if (!this.run.isOver()) await children.cancel(held.run.tenantId, childIds, state.cancel?.reason ?? null);
      },
      () => true,
    );
  }

  private async again<T>(work: () => Promise<T>, isWorthIt: (error: unknown) => boolean): Promise<T> {
    for (let ms = ASK_AGAIN_MS; ; ms = Math.min(2 * ms, LONGEST_ASK_MS)) {
      try {
        return await work();
      } catch (error) {
        if (!isWorthIt(error)) throw error;
      }
      await new Promise<void>((resolve) => this.run.clock.after(ms, resolve));
    }
  }
}
