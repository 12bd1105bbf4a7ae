import { type CompiledPlaybook, type CompiledStep, type CompiledTarget } from '../playbook/compiled.js';
import { reachFrom, type StepSet } from '../playbook/graph.js';
import { type Arrival, type Firing, type RunState } from './run-state.js';

/**
 * Joins that do not wait for all (docs/workflows.md). Such a step fires at its n-th arrival. Whatever is under way then and can only lead into it is
 * lost: it is skipped at once where nothing runs, else aborted, and skipped once that has ended. Whatever may also lead elsewhere lives on, marked as
 * late for this join, until it comes where it can only lead to it. Marks go along the edges; an arrival with the mark is dropped, and so holds up nothing
 * behind the join. A loop that comes back to the join starts a new count.
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

/** A join fires with what it asks for: tokens that can still reach it are late, and lost where they have no other way. Part of the fold of events. */
export function passJoin(state: RunState, playbook: CompiledPlaybook, { index, join }: CompiledStep): void {
  const { losers } = join!;
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

/**
 * Whether a token can still come from one step to another that waits for it: not past joins that it is late for. What waits for all besides does not wait
 * for what a loop may bring it past a join that counts and is ahead of it: that join opens the next round, and leaves nothing waiting in this one.
 */
export function canReach(playbook: CompiledPlaybook, from: CompiledStep, lateFor: readonly number[], target: CompiledStep): boolean {
  if (!from.reach.has(target.index)) return false;
  const opens = target.join === null && target.ahead.length > 0 && target.reach.has(target.index) ? target.ahead : NONE;
  if (lateFor.length === 0 && opens.length === 0) return true;
  return reachedWithout(playbook, from, [...lateFor, ...opens]).has(target.index);
}

/** Walks of one playbook, which never changes: whole walks are kept, by what they left out and where they began. */
class Walks {
  private readonly edges: readonly (readonly number[])[];
  private readonly kept = new Map<string, StepSet>();

  constructor(playbook: CompiledPlaybook) {
    this.edges = playbook.steps.map((step) => [...new Set(targetsOf(step).map(({ index }) => index))]);
  }

  from(step: number, without: readonly number[]): StepSet {
    const left = [...new Set(without)].sort((a, b) => a - b);
    const key = `${step}:${left.join()}`;
    let reached = this.kept.get(key);
    if (!reached) {
      if (this.kept.size >= MOST_WALKS) this.kept.clear();
      this.kept.set(key, (reached = reachFrom(step, this.edges, new Set(left))));
    }
    return reached;
  }
}

/** Each is a bit for a step. */
const MOST_WALKS = 10_000;
const walks = new WeakMap<CompiledPlaybook, Walks>();

function reachedWithout(playbook: CompiledPlaybook, step: CompiledStep, without: readonly number[]): StepSet {
  let own = walks.get(playbook);
  if (!own) walks.set(playbook, (own = new Walks(playbook)));
  return own.from(step.index, without);
}

function targetsOf({ next, onError, onTimeout }: CompiledStep): CompiledTarget[] {
  const edges = next.flatMap((entry) => [...entry.then, ...(entry.kind === 'when' ? entry.else : [])]);
  if (onError.kind === 'goto') edges.push(onError.target);
  if (onTimeout) edges.push(onTimeout);
  return edges.map(({ to }) => to);
}

/** Whether a step counts its arrivals. Along a list of steps (`steps_override`) none does: there is one way. */
export const isCounting = (state: RunState, { join }: CompiledStep): boolean => join !== null && state.override === null;

/** Whether as many have arrived as a step joins; true where it waits for all. */
export function isComplete(state: RunState, step: CompiledStep): boolean {
  return !isCounting(state, step) || (state.armed.get(step.index)?.arrivals.length ?? 0) >= step.join!.count;
}
