import { type ChildRuns } from './child-runs-port.js';
import { type Clock, type RunStore } from './ports.js';
import { type DecisionWorld } from './run/decision.js';
import { type RunFacts } from './run/run-scope.js';
import { type Secrets } from './secrets-port.js';

/** What the holder of a run gives its orchestrator: the world, and whom it tells. */
export interface OrchestratorOptions {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly world: DecisionWorld;
  readonly facts: Pick<RunFacts, 'env'>;
  /** A run that only waits, for longer than this, gives its lease back and leaves memory; null: it never does. */
  readonly parkAfterMs: number | null;
  /** What opens the credentials of its steps; without it none is known. */
  readonly secrets?: Secrets;
  readonly children: ChildRuns;
  /** The lease of an execution that this one calls, where this node takes it up; null: the queue does. */
  tokenForCalled(): string | null;
  /** Lease still good by the monotonic clock (D13); checked right before each effect begins. */
  holdsLease(): boolean;
  /** Resolves once the node has room for so many more bytes of the run's values, which it holds until `over`; rejects with the signal's reason. */
  readonly admit: (bytes: number, signal: AbortSignal) => Promise<void>;
  /** Called once: the run is over here. `ended` after its terminal unit is committed, `released` and `lost` otherwise. */
  over(how: 'ended' | 'released' | 'lost' | 'refused'): void;
  /** The inbox could not be read for now; it is read again. */
  unheard(error: unknown): void;
  /** An unexpected fault of the service while driving this run. */
  fault(error: unknown): void;
}
