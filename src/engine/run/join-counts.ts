import { type CompiledPlaybook, type CompiledStep } from '../playbook/compile.js';
import { type Arrival, type Firing, type RunState } from './run-state.js';

/**
 * Joins that do not wait for all (docs/workflows.md). Such a step fires at its n-th arrival. Whatever is under way then and can only lead into it is
 * lost: it is skipped at once where nothing runs, else aborted, and skipped once that has ended. Whatever may also lead elsewhere lives on, marked as
 * late for this join; marks go along the edges, and an arrival with the mark is dropped. So a loop that comes back to the join starts a new count.
 */

const NONE: readonly number[] = [];

/** A token that leaves a step. */
export type Left = Pick<Firing, 'step' | 'arrivedFrom' | 'lateFor' | 'isLost'>;

/** Of a step that fires and settles in one event. */
export function leavesNow(step: number, arrivals: readonly Arrival[]): Left {
  return { step, arrivedFrom: arrivals.map(({ from }) => from), lateFor: lateForOf(arrivals), isLost: false };
}

/** What a token is late for that is made of these arrivals: what all of them are, as one that is in time makes it count. */
export function lateForOf(arrivals: readonly Arrival[] | undefined): readonly number[] {
  const [first, ...rest] = arrivals ?? [];
  if (!first?.lateFor) return NONE;
  return rest.length === 0 ? first.lateFor : first.lateFor.filter((join) => rest.every(({ lateFor }) => lateFor?.includes(join)));
}

/** What a token is late for once it is at the target; null where it does not arrive there any more. */
export function reaches({ lateFor, isLost }: Left, target: CompiledStep): readonly number[] | null {
  if (isLost || lateFor.includes(target.index)) return null;
  return lateFor.length === 0 ? lateFor : lateFor.filter((join) => target.reach.has(join));
}

/** A join has fired: tokens that can still reach it are late, and lost where they have no other way. Part of the fold of events. */
export function passJoin(state: RunState, playbook: CompiledPlaybook, { index, join }: CompiledStep): void {
  if (!join || state.override) return;
  const { losers } = join;
  const isLate = (step: number): boolean => step !== index && playbook.steps[step]!.reach.has(index);
  for (const armed of [...state.armed.values()]) {
    // Their events stand before that of the join; where a history was kept without those, this is what they did.
    if (losers.has(armed.step)) state.armed.delete(armed.step);
    else if (isLate(armed.step))
      armed.arrivals = armed.arrivals.map((arrival) => ({ ...arrival, lateFor: withJoin(arrival.lateFor ?? NONE, index) }));
  }
  for (const firing of state.running.values()) {
    if (isLate(firing.step)) firing.lateFor = withJoin(firing.lateFor, index);
    if (losers.has(firing.step)) firing.isLost = true;
  }
}

const withJoin = (joins: readonly number[], join: number): readonly number[] => (joins.includes(join) ? joins : [...joins, join]);

/** Whether a step counts its arrivals. Along a list of steps (`steps_override`) none does: there is one way. */
export const isCounting = (state: RunState, { join }: CompiledStep): boolean => join !== null && state.override === null;

/** Whether as many have arrived as a step joins; true where it waits for all. */
export function isComplete(state: RunState, step: CompiledStep): boolean {
  return !isCounting(state, step) || (state.armed.get(step.index)?.arrivals.length ?? 0) >= step.join!.count;
}
