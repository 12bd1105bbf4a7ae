import { StepFailure } from '../engine/step-executor.js';

/** SQL whose values have no place that they could be written for. */
export function contextFailure(message: string): StepFailure {
  return new StepFailure('sql_context', message, { retryable: false });
}
