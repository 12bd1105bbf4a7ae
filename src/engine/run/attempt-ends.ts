import { type Retry } from '../playbook/playbook.js';
import { StepFailure } from '../step-executor.js';
import { storableText } from '../storability.js';
import { type Json } from '../values.js';
import { completeUndo, failUndo, shownName } from './compensation.js';
import { type AttemptOutcome, type Deciding, type Stimulus } from './decision.js';
import { detailsOf, errorView, failureFrom } from './failures.js';
import { elapsed, LOOP_LIMITS } from './fire.js';
import { type ActedStep } from './parts.js';
import { AttemptData, retryDelayMs, retryVerdict } from './retry.js';
import { type Firing } from './run-state.js';
import { completeStep, failAction, failStep, outcomeView, scopeOf, settleAction, type Settling, timeOutStep } from './settle.js';
import { inputsAfter } from './undoing.js';
import { askOnTheWay } from './waiting.js';

/** An attempt ended: try again, or settle the step. */
export function settleAttempt(deciding: Deciding, firing: Firing, settled: Extract<Stimulus, { kind: 'settled' }>): void {
  const { outcome } = settled;
  const { state } = deciding;
  const step = deciding.playbook.steps[firing.step]!;
  const rendering = deciding.rendering();
  for (const warning of settled.warnings ?? []) rendering.warn(warning);
  const { acted } = firing;
  const settling: Settling = {
    step,
    wave: firing.wave,
    attempt: firing.attempt,
    inputs: inputsAfter(firing),
    arrivedError: firing.arrivedError,
    durationMs: acted?.durationMs ?? elapsed(settled.durationMs),
    rendering,
    logs: acted ? (acted.logs ?? undefined) : storableLogs(outcome.ok ? outcome.result.logs : outcome.failure.logs),
    started: true,
    passed: false,
    itemErrors: acted ? acted.itemErrors : (settled.itemErrors ?? null),
    tables: outcome.ok ? outcome.result.tables : undefined,
  };
  const isNotBegun = !outcome.ok && state.failure !== null && outcome.failure.origin === 'abort';
  const isUnanswered =
    outcome.ok && outcome.result.asks !== undefined && (state.cancel !== null || state.failure !== null || firing.isLost);
  if (!firing.undoes && (isNotBegun || isUnanswered || (!outcome.ok && (state.cancel || firing.isLost)))) {
    deciding.emit({
      type: 'step_skipped',
      step: step.name,
      stepType: step.type,
      wave: firing.wave,
      reason: state.cancel ? 'cancelled' : firing.isLost ? 'join' : 'failure',
    });
    return;
  }
  if (acted) return settleSaves(deciding, settling, acted, settled);
  if (outcome.ok && outcome.result.asks && !state.failure && !state.cancel && !firing.isLost)
    return askOnTheWay(deciding, settling, firing, outcome.result.asks);
  // In a run that has failed or is being cancelled what is to be tried again waits, and so is skipped: a retry of the run has its other attempts.
  const isLast = !firing.undoes && (firing.isLost || state.seq - state.itemEvents >= LOOP_LIMITS.events);
  const verdict = isLast ? 'keep' : verdictOf(deciding, settling, outcome);
  if (typeof verdict === 'object') return waitToTryAgain(deciding, settling, firing, outcome, verdict);
  const [complete, fail] = firing.undoes ? [completeUndo, failUndo] : [settleAction, failAction];
  if (verdict === 'exhausted') {
    const message = `retry_when still held after ${firing.attempt} attempts.`;
    fail(deciding, settling, new StepFailure('retry_exhausted', message, { retryable: false }));
  } else if (outcome.ok) complete(deciding, settling, outcome.result.value);
  else fail(deciding, settling, outcome.failure);
}

/** The next attempt begins after the pause that its policy and the answer ask for. */
function waitToTryAgain(
  deciding: Deciding,
  { step, rendering, logs }: Settling,
  firing: Firing,
  outcome: AttemptOutcome,
  policy: Retry,
): void {
  const { world, playbook } = deciding;
  const { wave, attempt } = firing;
  const delayMs = retryDelayMs(policy, attempt, () => world.random(), outcome.ok ? 0 : outcome.failure.retryAfterMs);
  const dueAt = world.now() + delayMs;
  deciding.emit({
    type: 'action_retry',
    step: step.name,
    stepType: step.type,
    wave,
    attempt,
    maxAttempts: policy.maxAttempts,
    delayMs,
    dueAt,
    error: outcome.ok ? null : detailsOf(outcome.failure, { step: shownName(playbook, step), stepType: step.type, attempt }),
    ...(rendering.warnings.length > 0 ? { warnings: rendering.warnings } : {}),
    ...(logs ? { logs } : {}),
  });
  deciding.decision.timers.push({ step: firing.step, wave, dueAt });
}

/** The saves of an action have ended: with it its step ends, or one of them failed. A save of an error may not hide the error. */
function settleSaves(deciding: Deciding, settling: Settling, acted: ActedStep, settled: Extract<Stimulus, { kind: 'settled' }>): void {
  const { outcome, saves = [] } = settled;
  if (!acted.end.ok) {
    if (!outcome.ok) settling.rendering.warn(`save: ${outcome.failure.message}`);
    const failure = failureFrom(acted.end.error, acted.cut === 'limit' ? 'limit' : 'action');
    if (acted.cut === 'timeout') timeOutStep(deciding, settling, failure, settling.step.onTimeout!, saves);
    else failStep(deciding, settling, failure, saves);
  } else if (outcome.ok) completeStep(deciding, settling, acted.end.value, saves);
  else failStep(deciding, settling, outcome.failure, saves);
}

function storableLogs(logs: string | undefined): string | undefined {
  return logs === undefined ? undefined : storableText(logs);
}

function verdictOf(deciding: Deciding, settling: Settling, outcome: AttemptOutcome): ReturnType<typeof retryVerdict> {
  const { step, attempt, rendering } = settling;
  const retry = step.action?.retry ?? null;
  // Pages are tried again one by one, where they are read.
  if (!retry || step.action?.pages) return 'keep';
  const value = outcome.ok ? outcome.result.value : (outcome.failure.value ?? null);
  const failure = outcome.ok ? null : outcome.failure;
  const error = failure && detailsOf(failure, { step: step.name, stepType: step.type, attempt });
  const view = { ...outcomeView(settling, value, outcome.ok ? 'success' : 'error'), error: failure?.message ?? null };
  const statusCode = statusCodeOf(value, failure);
  const moment = { attempt, success: outcome.ok, status_code: statusCode, error: error && errorView(error), data: new AttemptData(view) };
  const scope = scopeOf(deciding, settling, view, null, error, moment);
  return retryVerdict(
    retry,
    { attempt, succeeded: outcome.ok, code: failure?.code ?? null, retryable: failure?.retryable ?? true },
    scope,
    rendering,
  );
}

function statusCodeOf(value: Json, failure: StepFailure | null): Json {
  if (failure?.statusCode !== undefined) return failure.statusCode;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value['status_code'] ?? null) : null;
}
