import { type CompiledPlaybook, type CompiledStep } from '../playbook/compiled.js';
import { type RunState } from './run-state.js';

/**
 * Percent of the work that is over: a settled step and one that no token can reach any more count as done. 99 at most
 * while the run lives; the caller keeps it from falling (playbook language §11.2). What a `progress` step names counts where it is more.
 */
export function progressOf(state: RunState, playbook: CompiledPlaybook): number {
  if (state.status === 'pending') return 0;
  const units = playbook.progressUnits;
  let done = 0;
  for (const step of units) done += isAhead(state, playbook, step) ? shareOf(state, step) : 1;
  return Math.min(99, Math.max(Math.floor((100 * done) / units.length), state.reportedPercent ?? 0));
}

/** How far an iterator is, or an action that says so itself; 0 for what does not run. */
function shareOf(state: RunState, step: CompiledStep): number {
  const firing = state.running.get(step.index);
  const loop = firing?.parts?.loop;
  return loop && loop.items.length > 0 ? loop.done / loop.items.length : (firing?.share ?? 0);
}

function isAhead(state: RunState, playbook: CompiledPlaybook, step: CompiledStep): boolean {
  if (state.armed.get(step.index)?.isSkipped === false || state.running.has(step.index)) return true;
  if (state.settled[step.index]) return false;
  if (step === playbook.terminal) return true;
  for (const armed of state.armed.values()) if (!armed.isSkipped && playbook.steps[armed.step]!.reach.has(step.index)) return true;
  for (const index of state.running.keys()) if (playbook.steps[index]!.reach.has(step.index)) return true;
  return false;
}
