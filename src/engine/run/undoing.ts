import { isSealed } from '../auth/sealed-request.js';
import { withoutMarkers } from '../auth/secret-markers.js';
import { type CompiledStep } from '../playbook/compiled.js';
import { type RunEvent } from './events.js';
import { type Firing, type RunState, type Undo } from './run-state.js';

/** The part of the fold that is about compensations: what is to be undone, what is being undone. Renders nothing, reads no clock. */

/**
 * Remembers a firing that ends as one to be undone, where its step says how: one that succeeded, and with `covers: started` also one that began
 * and came to nothing. An action whose saves follow has succeeded, whatever becomes of them. What never began (a skipped action, inputs that could
 * not be rendered) did nothing. To be asked before it leaves.
 */
export function rememberUndo(
  state: RunState,
  step: CompiledStep,
  event: Extract<RunEvent, { type: 'step_completed' | 'step_failed' | 'step_skipped' }>,
): void {
  if (!step.undoneBy || ('inherited' in event && event.inherited)) return;
  const firing = state.running.get(step.index);
  if (firing?.wave !== event.wave) return;
  const acted = firing.acted?.end;
  const succeeded = event.type === 'step_completed' && !event.error ? event : acted?.ok ? acted : null;
  if (!succeeded && step.undoneBy.covers === 'completed') return;
  state.undoable.push({ step: step.index, wave: event.wave, value: succeeded?.value ?? null, inputs: inputsAfter(firing) });
}

/** The undoing of the newest firing that is left begins. */
export function startUndo(state: RunState, step: CompiledStep, event: Extract<RunEvent, { type: 'compensation_started' }>): void {
  begin(state);
  const { wave, attempt, inputs, request, timeoutMs = null, timeoutAt = null, since } = event;
  state.running.set(step.index, {
    step: step.index,
    wave,
    attempt,
    inputs,
    request,
    timeoutMs,
    timeoutAt,
    arrivedFrom: [],
    arrivedError: state.failure,
    waitsFor: null,
    dueAt: null,
    parkedSince: since,
    parts: null,
    acted: null,
    approval: null,
    asked: null,
    answered: null,
    share: 0,
    isHeld: false,
    lateFor: [],
    isLost: false,
    undoes: takeUndo(state, step, wave),
  });
}

/** It has ended, or could not be begun: then what it should have undone is the newest that is left. */
export function endUndo(state: RunState, step: CompiledStep, wave: number): void {
  begin(state);
  if (!state.running.delete(step.index)) takeUndo(state, step, wave);
}

/** The newest that is left, but in histories that were written when fewer firings were undone: there it may lie below others. */
function takeUndo({ undoable }: RunState, { undoes }: CompiledStep, wave: number): Undo {
  const at = undoable.findLastIndex((undo) => undo.step === undoes && undo.wave === wave);
  return undoable.splice(at, 1)[0]!;
}

/** Nothing is undone any more. */
export function skipUndos(state: RunState): void {
  begin(state);
  state.undoable.length = 0;
  for (const [index, firing] of state.running) if (firing.undoes) state.running.delete(index);
}

/** The inputs as templates see them once the step has acted: without the places of secrets, which only its request could fill. */
export function inputsAfter({ inputs, request }: Firing): Firing['inputs'] {
  return isSealed(request) ? withoutMarkers(inputs) : inputs;
}

/** Whatever held the run up before, it goes on until all is undone. */
function begin(state: RunState): void {
  state.isCompensating = true;
  state.pause = 'none';
  state.status = 'running';
}

/** What is being undone now; null where nothing is. One firing at a time is. */
export function undoing(state: RunState): Firing | null {
  if (!state.isCompensating) return null;
  for (const firing of state.running.values()) if (firing.undoes) return firing;
  return null;
}
