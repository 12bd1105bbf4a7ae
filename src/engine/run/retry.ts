import { type CompiledRetry } from '../playbook/compiled.js';
import { MOST_ATTEMPTS } from '../playbook/normalise-retry.js';
import { secondsOf } from '../playbook/normalise-values.js';
import { type Retry } from '../playbook/playbook.js';
import { isTruthy, TemplateError, type ValueTemplate } from '../template/template.js';
import { type Rendering } from '../template/rendering.js';
import { itemOf } from '../template/access.js';
import { type Scope, TemplateReference } from '../template/scope.js';
import { type StepReference } from '../template/step-reference.js';
import { type FailureCode } from '../error-codes.js';
import { isObject, type Json } from '../values.js';
import { holdsOrWarns } from './conditions.js';
import { type Deciding } from './decision.js';
import { performOf } from './performs.js';
import { referenceTo, type StepOutcomeView } from './run-scope.js';
import { type Firing } from './run-state.js';

/** How one attempt ended, as far as retry cares. */
export interface AttemptEnd {
  readonly attempt: number;
  readonly succeeded: boolean;
  readonly code: FailureCode | null;
  readonly retryable: boolean;
}

/** keep: the outcome stands. A policy: by it another attempt is due. exhausted: a success that should have been retried, with no attempt left. */
export type RetryVerdict = 'keep' | Retry | 'exhausted';

/** `data` in conditions of retries: the value, and through it what stands in its `data`, so that `data.state` and `data.status` are of the body of an answer. */
export class AttemptData extends TemplateReference {
  private readonly reference: StepReference;

  constructor(private readonly outcome: StepOutcomeView) {
    super();
    this.reference = referenceTo(outcome);
  }
  get(key: string | number): unknown {
    const { value } = this.outcome;
    if (isObject(value) && itemOf(value, key) === undefined) {
      const inner = itemOf(value['data'] ?? null, key);
      if (inner !== undefined) return inner;
    }
    return this.reference.get(key);
  }
  unwrap(): Json {
    return this.outcome.value;
  }
}

/** Decides about another attempt (playbook language §7.2). Conditions that throw count as false and warn. */
export function retryVerdict(retry: CompiledRetry | null, end: AttemptEnd, scope: Scope, rendering: Rendering): RetryVerdict {
  if (!retry || (!end.succeeded && !end.retryable)) return 'keep';
  if (retry.stopWhen && holdsOrWarns('stop_when', retry.stopWhen, scope, rendering)) return 'keep';
  if (!wants(retry, end, scope, rendering)) return 'keep';
  const policy = policyIn(retry, scope, rendering);
  if (end.attempt < policy.maxAttempts) return policy;
  return end.succeeded ? 'exhausted' : 'keep';
}

/** The policy with what its templates give; what gives no number counts as if it were not written. */
function policyIn({ policy, templates }: CompiledRetry, scope: Scope, rendering: Rendering): Retry {
  const found = { ...policy };
  for (const [field, template] of templates) {
    const value = renderedOrWarned(field, template, scope, rendering);
    if (value === null) continue;
    if (field === 'jitter') found.jitter = isTruthy(value);
    else if (field === 'maxAttempts') found.maxAttempts = attemptsOf(value) ?? policy.maxAttempts;
    else found[field] = (field === 'backoffMultiplier' ? numberOf(value) : secondsOf(value)) ?? policy[field];
  }
  return found;
}

function renderedOrWarned(field: string, template: ValueTemplate, scope: Scope, rendering: Rendering): Json {
  try {
    return template.render(scope, rendering);
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
    rendering.warn(`retry: ${field}: ${thrown.message}`);
    return null;
  }
}

/** As written in a document: false and 0 are one attempt, true is as many as there are by default. */
function attemptsOf(value: Json): number | null {
  if (value === false) return 1;
  const number = numberOf(value);
  return number === null ? null : Math.min(Math.max(1, Math.trunc(number)), MOST_ATTEMPTS);
}

function numberOf(value: Json): number | null {
  const number = typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : Number.NaN;
  return Number.isFinite(number) && number >= 0 ? number : null;
}

function wants(retry: CompiledRetry, end: AttemptEnd, scope: Scope, rendering: Rendering): boolean {
  if (end.succeeded && retry.policy.onlyErrors) return false;
  if (retry.retryWhen) return holdsOrWarns('retry_when', retry.retryWhen, scope, rendering);
  if (end.succeeded) return false;
  return retry.policy.retryOn === null || retry.policy.retryOn.some((name) => isOfClass(name, end.code));
}

function isOfClass(name: string, code: FailureCode | null): boolean {
  return name === 'exception' || name === 'error' || name === code;
}

/** What another side may ask for at most. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/** Milliseconds to wait after the given attempt: exponential, capped, ±25 % with jitter; no less than the other side asked for. */
export function retryDelayMs(policy: Retry, attempt: number, random: () => number, retryAfterMs = 0): number {
  const seconds = Math.min(policy.initialDelay * policy.backoffMultiplier ** (attempt - 1), policy.maxDelay);
  const factor = policy.jitter ? 0.75 + random() / 2 : 1;
  return Math.max(Math.round(seconds * 1000 * factor), Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS));
}

/** So much of its time an attempt may lose before it has begun, in milliseconds. */
const LATE_MS = 1_000;

/**
 * The next attempt is in the history before it begins, as the first one is: whoever goes on knows that it may have acted (D20). Where a pause or an
 * outage came between, a composite one has all of its time all the same.
 */
export function tryAgain(deciding: Deciding, firing: Firing): void {
  const { playbook, world, decision } = deciding;
  const step = playbook.steps[firing.step]!;
  const { wave, attempt, timeoutAt, timeoutMs, dueAt } = firing;
  const now = world.now();
  const isLate = timeoutAt !== null && now - dueAt! > LATE_MS;
  deciding.emit({
    type: 'step_woken',
    step: step.name,
    stepType: step.type,
    wave,
    attempt,
    reason: 'retry',
    ...(isLate ? { timeoutAt: now + timeoutMs! } : {}),
  });
  decision.performs.push(performOf(step, firing));
}
