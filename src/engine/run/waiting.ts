import { type CompiledStep, type CompiledWait } from '../playbook/compiled.js';
import { requestIssues } from '../playbook/input-requests.js';
import { type ActionAsk, StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type Deciding } from './decision.js';
import { durationMs } from './durations.js';
import { type RunScope } from './run-scope.js';
import { type StepWait } from './events.js';
import { approvalAsked, expiryOf } from './approving.js';
import { type Firing } from './run-state.js';
import { asFailure } from './failures.js';
import { performOf } from './performs.js';
import { failAction, settleAction, type Settling, timeOutStep } from './settle.js';
import { settlingOf } from './settling-wait.js';
import { type JsonObject } from '../values.js';
import { TEN_YEARS_MS, timeMs } from './times.js';

/** Begins a wait: records for what, since when and until when (D22). One that is over already ends in the same decision. */
export function beginWait(deciding: Deciding, wait: CompiledWait, settling: Settling, scope: RunScope, limitMs: number | null): void {
  const { state, world } = deciding;
  const { step, wave, inputs, rendering } = settling;
  const now = world.now();
  const limit = wait.kind === 'approval' ? expiryOf(wait, step, scope, rendering) : limitMs;
  const dueAt = wait.kind === 'timer' ? endOf(wait, step, now, scope, rendering) : limit === null ? null : now + limit;
  if (dueAt !== null && dueAt - now > TEN_YEARS_MS) throw refusal(`The step ${step.name} would wait for more than ten years.`);
  const waitsFor = wantedBy(deciding, wait, step, scope, rendering);
  deciding.checkStorable([inputs], waitsFor);
  deciding.emit({
    type: 'step_waiting',
    step: step.name,
    stepType: step.type,
    wave,
    attempt: 1,
    inputs,
    waitsFor,
    since: now,
    dueAt,
    ...(rendering.warnings.length > 0 ? { warnings: [...rendering.warnings] } : {}),
  });
  const firing = state.running.get(step.index)!;
  if (wait.kind === 'timer' && dueAt! <= now) endWait(deciding, firing);
  else if (dueAt !== null) deciding.decision.timers.push({ step: step.index, wave, dueAt });
}

/** How long an action waits for the answers to its questions. */
const ANSWERS_MS = 24 * 60 * 60 * 1000;
/** So often an action may ask until it has a value. */
const MOST_ASKS = 16;

/** An action asks something before it has a value: its step waits for the answers, as one of type `input` does. */
export function askOnTheWay(deciding: Deciding, settling: Settling, firing: Firing, { requests, state }: ActionAsk): void {
  const { step, wave, attempt } = settling;
  try {
    if ((firing.answered?.round ?? 0) >= MOST_ASKS)
      throw new StepFailure('tool_needs_input', `The step ${step.name} asks for input more than ${MOST_ASKS} times.`, { retryable: false });
    const now = deciding.world.now();
    const dueAt = now + ANSWERS_MS;
    const waitsFor: StepWait = { kind: 'input', name: step.name, requests };
    deciding.checkStorable(waitsFor, state);
    deciding.emit({
      type: 'step_waiting',
      step: step.name,
      stepType: step.type,
      wave,
      attempt,
      inputs: {},
      waitsFor,
      since: now,
      dueAt,
      asked: { state },
    });
    deciding.decision.timers.push({ step: step.index, wave, dueAt });
  } catch (thrown) {
    failAction(deciding, settling, asFailure(thrown));
  }
}

/** The time of a wait is over: a timer has done its work, a signal did not come. */
export function endWait(deciding: Deciding, firing: Firing): void {
  const step = deciding.playbook.steps[firing.step]!;
  const settling = settlingOf(deciding, step, firing);
  if (firing.waitsFor!.kind === 'timer') {
    wake(deciding, settling, 'due');
    settleAction(deciding, settling, firing.inputs);
    return;
  }
  const failure = tooLate(step, firing.waitsFor!);
  if (step.onTimeout) timeOutStep(deciding, settling, failure, step.onTimeout);
  else failAction(deciding, settling, failure);
}

function tooLate({ name: step }: CompiledStep, { kind, name }: StepWait): StepFailure {
  if (kind === 'approval') return new StepFailure('approval_expired', `Nobody decided ${step} in time.`, { retryable: false });
  const message = kind === 'input' ? `Nobody answered ${step} in time.` : `No signal ${name} came in time.`;
  return new StepFailure('signal_timeout', message, { retryable: false });
}

/** Hands received signals to the steps that wait for them, the longest waiting first; a step's value is the payload. Answers to requests are such signals. */
export function handOutSignals(deciding: Deciding): void {
  const { state } = deciding;
  if (state.signals.size === 0) return;
  for (const firing of [...state.running.values()]) {
    const { waitsFor } = firing;
    const payload =
      waitsFor && waitsFor.kind !== 'timer' && waitsFor.kind !== 'approval' ? state.signals.get(waitsFor.name!)?.[0] : undefined;
    if (payload === undefined || state.failure) continue;
    if (deciding.isOutOfTime) return;
    const settling = settlingOf(deciding, deciding.playbook.steps[firing.step]!, firing);
    const isAction = firing.asked !== null;
    wake(deciding, settling, 'signal');
    if (isAction) deciding.decision.performs.push(performOf(settling.step, firing));
    else settleAction(deciding, settling, payload);
  }
}

function wake(deciding: Deciding, { step, wave, attempt }: Settling, reason: 'due' | 'signal'): void {
  deciding.emit({ type: 'step_woken', step: step.name, stepType: step.type, wave, attempt, reason });
}

/** Characters of JSON that the requests of one step may have: they are shown with its execution. */
const LONGEST_REQUESTS = 64 * 1024;

function wantedBy(deciding: Deciding, wait: CompiledWait, step: CompiledStep, scope: RunScope, rendering: Rendering): StepWait {
  if (wait.kind === 'timer') return { kind: 'timer', name: step.name };
  if (wait.kind === 'signal') return { kind: 'signal', name: wait.name };
  if (wait.kind === 'approval')
    return { kind: 'approval', name: step.name, approval: approvalAsked(deciding, wait, step, scope, rendering) };
  const requests = wait.requests.render(scope, rendering);
  const [issue] = requestIssues(requests);
  if (issue) throw new StepFailure(issue.code, `${issue.pointer}: ${issue.message}`.replace(/^: /, ''), { retryable: false });
  if (JSON.stringify(requests).length > LONGEST_REQUESTS)
    throw new StepFailure('result_too_large', `The requests of ${step.name} are above ${LONGEST_REQUESTS / 1024} KiB.`, {
      retryable: false,
    });
  return { kind: 'input', name: step.name, requests: requests as JsonObject };
}

function endOf(
  wait: Extract<CompiledWait, { kind: 'timer' }>,
  step: CompiledStep,
  now: number,
  scope: RunScope,
  rendering: Rendering,
): number {
  if (wait.until) {
    const until = timeMs(wait.until.render(scope, rendering));
    if (until === undefined) throw refusal(`until of the step ${step.name} is no time such as 2026-01-31T09:00:00Z.`);
    return until;
  }
  const ms = durationMs(wait.duration!.render(scope, rendering));
  if (ms === undefined) throw refusal(`duration of the step ${step.name} is no duration such as 30, "30s" or "PT5M".`);
  return now + Math.ceil(ms);
}

function refusal(message: string): StepFailure {
  return new StepFailure('invalid_value', message, { retryable: false });
}
