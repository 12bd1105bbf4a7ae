import { type CompiledStep } from '../playbook/compiled.js';
import { type CompiledJoin } from '../playbook/joins.js';
import { type Deciding } from './decision.js';
import { fireStep } from './fire.js';
import { isComplete, isCounting, lateForOf } from './join-counts.js';
import { isParked } from './run-state.js';

/**
 * Fires a ready step. Where it is a join that counts, what it leaves behind ends first: skipped where it stands still, aborted where it runs. What is
 * late for a join and comes where it can only lead to that one is skipped, too.
 */
export function fireReady(deciding: Deciding, step: CompiledStep): void {
  const { state, decision, playbook } = deciding;
  if (lateForOf(state.armed.get(step.index)?.arrivals).some((join) => playbook.steps[join]!.join!.losers.has(step.index)))
    return skipArmed(deciding, step);
  if (!step.join || !isCounting(state, step) || !isComplete(state, step)) return fireStep(deciding, step);
  const running = skipStanding(deciding, step.join);
  fireStep(deciding, step);
  decision.aborts.push(...running);
}

/** @returns the losers that run: each is skipped once it has ended, and has taken along what it called */
function skipStanding(deciding: Deciding, { losers }: CompiledJoin): number[] {
  const { state, playbook } = deciding;
  for (const index of [...state.armed.keys()]) if (losers.has(index)) skipArmed(deciding, playbook.steps[index]!);
  const lost = [...state.running.values()].filter(({ step }) => losers.has(step));
  for (const firing of lost) if (isParked(firing)) skip(deciding, playbook.steps[firing.step]!, firing.wave);
  return lost.filter((firing) => !isParked(firing)).map(({ step }) => step);
}

const skipArmed = (deciding: Deciding, step: CompiledStep): void => skip(deciding, step, deciding.state.fired[step.index]! + 1);

function skip(deciding: Deciding, { name, type }: CompiledStep, wave: number): void {
  deciding.emit({ type: 'step_skipped', step: name, stepType: type, wave, reason: 'join' });
}
