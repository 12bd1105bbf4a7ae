import { type CompiledPlaybook, type CompiledStep } from '../playbook/compile.js';
import { type RunState } from './run-state.js';

/**
 * Armed steps that fire now: those that no other live token (running, parked, or armed elsewhere) can still reach.
 * Where armed steps only block each other (they lie on a common cycle and nothing running reaches them), the one armed
 * first fires (playbook language §5.3, D26). The terminal step fires only when every other token is gone.
 */
export function readySteps(state: RunState, playbook: CompiledPlaybook): CompiledStep[] {
  if (state.armed.size === 0) return [];
  if (state.armed.size === 1 && state.running.size === 0) return [playbook.steps[state.armed.keys().next().value!]!];

  const candidates: CompiledStep[] = [];
  for (const index of state.armed.keys()) {
    const step = playbook.steps[index]!;
    // A step armed again while it runs fires its next wave after the running one has settled.
    if (step === playbook.terminal || state.running.has(index) || reachedByRunning(state, playbook, step)) continue;
    candidates.push(step);
  }

  const ready = candidates.filter((step) => !candidates.some((other) => other !== step && other.reach.has(step.index)));
  for (const step of candidates) {
    if (ready.includes(step)) continue;
    const blockers = candidates.filter((other) => other !== step && other.reach.has(step.index));
    const isTied = blockers.every((other) => step.reach.has(other.index));
    // `candidates` keeps the order of arming: the first of a tied group is the one without an earlier member.
    const isFirst = blockers.every((other) => candidates.indexOf(other) > candidates.indexOf(step));
    if (isTied && isFirst) ready.push(step);
  }
  return ready;
}

function reachedByRunning(state: RunState, playbook: CompiledPlaybook, step: CompiledStep): boolean {
  for (const index of state.running.keys()) {
    if (index !== step.index && playbook.steps[index]!.reach.has(step.index)) return true;
  }
  return false;
}
