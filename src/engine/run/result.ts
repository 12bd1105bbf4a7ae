import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type Json } from '../values.js';
import { type RunState } from './run-state.js';

/**
 * The execution's result (playbook language §5.5): what the terminal step determined; for a bare or absent end the value of
 * the single last step, or {step: value} in document order where several branches ended.
 */
export function resultOf(state: RunState, playbook: CompiledPlaybook): Json {
  if (state.terminalResult !== undefined) return state.terminalResult;
  const last = new Set(state.lastSteps);
  playbook.steps.forEach((step) => {
    if (step !== playbook.terminal && state.settled[step.index]?.isLeaf) last.add(step.index);
  });
  const indexes = [...last].sort((a, b) => a - b);
  if (indexes.length === 0) return {};
  if (indexes.length === 1) return state.settled[indexes[0]!]?.value ?? null;
  return Object.fromEntries(indexes.map((index) => [playbook.steps[index]!.name, state.settled[index]?.value ?? null]));
}
