import { type FailureCode } from '../error-codes.js';
import { type Json } from '../values.js';

/** `error_details` of an execution and the `error` of a failed step. Never holds secrets or stacks of the service. */
export interface RunErrorDetails {
  readonly code: FailureCode;
  readonly message: string;
  readonly step: string | null;
  readonly step_type: string | null;
  readonly attempt: number | null;
  readonly retryable: boolean;
  readonly item_index: number | null;
  readonly cause: Json;
}

/** An item of an iterator that failed. */
export interface ItemFailure {
  readonly index: number;
  readonly message: string;
}
