import { type CompiledPlaybook, type CompiledStep } from '../playbook/compile.js';
import { isComplete, isCounting, lateForOf } from './join-counts.js';
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

  return candidates.filter((step) => {
    const blockers = short.has(step) ? bringers(state, playbook, step) : candidates.filter((other) => blocks(other, step, short));
    const isTied = blockers.every((other) => step.reach.has(other.index) && short.has(other) === short.has(step));
    // `candidates` keeps the order of arming: the first of a tied group is the one without an earlier member.
    return isTied && blockers.every((other) => candidates.indexOf(other) > candidates.indexOf(step));
  });
}

/** Whether an armed step keeps one that waits for all from firing. Only through such a step could a join on their common cycle get what it lacks. */
function blocks(other: CompiledStep, step: CompiledStep, short: ReadonlySet<CompiledStep>): boolean {
  return other !== step && other.reach.has(step.index) && !(short.has(other) && step.reach.has(other.index));
}

/** Armed steps that may bring a join what it lacks. */
function bringers(state: RunState, playbook: CompiledPlaybook, join: CompiledStep): CompiledStep[] {
  return [...state.armed.values()].flatMap(({ step: index, arrivals }) => {
    const step = playbook.steps[index]!;
    const isOne = step !== join && step !== playbook.terminal && step.reach.has(join.index);
    return isOne && !lateForOf(arrivals).includes(join.index) ? [step] : [];
  });
}

function reachedByRunning(state: RunState, playbook: CompiledPlaybook, step: CompiledStep): boolean {
  for (const { step: index, isLost, lateFor } of state.running.values()) {
    if (index !== step.index && !isLost && playbook.steps[index]!.reach.has(step.index) && !lateFor.includes(step.index)) return true;
  }
  return false;
}
