import { type CompiledPlaybook, type CompiledStep } from '../playbook/compiled.js';
import { type ChildRuns } from '../child-runs-port.js';
import { type Clock, type NewRun } from '../ports.js';
import { type AttemptOutcome, type DecisionWorld } from '../run/decision.js';
import { type RunFacts } from '../run/run-scope.js';
import { type Firing, type RunState } from '../run/run-state.js';
import { type StepKind } from '../step-executor.js';
import { type Json } from '../values.js';
import { type PartsEvent } from './journal.js';

/** One attempt of one part. */
export interface PartAttempt {
  readonly kind: StepKind;
  readonly request: Json;
  readonly attempt: number;
  /** Path of the part, for its idempotency key (D21). */
  readonly path: string;
  readonly timeoutMs: number | null;
}

/** The run as the program of one of its firings sees it. The state is read, and changed by nothing but events. */
export interface ProgramHost {
  readonly playbook: CompiledPlaybook;
  readonly state: RunState;
  readonly facts: RunFacts;
  readonly world: DecisionWorld;
  readonly clock: Clock;
  readonly step: CompiledStep;
  readonly firing: Firing;
  /** Aborted on time-out, cancellation and loss of the lease. */
  readonly signal: AbortSignal;
  /** Puts events into the history; resolves once they are committed, and never where the run lets go of the program. */
  write(events: readonly PartsEvent[]): Promise<void>;
  /** So much is told and not committed that nothing more may be told ahead (D17). */
  isFarAhead(): boolean;
  /** Resolves once all that was told is committed, and never where the run lets go of the program. */
  committed(): Promise<void>;
  attempt(part: PartAttempt): Promise<AttemptOutcome>;
  /** What the step warns of when it settles. */
  warn(message: string): void;
  /** The run itself, as the parent of what it calls. */
  readonly run: NewRun;
  readonly children: ChildRuns;
  /**
   * Records the call of a part, and has the called execution born with it; resolves once that is committed.
   * @param mayEnd one that only computes may be born ended: its end is recorded with it, and the commit is awaited only where the run is far ahead of it
   */
  bear(path: string, child: NewRun, mayEnd: boolean): Promise<void>;
  /** @returns how to stop listening */
  onChildEnd(childId: string, told: () => void): () => void;
  /** Asks an execution that was called to end as cancelled, unless the run has let go of the program; resolves once that is stored. */
  cancelChild(childId: string): Promise<void>;
  /** All of the program sleeps until then (epoch ms; Infinity: until it is told something); null: something of it is under way again. */
  asleep(until: number | null): void;
  /** Tells when the run has failed, is to pause, or goes on. */
  onHalt(told: () => void): void;
  /** The run is to pause, and nothing of the program is under way any more; it is made again after the resume. */
  held(): void;
}
