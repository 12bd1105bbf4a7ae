import { type ErrorCode } from './error-codes.js';
import { type Action } from './playbook/playbook.js';
import { type Scope } from './template/scope.js';
import { type Rendering } from './template/rendering.js';
import { type Json, type JsonObject } from './values.js';

/** The contract of a step type: one folder in `src/steps`, whose name is the `kind`. */
export interface StepKind<Config = unknown, Request extends Json = Json> {
  readonly kind: string;
  /**
   * Once per registration: checks the action's fields and compiles their templates.
   * Throws EngineError (kind invalid) with issues whose pointers are relative to the action, e.g. /code.
   */
  parse(action: Action): Config;
  /**
   * Pure: renders what the step will do into a JSON value, which is recorded in step_started before the effect
   * begins (D20, D22) and is all that `execute` gets. Throws StepFailure for values that cannot work.
   */
  render(config: Config, inputs: JsonObject, scope: Scope, rendering: Rendering): Request;
  /** Performs one attempt. Throws StepFailure for expected failures; aborts promptly on `context.signal`. */
  execute(request: Request, context: StepContext): Promise<StepResult>;
  /** True (the default): the world can see it, so its step_started is committed first. False: runs ahead of the commit. */
  readonly effect: boolean;
  /** Seconds per attempt where the playbook says nothing. */
  readonly defaultTimeoutSeconds: number;
  /** Alternative names under which templates and asserts may read parts of the value (http: body, payload, json, response -> data). */
  readonly valueAliases?: Readonly<Record<string, string>>;
}

/** Fixes the types of a kind; the default export of `src/steps/<kind>/<kind>.step.ts`. */
export function defineStep<Config, Request extends Json>(kind: StepKind<Config, Request>): StepKind<Config, Request> {
  return kind;
}

export interface StepContext {
  readonly tenantId: string;
  readonly executionId: string;
  readonly step: string;
  readonly wave: number;
  readonly attempt: number;
  /** Lease generation, sent to step processes (D14). */
  readonly claimNo: number;
  /** execution/step/wave/item path/part: equal over retries and re-runs of that part only (D21). */
  readonly idempotencyKey: string;
  /** Aborted on time-out, cancellation and loss of the lease. The engine owns all three. */
  readonly signal: AbortSignal;
  /**
   * Asked before a large value comes into memory: resolves once this node has room for so many more bytes of it, and rejects with the reason of
   * `signal`. The bytes are the execution's until it leaves memory. Waiting is part of the attempt: its time-out goes on. Kinds whose values are
   * small need not ask.
   */
  admit(bytes: number): Promise<void>;
}

export interface StepResult {
  readonly value: Json;
  /** Captured prints, capped by the step. */
  readonly logs?: string;
}

/** An attempt that failed in an expected way. `message` is shown to users and recorded: no secrets, no inputs. */
export class StepFailure extends Error {
  readonly retryable: boolean;
  /** What retry conditions see as `data`/`this` besides the error: e.g. the HTTP value of a non-2xx answer. */
  readonly value: Json | undefined;
  readonly statusCode: number | undefined;
  readonly logs: string | undefined;
  readonly details: Json;

  constructor(
    readonly code: ErrorCode,
    message: string,
    detail: { retryable?: boolean; value?: Json; statusCode?: number; logs?: string; cause?: Json } = {},
  ) {
    super(message);
    this.name = 'StepFailure';
    this.retryable = detail.retryable ?? true;
    this.value = detail.value;
    this.statusCode = detail.statusCode;
    this.logs = detail.logs;
    this.details = detail.cause ?? null;
  }
}

/** The step types that can run here, by canonical word. */
export type StepKinds = ReadonlyMap<string, StepKind>;
