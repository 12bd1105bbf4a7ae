import { runFault } from '../run-fault.js';
import { type RunErrorDetails, type RunEvent, type TerminalEvent } from './events.js';
import { type RunState } from './run-state.js';

/** How a run goes on whose events the store will never take (D7). */
export interface RefusedEnd {
  /** In the place of all that was decided: results become failures without user data. */
  readonly events: RunEvent[];
  readonly error: RunErrorDetails;
  readonly end: TerminalEvent;
}

/**
 * @param refused the events of the unit that was refused
 * @param unsent what was decided since
 * @param cancelled what the state says of a cancel: once it was heard, nothing but CANCELLED may end the run
 * @param isFirst whether this run is refused for the first time; a second refusal gives up its steps too
 */
export function refusedEnd(
  refused: readonly RunEvent[],
  unsent: readonly RunEvent[],
  cancelled: RunState['cancel'],
  reason: string,
  isFirst: boolean,
): RefusedEnd {
  const steps = isFirst ? refused.filter((event) => event.type === 'step_completed') : [];
  const error = runFault(isFirst ? 'result_not_storable' : 'poison', `The execution could not be recorded: ${reason}`, {
    step: steps[0]?.step ?? null,
  });
  const events = steps.map(({ step, stepType, wave, attempt, durationMs }): RunEvent => ({
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
  }));
  const cancel = [...refused, ...unsent].find((event) => event.type === 'cancel_requested');
  if (cancel) events.push(cancel);
  const heard = cancel ?? cancelled;
  const end: TerminalEvent = heard
    ? { type: 'execution_cancelled', reason: heard.reason }
    : { type: 'execution_failed', error, others: [] };
  return { events, error, end };
}
