import { type FailureCode } from './error-codes.js';
import { type Action, type Save } from './playbook/playbook.js';
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
  /** True where its attempts may end with questions in place of a value (`StepResult.asks`). */
  readonly mayAsk?: boolean;
  /** Seconds per attempt where the playbook says nothing. */
  readonly defaultTimeoutSeconds: number;
  /** Set where the kind can read page after page (`retry.on_success`, playbook language §7.3). */
  readonly pages?: Pages;
  /** Alternative names under which templates and asserts may read parts of the value (http: body, payload, json, response -> data). */
  readonly valueAliases?: ValueAliases;
  /** Where the kind can store: saves to the storage of the same word. */
  readonly save?: SaveStorage;
}

/** Names of parts of a value: of one of its keys, or of what the function finds in it (undefined: nothing). */
export type ValueAliases = Readonly<Record<string, string | ((value: Json) => Json | undefined)>>;

/** How a kind stores data (playbook language §8). Its requests are performed by the kind's own `execute`, so they say that they are saves. */
export interface SaveStorage<Config = unknown, Request extends Json = Json> {
  /** Once per registration; pointers of issues are relative to the save. Throws EngineError. */
  parse(save: Save): Config;
  /** Pure, recorded before the effect begins. `data` is the rendered data of the save. Throws StepFailure, TemplateError. */
  render(config: Config, data: Json, scope: Scope, rendering: Rendering): Request;
  /** What a save without `data` stores of the value of its step; all of it where this is left out. */
  readonly byDefault?: (value: Json) => Json;
  /** What the step's meta says about a save that was performed: table, row_count, … */
  outcome(value: Json): JsonObject;
}

/** How a kind goes from page to page. Pure. */
export interface Pages {
  /** What `response` is in the expressions: the body of the page that was just read. */
  body(value: Json): Json;
  /** The recorded request with what `next_call` changes: `{params?, data?, headers?, url?}`. Throws StepFailure for what cannot be sent. */
  next(request: Json, call: JsonObject): Json;
}

/** Fixes the types of a kind; the default export of `src/steps/<kind>/<kind>.step.ts`. */
export function defineStep<Config, Request extends Json>(kind: StepKind<Config, Request>): StepKind<Config, Request> {
  return kind;
}

/** A credential as a step kind gets it, opened for one attempt. */
export interface ResolvedCredential {
  readonly alias: string;
  /** Name in the store; null where the fields come from elsewhere. */
  readonly name: string | null;
  /** As it is stored or was asked for, lower case. */
  readonly type: string;
  /** Changes with every change of the fields. */
  readonly version: string;
  readonly fields: Readonly<Record<string, Json>>;
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
  /** Milliseconds after which the signal is aborted for time; null: never. For bounds that others keep (D15). */
  readonly timeoutMs: number | null;
  /** The credentials of the action's `auth` by alias, in document order; one entry for the single form, empty where there is none (D23). */
  readonly auth: ReadonlyMap<string, ResolvedCredential>;
  /** Each form of each secret that the execution has by now, the longest first: for what a kind tells others by itself. Results need no care. */
  secretForms(): readonly string[];
  /**
   * For kinds that do something else before the world sees anything, such as looking a name up: called right before that, it throws where the
   * execution is no longer this node's to go on with (D13, D15).
   */
  assertHeld(): void;
  /**
   * Asked before a large value comes into memory: resolves once this node has room for so many more bytes of it, and rejects with the reason of
   * `signal`. The bytes are the execution's until it leaves memory. With 0 it resolves when the value that is there by now may be read, which takes long,
   * in the very same turn: between two such there is time for small work. Waiting is part of the attempt: its time-out goes on. Kinds whose values are
   * small need not ask.
   */
  admit(bytes: number): Promise<void>;
  /** Whether an attempt may ask: parts of composite actions may not. */
  readonly mayAsk: boolean;
  /** What came back to the questions of an earlier attempt; null where none were asked. */
  readonly answered: AnsweredAsk | null;
  /** Says how far the attempt is, for those who watch. As often as it likes: what is recorded is bounded, and only what is more than before counts. */
  report(progress: ActionProgress): void;
}

/** Questions that an action has on its way: its step waits for the answers like one of type `input`, and performs its request again with them. */
export interface ActionAsk {
  /** By name: `{method, params}`, sound by `requestIssues`. No secrets. */
  readonly requests: JsonObject;
  /** Comes back with the answers, as it is. */
  readonly state: Json;
}

/** An ask that was answered. */
export interface AnsweredAsk {
  readonly state: Json;
  readonly answers: Json;
  /** How many asks of this firing were answered by now, this one included. */
  readonly round: number;
}

/** How far an attempt is, as it says itself. */
export interface ActionProgress {
  /** From 0, in whatever measure. */
  readonly progress: number;
  /** Where the end is, in the same measure; null where it is not known. */
  readonly total: number | null;
  /** Asked only where the report is recorded. */
  readonly message: () => string | null;
}

export interface StepResult {
  readonly value: Json;
  /** Captured prints, capped by the step. */
  readonly logs?: string;
  /** Of the tables that `assert.returns` may mean, those that the step's database has. */
  readonly tables?: readonly string[];
  /** Set where every text of the value is one secret: what finds it again. The value is recorded as an encrypted reference (D23). */
  readonly secret?: JsonObject;
  /** In place of a value, which counts for nothing then. */
  readonly asks?: ActionAsk;
}

/**
 * action: what was tried failed. abort: the engine aborted it or did not let it begin, which is no outcome of it. limit: the engine cut a runaway
 * playbook. Never recorded: a failure that is read from the history is an outcome.
 */
export type FailureOrigin = 'action' | 'abort' | 'limit';

/** An attempt that failed in an expected way. `message` is shown to users and recorded: no secrets, no inputs. */
export class StepFailure extends Error {
  readonly retryable: boolean;
  /** What retry conditions see as `data`/`this` besides the error: e.g. the HTTP value of a non-2xx answer. */
  readonly value: Json | undefined;
  readonly statusCode: number | undefined;
  readonly logs: string | undefined;
  readonly details: Json;
  /** The item of an iterator that failed. */
  readonly itemIndex: number | null;
  /** Milliseconds that the other side asks to be left alone (Retry-After); a retry comes no earlier. */
  readonly retryAfterMs: number;
  /** Who made it one. Codes do not say: authors may call a failure of their own whatever they like. */
  readonly origin: FailureOrigin;

  constructor(
    readonly code: FailureCode,
    message: string,
    detail: {
      retryable?: boolean;
      value?: Json;
      statusCode?: number;
      logs?: string | undefined;
      cause?: Json;
      itemIndex?: number;
      retryAfterMs?: number;
      origin?: FailureOrigin;
    } = {},
  ) {
    super(message);
    this.name = 'StepFailure';
    this.retryable = detail.retryable ?? true;
    this.value = detail.value;
    this.statusCode = detail.statusCode;
    this.logs = detail.logs;
    this.details = detail.cause ?? null;
    this.itemIndex = detail.itemIndex ?? null;
    this.retryAfterMs = detail.retryAfterMs ?? 0;
    this.origin = detail.origin ?? 'action';
  }
}

/** The step types that can run here, by canonical word. */
export type StepKinds = ReadonlyMap<string, StepKind>;
