import { type Json, type JsonObject } from './values.js';

/** Where code of playbooks runs: processes outside the service, kept warm, limited, killed on time-out (src/sandbox). */
export interface Sandbox {
  /** True only where Python code can reach neither network nor files, so that running it twice is invisible to the world. */
  readonly networkDenied: boolean;
  /**
   * Runs Python code once, with fresh globals. What the code itself does wrong is an outcome, not an error.
   * Throws SandboxError; throws `signal.reason` when aborted, after the process was killed.
   */
  runPython(call: PythonCall): Promise<CodeOutcome>;
  /** The same for JavaScript, which reaches nothing outside itself under any isolation. */
  runJavaScript(call: CodeCall): Promise<CodeOutcome>;
}

export interface CodeCall {
  /** Processes are never shared between tenants. */
  readonly tenantId: string;
  readonly executionId: string;
  /** Lease generation of the caller. */
  readonly claimNo: number;
  readonly code: string;
  /** Arguments of main(). */
  readonly inputs: JsonObject;
  /** What `context` is in the code; null where the code does not use it. */
  readonly context: JsonObject | null;
  readonly signal: AbortSignal;
}

export interface PythonCall extends CodeCall {
  /** Values for parameters that no input names. */
  readonly fallbacks: JsonObject;
}

export type CodeOutcome =
  | { readonly ok: true; readonly value: Json; readonly logs: string }
  | {
      readonly ok: false;
      readonly code: 'python_error' | 'javascript_error' | 'result_not_storable' | 'result_too_large';
      /** Name of the exception class. */
      readonly type: string;
      readonly message: string;
      /** Last frames of the traceback, innermost last: file, line, function, text. No values. */
      readonly frames: Json;
      readonly logs: string;
    };

/** The code could not be run to its end, through no fault that the code could report. */
export class SandboxError extends Error {
  constructor(
    readonly code: 'runtime_unavailable' | 'sandbox_unavailable' | 'process_lost' | 'result_too_large',
    message: string,
    /** True where the same call may succeed later without anyone changing anything. */
    readonly retryable: boolean,
  ) {
    super(message);
    this.name = 'SandboxError';
  }
}
