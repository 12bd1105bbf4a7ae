import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type WaitingFor } from '../ports.js';
import { type RunFacts } from './run-scope.js';
import { type Firing, isParked, type RunState } from './run-state.js';
import { undoing } from './undoing.js';

type Times = Pick<RunFacts, 'startAt' | 'timeoutAt'>;

/** Whether the run's own start is still ahead. That steps have fired says nothing: they may be kept of the execution that it goes on from. */
export function waitsForStart({ startAt }: Times, now: number): boolean {
  return startAt !== null && startAt > now;
}

/** Until when all that is under way in a firing sleeps (epoch ms); null where something does not. */
export type AsleepUntil = (step: number) => number | null;

/** Whether nothing is under way, and nothing will be before a time has come or a message. */
export function onlyWaits(state: RunState, times: Times, now: number, asleepUntil: AsleepUntil): boolean {
  if (state.pause === 'paused') return true;
  if ((state.failure || state.cancel) && !undoing(state)) return false;
  for (const firing of state.running.values()) if (firing.isLost || (!isParked(firing) && asleepUntil(firing.step) === null)) return false;
  return state.running.size > 0 || waitsForStart(times, now);
}

/** What a run that undoes what it did is shown to wait for; null where it does not. */
export function undoWaitOf(state: RunState, playbook: CompiledPlaybook, now: number): WaitingFor | null {
  const firing = undoing(state);
  if (!firing) return null;
  const { undoes, parkedSince, dueAt } = firing;
  return { kind: 'compensation', name: playbook.steps[undoes!.step]!.name, since: parkedSince ?? now, until: dueAt };
}

/** What a run that only waits waits for: the wait that is over first. A paused run, and one that has not begun, wait for nothing of their own. */
export function waitOf(state: RunState, playbook: CompiledPlaybook, asleepUntil: AsleepUntil, now: number): WaitingFor | null {
  if (state.pause === 'paused') return null;
  let first: Firing | null = null;
  for (const firing of state.running.values()) {
    if (!first || dueOf(firing, asleepUntil) < dueOf(first, asleepUntil)) first = firing;
  }
  if (!first) return null;
  const called = first.waitsFor === null && first.dueAt === null && asleepUntil(first.step) === Infinity;
  const own = { kind: called ? ('child' as const) : ('retry' as const), name: playbook.steps[first.step]!.name };
  const { kind, name, requests, approval } = first.waitsFor ?? { ...own, requests: undefined, approval: undefined };
  const until = dueOf(first, asleepUntil);
  return {
    kind,
    name,
    since: first.parkedSince ?? now,
    until: until === Infinity ? null : until,
    ...(requests ? { requests } : {}),
    ...(approval ? { approvalId: approval.id } : {}),
  };
}

/** The next time at which the run itself has something to do, whatever its steps do: its start, or its time-out. Epoch ms; null = none. */
export function ownDueAt(state: RunState, times: Times, now: number): number | null {
  if (state.pause === 'paused') return null;
  return earliest([waitsForStart(times, now) ? times.startAt : null, state.failure || state.cancel ? null : times.timeoutAt]);
}

/** When a run that only waits is due: the earliest of all its times; null where only a message can wake it (D28: a paused one always). */
export function wakeAt(state: RunState, times: Times, now: number, asleepUntil: AsleepUntil): number | null {
  if (state.pause === 'paused') return null;
  return earliest([
    ...[...state.running.values()].map(({ step, dueAt, timeoutAt }) => dueAt ?? earliest([finite(asleepUntil(step)), timeoutAt])),
    ownDueAt(state, times, now),
  ]);
}

const finite = (time: number | null): number | null => (time === Infinity ? null : time);
const dueOf = ({ step, dueAt }: Firing, asleepUntil: AsleepUntil): number => dueAt ?? asleepUntil(step) ?? Infinity;

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((at) => at !== null);
  return known.length === 0 ? null : Math.min(...known);
}
