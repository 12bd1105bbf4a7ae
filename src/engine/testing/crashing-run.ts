import { type CompiledPlaybook } from '../playbook/compiled.js';
import { foldEvents } from '../run/apply.js';
import { decide, resume } from '../run/decide.js';
import { type AttemptOutcome, type Decision, type Perform, type Stimulus } from '../run/decision.js';
import { type RunEvent } from '../run/events.js';
import { newRunState, type RunState } from '../run/run-state.js';
import { decodeState, encodeState } from '../run/snapshot.js';
import { type Json } from '../values.js';
import { simulatedWorld } from './simulated-run.js';

export interface CrashingOptions {
  /** What an attempt comes to. */
  outcome(step: string, perform: Perform, state: RunState): AttemptOutcome;
  /** Turns after which the holder is gone, and another one goes on from what is recorded. */
  readonly crashes?: readonly number[];
  /** Told before the turn of this number. */
  readonly told?: { readonly turn: number; readonly stimulus: Stimulus };
  readonly timeoutAt?: number;
  readonly kept?: readonly RunEvent[];
}

export interface CrashedRun {
  readonly events: readonly RunEvent[];
  readonly state: RunState;
  /** `step#wave` of every attempt that was begun, in order. */
  readonly begun: readonly string[];
  /** Decisions that it took. */
  readonly turns: number;
}

/**
 * Drives `decide` and `resume` to the end of a run whose holders crash: each turn is one decision with its commit, and a crash forgets everything but
 * the events, whose fold must be the state that was lost. Attempts that were under way begin again.
 */
export function crashingRun(playbook: CompiledPlaybook, options: CrashingOptions): CrashedRun {
  const { crashes = [], told, timeoutAt = null } = options;
  const { workload } = playbook.playbook;
  const facts = { executionId: '1', parameters: {}, metadata: {}, env: {}, startAt: null, timeoutAt };
  const world = simulatedWorld();
  const events: RunEvent[] = [];
  const begun: string[] = [];
  let pending: (() => Stimulus)[] = [];
  let state = newRunState(playbook, workload);
  const settled = (perform: Perform): Stimulus => ({
    kind: 'settled',
    step: perform.step,
    wave: perform.wave,
    outcome: options.outcome(playbook.steps[perform.step]!.name, perform, state),
    durationMs: 1,
  });
  /** @returns whether the run is over */
  const take = (decision: Decision): boolean => {
    events.push(...decision.events);
    for (const { step, wave, ...rest } of decision.performs) {
      begun.push(`${playbook.steps[step]!.name}#${wave}`);
      pending.push(() => settled({ step, wave, ...rest }));
    }
    for (const { step, wave, dueAt } of decision.timers) {
      pending.push(() => {
        while (world.now() < dueAt);
        return { kind: 'due', step, wave };
      });
    }
    if (decision.more) pending.unshift(() => ({ kind: 'continue' }));
    if (decision.finish) events.push(decision.finish.event);
    return decision.finish !== null;
  };
  let stimulus: Stimulus = { kind: 'start', ...(options.kept ? { kept: options.kept } : {}) };
  for (let turn = 1; turn < 10_000; turn++) {
    const isOver = take(decide(playbook, state, facts, world, stimulus));
    if (isOver) return { events, state, begun, turns: turn };
    if (crashes.includes(turn)) {
      pending = [];
      // A snapshot or all events: both lead to the same.
      const json = JSON.parse(JSON.stringify(events)) as RunEvent[];
      const lost = encodeState(state);
      state = foldEvents(playbook, workload, json);
      if (encodeState(state) !== lost) throw new Error(`another state after turn ${turn}`);
      state = decodeState(playbook, workload, JSON.parse(lost!) as Json);
      if (take(resume(playbook, state, facts, world))) return { events, state, begun, turns: turn };
    }
    if (told?.turn === turn) stimulus = told.stimulus;
    else if (pending.length > 0) stimulus = pending.shift()!();
    else throw new Error(`stuck after ${events.map(({ type }) => type).join(' ')}`);
  }
  throw new Error('the run does not end');
}
