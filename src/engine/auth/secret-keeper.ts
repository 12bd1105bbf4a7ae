import { NO_SECRETS, type Secrets, SecretsError } from '../secrets-port.js';
import { type ResolvedCredential, StepFailure, type StepResult } from '../step-executor.js';
import { type Json, type JsonObject } from '../values.js';
import { type OpeningContext, openRequest, retaint } from './open-request.js';
import { Redactor } from './redactor.js';
import { type AuthRecord, isSealed } from './sealed-request.js';
import { holdsSealed, sealedText } from './secret-markers.js';

/** A request as its kind performs it. */
export interface PerformedRequest {
  readonly request: Json;
  readonly auth: ReadonlyMap<string, ResolvedCredential>;
}

const NO_AUTH: ReadonlyMap<string, ResolvedCredential> = new Map();

/**
 * Keeps the secrets of one execution: opens them for its attempts, and keeps them out of what comes back from these. An execution without secrets
 * pays nothing.
 */
export class SecretKeeper {
  private readonly redactor: Redactor;
  private readonly revealed = new Map<string, string>();
  /** What others opened before this holder; its secrets may still come back. */
  private earlier: readonly Json[];

  /**
   * @param earlier requests of the history, and values that `secrets` steps left there
   * @param mayHoldSealed whether requests may hold what `secrets` steps left
   * @param executionId what is never a secret of this execution
   */
  constructor(
    private readonly tenantId: string,
    private readonly secrets: Secrets = NO_SECRETS,
    earlier: readonly Json[] = [],
    private readonly mayHoldSealed = false,
    executionId: string | null = null,
  ) {
    this.redactor = new Redactor(executionId);
    this.earlier = earlier;
  }

  /** What is struck out of whatever comes back, the longest first. */
  get forms(): readonly string[] {
    return this.redactor.forms;
  }

  /** True where a request can be performed as it is recorded. */
  isPlain(recorded: Json): boolean {
    return this.earlier.length === 0 && !isSealed(recorded) && !(this.mayHoldSealed && holdsSealed(recorded));
  }

  /** Opens a recorded request for one attempt. Throws StepFailure. */
  async open(recorded: Json, signal: AbortSignal): Promise<PerformedRequest> {
    if (this.isPlain(recorded)) return { request: recorded, auth: NO_AUTH };
    const context: OpeningContext = {
      secrets: this.secrets,
      tenantId: this.tenantId,
      redactor: this.redactor,
      signal,
      revealed: this.revealed,
      mayHoldSealed: this.mayHoldSealed,
    };
    for (const request of this.earlier) await retaint(request, context);
    this.earlier = [];
    try {
      return await openRequest(recorded, context);
    } catch (error) {
      throw asStepFailure(error);
    }
  }

  /** What may be recorded of an attempt's result: without secrets, and where the value itself is one, with a reference to it. */
  recordable(result: StepResult, recorded: Json): StepResult {
    const { secret, value, logs, tables } = result;
    if (secret !== undefined) {
      this.redactor.taintAll(value);
      const login: AuthRecord['credentials'] = isSealed(recorded) ? recorded.$auth.credentials : [];
      const token = this.sealed({ wanted: secret, login });
      const text = firstText(value);
      if (text !== null) this.revealed.set(token, text);
      return { value: valuesAs(value, sealedText(token)), ...(logs === undefined ? {} : { logs: this.redactor.prints(logs) }) };
    }
    if (this.redactor.isIdle) return result;
    const { asks } = result;
    // What comes back to the action is its own, to the letter.
    const kept = asks ? { asks: { ...asks, requests: this.redactor.value(asks.requests) as JsonObject } } : {};
    return {
      value: this.redactor.value(value),
      ...kept,
      ...(logs === undefined ? {} : { logs: this.redactor.prints(logs) }),
      ...(tables ? { tables } : {}),
    };
  }

  /** What an action says while it works, without secrets. */
  said(message: string | null): string | null {
    return message === null ? null : this.redactor.text(message);
  }

  /** A failure without secrets in message, value, logs and details. */
  failure(failure: StepFailure): StepFailure {
    if (this.redactor.isIdle) return failure;
    const { redactor } = this;
    return new StepFailure(failure.code, redactor.message(failure.message), {
      retryable: failure.retryable,
      retryAfterMs: failure.retryAfterMs,
      origin: failure.origin,
      cause: redactor.messages(failure.details),
      ...(failure.value === undefined ? {} : { value: redactor.value(failure.value) }),
      ...(failure.statusCode === undefined ? {} : { statusCode: failure.statusCode }),
      ...(failure.logs === undefined ? {} : { logs: redactor.prints(failure.logs) }),
    });
  }

  private sealed(reference: Json): string {
    try {
      return this.secrets.seal(this.tenantId, reference);
    } catch (error) {
      throw asStepFailure(error);
    }
  }
}

function asStepFailure(error: unknown): unknown {
  return error instanceof SecretsError ? new StepFailure(error.code, error.message, { retryable: error.retryable }) : error;
}

function firstText(value: Json): string | null {
  if (typeof value === 'string') return value;
  if (value === null || typeof value !== 'object') return null;
  for (const item of Object.values(value)) {
    const text = firstText(item as Json);
    if (text !== null) return text;
  }
  return null;
}

/** Every text below a mapping is the secret; its keys are names. */
function valuesAs(value: Json, token: string): Json {
  if (typeof value === 'string') return token;
  if (Array.isArray(value)) return value.map((item) => valuesAs(item, token));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, valuesAs(item, token)]));
}
