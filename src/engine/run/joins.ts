import { type CompiledPlaybook, type CompiledStep } from '../playbook/compiled.js';
import { canReach, isComplete, isCounting, lateForOf } from './join-counts.js';
import { type RunState } from './run-state.js';

/**
 * Armed steps that fire now: those that no other live token (running, parked, or armed elsewhere) can still reach.
 * Where armed steps only block each other (they lie on a common cycle and nothing running reaches them), the one armed
 * first fires (playbook language §5.3, D26). The terminal step fires only when every other token is gone.
 *
 * A join that counts fires once it has its arrivals, before anything else and alone, as it may end what is ready too. One that lacks some is ready, and
 * fails, where nothing can bring more; on a common cycle whatever waits for all goes before it.
 */
export function readySteps(state: RunState, playbook: CompiledPlaybook): CompiledStep[] {
  if (state.armed.size === 0) return [];
  if (state.armed.size === 1 && state.running.size === 0) return [playbook.steps[state.armed.keys().next().value!]!];

  const candidates: CompiledStep[] = [];
  const short = new Set<CompiledStep>();
  for (const index of state.armed.keys()) {
    const step = playbook.steps[index]!;
    // A step armed again while it runs fires its next wave after the running one has settled.
    if (state.running.has(index)) continue;
    if (isCounting(state, step)) {
      if (isComplete(state, step)) return [step];
      short.add(step);
    }
    if (step === playbook.terminal || reachedByRunning(state, playbook, step)) continue;
    candidates.push(step);
  }

  const placeOf = new Map(candidates.map((step, at) => [step, at]));
  return candidates.filter((step, at) => {
    const blockers = blockersOf(state, playbook, step).filter((other) => {
      // Only through what waits for all could a join on a common cycle get what it lacks: it does not keep that from firing.
      const lacksWhatStepMayBring = short.has(other) && !short.has(step) && step.reach.has(other.index) && placeOf.has(other);
      return !lacksWhatStepMayBring;
    });
    const isTied = blockers.every((other) => step.reach.has(other.index) && (!short.has(step) || short.has(other)));
    // `candidates` keeps the order of arming: the first of a tied group is the one without an earlier member.
    return isTied && blockers.every((other) => (placeOf.get(other) ?? -1) > at);
  });
}

/** Armed steps whose tokens can still come to this one. The terminal step leads nowhere. */
function blockersOf(state: RunState, playbook: CompiledPlaybook, step: CompiledStep): CompiledStep[] {
  const blockers: CompiledStep[] = [];
  for (const { step: index, arrivals } of state.armed.values()) {
    const other = playbook.steps[index]!;
    if (other === step || other === playbook.terminal) continue;
    if (canReach(playbook, other, lateForOf(arrivals), step)) blockers.push(other);
  }
  return blockers;
}

function reachedByRunning(state: RunState, playbook: CompiledPlaybook, step: CompiledStep): boolean {
  for (const { step: index, isLost, lateFor } of state.running.values()) {
    if (index !== step.index && !isLost && canReach(playbook, playbook.steps[index]!, lateFor, step)) return true;
  }
  return false;
}
