import { type RunErrorDetails } from './run/events.js';

/** The error of a run that no attempt of a step caused; not retryable unless said otherwise. */
export function runFault(
  code: RunErrorDetails['code'],
  message: string,
  about: Partial<Pick<RunErrorDetails, 'step' | 'retryable' | 'cause'>> = {},
): RunErrorDetails {
  return { code, message, step: null, step_type: null, attempt: null, retryable: false, item_index: null, cause: null, ...about };
}
