import { type CompiledPlaybook, type CompiledStep } from '../playbook/compiled.js';
import { readySteps } from './joins.js';
import { type RunState } from './run-state.js';

/** Steps that were ready, and that a bounded decision did not come to. No part of the fold: they are still armed. */
const left = new WeakMap<RunState, readonly CompiledStep[]>();

/**
 * What fires next, in this order: what a decision left of what was ready, else what is ready now. Nothing comes before those that were ready already,
 * not even a join that one of them made complete, so that it is all the same where a decision stopped.
 */
export function nextReady(state: RunState, playbook: CompiledPlaybook): readonly CompiledStep[] {
  const rest = left.get(state)?.filter(({ index }) => state.armed.has(index) && !state.running.has(index)) ?? [];
  left.delete(state);
  return rest.length > 0 ? rest : readySteps(state, playbook);
}

export function leaveReady(state: RunState, steps: readonly CompiledStep[]): void {
  left.set(state, steps);
}
