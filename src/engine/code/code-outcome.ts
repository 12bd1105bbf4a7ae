import { cutText } from '../auth/cut-text.js';
import { type CodeOutcome, SandboxError } from '../sandbox-port.js';
import { StepFailure, type StepResult } from '../step-executor.js';
import { isObject } from '../values.js';

const MAX_MESSAGE = 2_000;

/** The result of a step of code, `note` before what it printed. Throws StepFailure for an exception of the code and for a value {status: error, error: text}. */
export function resultOf(outcome: CodeOutcome, note = ''): StepResult {
  const logs = note + outcome.logs;
  if (!outcome.ok) {
    const { code, type, message, frames } = outcome;
    throw new StepFailure(code, message === '' ? type : `${type}: ${message}`, {
      logs,
      cause: { type, frames },
      retryable: code === 'python_error' || code === 'javascript_error',
    });
  }
  const { value } = outcome;
  if (isObject(value) && value['status'] === 'error' && typeof value['error'] === 'string' && value['error'] !== '') {
    throw new StepFailure('step_error', cutText(value['error'], MAX_MESSAGE), { logs, value });
  }
  return { value, logs };
}

/** Turns a SandboxError into the failure of the step: `lost` where the process ended under the code. */
export function notRun(lost: 'python_error' | 'javascript_error'): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof SandboxError)) throw error;
    throw new StepFailure(error.code === 'process_lost' ? lost : error.code, error.message, { retryable: error.retryable });
  };
}
