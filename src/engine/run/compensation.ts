import { SecretScope } from '../auth/secret-scope.js';
import { type CompiledPlaybook, type CompiledStep } from '../playbook/compiled.js';
import { runFault } from '../run-fault.js';
import { StepFailure } from '../step-executor.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { type Deciding } from './decision.js';
import { type RunErrorDetails } from './error-details.js';
import { asFailure, detailsOf, errorView } from './failures.js';
import { checkExpects, isComposite, renderInputs, timeoutOf } from './fire.js';
import { leavesCalls } from './left-calls.js';
import { liveCalls } from './parts.js';
import { performOf } from './performs.js';
import { RunScope } from './run-scope.js';
import { type RunState, type Undo } from './run-state.js';
import { checkReturns, type Settling } from './settle.js';
import { undoView } from './undo-view.js';
import { undoing } from './undoing.js';

/** One decision adds about this many events at most. */
const UNDOS_PER_DECISION = 64;

/**
 * Undoes what a run did that has failed or was cancelled, once nothing of it runs any more: one firing at a time, the newest end first. Whoever
 * cancels with force wants none of it.
 * @returns true where nothing is left to undo: the run ends
 */
export function compensate(deciding: Deciding): boolean {
  const { state, decision } = deciding;
  for (let undo = state.undoable.at(-1); undo !== undefined; undo = state.undoable.at(-1)) {
    if (state.cancel?.force) {
      skipUndos(deciding);
      return true;
    }
    startUndo(deciding, undo);
    if (state.running.size > 0) return false;
    if (decision.events.length >= UNDOS_PER_DECISION) {
      decision.more = true;
      return false;
    }
  }
  return true;
}

/** Gives up what is being undone and all that is left, and says so. */
export function skipUndos(deciding: Deciding): void {
  const { state, playbook, decision } = deciding;
  const current = undoing(state);
  const left: Pick<Undo, 'step' | 'wave'>[] = state.undoable.toReversed();
  if (current) {
    left.unshift(current.undoes!);
    decision.aborts.push(current.step);
    if (current.parts && !leavesCalls(state, current)) decision.orphans.push(...liveCalls(current.parts));
    decision.performs.splice(0, decision.performs.length, ...decision.performs.filter(({ step }) => step !== current.step));
  }
  if (left.length > 0)
    deciding.emit({ type: 'compensation_skipped', firings: left.map(({ step, wave }) => ({ step: playbook.steps[step]!.name, wave })) });
}

function startUndo(deciding: Deciding, undo: Undo): void {
  const { state, playbook, facts, world } = deciding;
  const step = playbook.steps[playbook.steps[undo.step]!.undoneBy!.index]!;
  const place = { step: step.name, stepType: step.type, wave: undo.wave, attempt: 1 };
  const rendering = deciding.rendering();
  try {
    const action = step.action!;
    if (action.refusal) throw new StepFailure(action.refusal.code, action.refusal.message, { retryable: false });
    const performer = action.performer!;
    const secrets = performer.does === 'step' ? new SecretScope(playbook.handles, action.auth, rendering) : null;
    const seen = {
      ...undoView(playbook, undo),
      ...(state.failure ? { error: errorView(state.failure) } : {}),
      ...(secrets ? { secrets } : {}),
    };
    const inputs = renderInputs(deciding, step, {}, seen, rendering);
    const scope = new RunScope(playbook, state, facts, { ...seen, inputs });
    checkExpects(deciding, step, inputs, scope, rendering);
    const rendered = performer.does === 'step' ? performer.kind.render(performer.config, inputs, scope, rendering) : null;
    const request = secrets ? secrets.seal(rendered, scope) : rendered;
    const timeoutMs = timeoutOf(step, scope, rendering);
    deciding.checkStorable(inputs, request);
    deciding.emit({
      type: 'compensation_started',
      ...place,
      since: world.now(),
      inputs,
      request,
      ...(timeoutMs === null ? {} : { timeoutMs, ...(isComposite(step) ? { timeoutAt: world.now() + timeoutMs } : {}) }),
      ...(rendering.warnings.length > 0 ? { warnings: [...rendering.warnings] } : {}),
    });
    deciding.decision.performs.push(performOf(step, state.running.get(step.index)!));
  } catch (thrown) {
    emitFailure(deciding, { ...place, durationMs: 0 }, step, asFailure(thrown), rendering.warnings);
  }
}

/** What undid a firing has succeeded: the next one follows. */
export function completeUndo(deciding: Deciding, settling: Settling, value: Json): void {
  try {
    checkReturns(deciding, settling, value);
    deciding.checkStorable(value);
  } catch (thrown) {
    return failUndo(deciding, settling, asFailure(thrown));
  }
  const { itemErrors, logs, rendering } = settling;
  deciding.emit({
    type: 'compensation_completed',
    ...placeOf(settling),
    value,
    ...(itemErrors ? { itemErrors } : {}),
    ...(rendering.warnings.length > 0 ? { warnings: rendering.warnings } : {}),
    ...(logs ? { logs } : {}),
  });
}

/** It has failed for good: the others are undone all the same. */
export function failUndo(deciding: Deciding, settling: Settling, failure: StepFailure): void {
  emitFailure(deciding, placeOf(settling), settling.step, failure, settling.rendering.warnings, settling.logs);
}

function emitFailure(
  deciding: Deciding,
  place: ReturnType<typeof placeOf>,
  step: CompiledStep,
  failure: StepFailure,
  warnings: readonly string[],
  logs?: string,
): void {
  const error = detailsOf(failure, { step: shownName(deciding.playbook, step), stepType: step.type, attempt: place.attempt });
  deciding.emit({
    type: 'compensation_failed',
    ...place,
    error,
    ...(warnings.length > 0 ? { warnings: [...warnings] } : {}),
    ...(logs ? { logs } : {}),
  });
}

function placeOf({ step, wave, attempt, durationMs }: Settling): {
  step: string;
  stepType: string;
  wave: number;
  attempt: number;
  durationMs: number;
} {
  return { step: step.name, stepType: step.type, wave, attempt, durationMs };
}

/** The name that people know: of what undoes a step, that of the step. */
export const shownName = (playbook: CompiledPlaybook, { name, undoes }: CompiledStep): string =>
  undoes === null ? name : playbook.steps[undoes]!.name;

/** Why the run failed, with what could not be undone. */
export function failureWithUndos(state: RunState, failure: RunErrorDetails): RunErrorDetails {
  if (state.failedUndos.length === 0) return failure;
  const { cause } = failure;
  return { ...failure, cause: { ...(isObject(cause) ? cause : cause === null ? {} : { cause }), ...failedUndos(state) } };
}

/** What a cancelled run has to say for itself; null where nothing is left of what it did. */
export function errorOfCancelled(state: RunState): RunErrorDetails | null {
  const { failedUndos: failed } = state;
  if (failed.length === 0) return null;
  const steps = failed.map(({ step }) => step).join(', ');
  const message = `The execution was cancelled; the compensation of ${steps.slice(0, 500)} failed.`;
  return { ...runFault('compensation_failed', message), cause: failedUndos(state) };
}

const failedUndos = ({ failedUndos: failed }: RunState): JsonObject => ({ compensation_failed: failed.map((each) => ({ ...each })) });
