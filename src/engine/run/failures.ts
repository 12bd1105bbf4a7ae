import { type FailureOrigin, StepFailure } from '../step-executor.js';
import { TemplateError } from '../template/template.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { type RunErrorDetails } from './events.js';

/** Where a failure happened. */
export interface FailurePlace {
  readonly step: string;
  readonly stepType: string;
  readonly attempt: number;
}

/** Turns what was thrown while rendering or performing into a StepFailure; anything unexpected is a fault of the service and thrown on. */
export function asFailure(thrown: unknown): StepFailure {
  if (thrown instanceof StepFailure) return thrown;
  if (thrown instanceof TemplateError) return new StepFailure(thrown.code, thrown.message, { retryable: false });
  throw thrown;
}

/** The recorded form of a failure. The cause keeps the status code and what the step says about it, never its value. */
export function detailsOf(failure: StepFailure, place: FailurePlace): RunErrorDetails {
  const cause: JsonObject = isObject(failure.details) ? { ...failure.details } : {};
  if (failure.statusCode !== undefined) cause['status_code'] = failure.statusCode;
  const hasCause = Object.keys(cause).length > 0;
  return {
    code: failure.code,
    message: failure.message,
    step: place.step,
    step_type: place.stepType,
    attempt: place.attempt,
    retryable: failure.retryable,
    item_index: failure.itemIndex,
    cause: hasCause ? cause : failure.details,
  };
}

/** The failure that was recorded as these details. */
export function failureFrom(
  { code, message, retryable, cause, item_index }: RunErrorDetails,
  origin: FailureOrigin = 'action',
): StepFailure {
  const statusCode = isObject(cause) && typeof cause['status_code'] === 'number' ? cause['status_code'] : undefined;
  return new StepFailure(code, message, {
    retryable,
    cause,
    origin,
    ...(statusCode === undefined ? {} : { statusCode }),
    ...(item_index === null ? {} : { itemIndex: item_index }),
  });
}

/** `error` as templates see it: real documents read {{ error.message }}, {{ error.status }}, {{ error != None }}. */
export function errorView(error: RunErrorDetails): JsonObject {
  const status: Json = isObject(error.cause) ? (error.cause['status_code'] ?? null) : null;
  return {
    step: error.step,
    message: error.message,
    type: error.code,
    code: error.code,
    status,
    status_code: status,
    attempt: error.attempt,
  };
}
