import { runFault } from '../run-fault.js';
import { type RunErrorDetails, type RunEvent } from './events.js';

/** How a run goes on whose events the store will never take (D7). */
export interface RefusedEnd {
  /** In the place of what was refused: results become failures without user data. */
  readonly events: RunEvent[];
  readonly error: RunErrorDetails;
}

/** @param isFirst whether this run is refused for the first time; a second refusal gives up its steps too */
export function refusedEnd(events: readonly RunEvent[], reason: string, isFirst: boolean): RefusedEnd {
  const steps = isFirst ? events.filter((event) => event.type === 'step_completed') : [];
  const error = runFault(isFirst ? 'result_not_storable' : 'poison', `The execution could not be recorded: ${reason}`, {
    step: steps[0]?.step ?? null,
  });
  return {
    error,
    events: steps.map(({ step, stepType, wave, attempt, durationMs }): RunEvent => ({
      type: 'step_failed',
      step,
      stepType,
      wave,
      attempt,
      durationMs,
      error: runFault('result_not_storable', 'The result cannot be stored.', { step }),
      handled: false,
      edges: [],
      vars: null,
      saves: [],
    })),
  };
}
