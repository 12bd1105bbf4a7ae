import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type RowState } from '../ports.js';
import { statusOfEnd, type TerminalEvent } from './events.js';
import { progressOf } from './progress.js';
import { type RunFacts } from './run-scope.js';
import { type RunState } from './run-state.js';
import { type AsleepUntil, onlyWaits, undoWaitOf, waitOf, waitsForStart } from './schedule.js';

/** What the state of a run does not say about how it is shown. */
export interface Showing {
  /** Epoch milliseconds. */
  readonly now: number;
  /** Percent that was shown last: it never falls. */
  readonly progress: number;
  /** More is about to be decided: then nothing is waited for. */
  readonly isBusy: boolean;
  readonly asleepUntil: AsleepUntil;
}

/** How a run that goes on is shown. */
export function liveRow(playbook: CompiledPlaybook, state: RunState, facts: RunFacts, showing: Showing): RowState {
  const { now, progress, isBusy, asleepUntil } = showing;
  const { status, currentStep } = state;
  const waits = !isBusy && onlyWaits(state, facts, now, asleepUntil);
  return {
    // One that was told something before its start is still to begin.
    status: status === 'running' && waitsForStart(facts, now) ? 'pending' : status,
    progress: Math.max(progress, progressOf(state, playbook)),
    currentStep,
    waitingFor: undoWaitOf(state, playbook, now) ?? (waits ? waitOf(state, playbook, asleepUntil, now) : null),
    error: null,
  };
}

/** How a run is shown that this event ends. */
export function endedRow({ currentStep }: RunState, end: TerminalEvent): RowState {
  return {
    status: statusOfEnd(end),
    progress: 100,
    currentStep,
    waitingFor: null,
    error: 'error' in end ? (end.error ?? null) : null,
  };
}
