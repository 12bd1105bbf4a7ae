import { type CompiledPlaybook } from '../playbook/compiled.js';
import { decide } from '../run/decide.js';
import { type AttemptOutcome, type Decision, type DecisionWorld, type Perform, type Stimulus } from '../run/decision.js';
import { type RunEvent, type TerminalEvent } from '../run/events.js';
import { newRunState, type RunState } from '../run/run-state.js';
import { mergeWorkload } from '../run/workload.js';
import { type Json, type JsonObject } from '../values.js';

export interface SimulationOptions {
  readonly parameters?: JsonObject;
  readonly merge?: boolean;
  readonly metadata?: JsonObject;
  readonly env?: Readonly<Record<string, string>>;
  /** History of an earlier run that this one goes on from. */
  readonly kept?: readonly RunEvent[];
  /** Who starts it. */
  readonly requesters?: readonly string[];
  /** What an attempt comes to; the default is the step's inputs as its value. */
  outcome?(step: string, perform: Perform, state: RunState): AttemptOutcome;
  /** Which of n pending things happens next; the default is the first. */
  pick?(n: number): number;
  /** Milliseconds that templates are measured with; the default stands still. */
  monotonic?(): number;
  /** Called before each stimulus; returned ones go first. */
  interrupt?(state: RunState, events: readonly RunEvent[]): Stimulus | null;
}

export interface SimulatedRun {
  /** The whole history, terminal event included. */
  readonly events: readonly RunEvent[];
  readonly terminal: TerminalEvent;
  readonly result: Json;
  readonly state: RunState;
  /** How many attempts ran at once at most. */
  readonly peak: number;
  /** How many events each decision added. */
  readonly decisions: readonly number[];
}

/** A clock that advances by itself, and a repeatable randomness: the same run every time. */
export function simulatedWorld(): DecisionWorld {
  let now = Date.UTC(2026, 0, 1);
  let seed = 1;
  return {
    now: () => (now += 1),
    monotonic: () => 0,
    random: () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    },
    nextId: () => String(++seed),
    assertMode: 'fail',
    saveErrors: 'fail',
  };
}

/** Drives decide() alone to the end of a run: attempts and timers finish in the order that `pick` says. */
export function simulateRun(playbook: CompiledPlaybook, options: SimulationOptions = {}): SimulatedRun {
  const parameters = options.parameters ?? {};
  const state = newRunState(playbook, mergeWorkload(playbook.playbook.workload, parameters, options.merge ?? false));
  const facts = {
    executionId: '1',
    parameters,
    requesters: options.requesters ?? [],
    metadata: options.metadata ?? {},
    env: options.env ?? {},
    startAt: null,
    timeoutAt: null,
  };
  const world = { ...simulatedWorld(), ...(options.monotonic && { monotonic: options.monotonic }) };
  const decisions: number[] = [];
  const events: RunEvent[] = [];
  const pending: (() => Stimulus)[] = [];
  let performing = 0;
  let peak = 0;

  const take = (decision: Decision): void => {
    events.push(...decision.events);
    decisions.push(decision.events.length);
    for (const perform of decision.performs) {
      performing += 1;
      peak = Math.max(peak, performing);
      pending.push(() => {
        performing -= 1;
        const step = playbook.steps[perform.step]!.name;
        const outcome = options.outcome?.(step, perform, state) ?? {
          ok: true,
          result: { value: state.running.get(perform.step)?.inputs ?? null },
        };
        return { kind: 'settled', step: perform.step, wave: perform.wave, outcome, durationMs: 1 };
      });
    }
    for (const { step, wave } of decision.timers) pending.push(() => ({ kind: 'due', step, wave }));
    for (const { step, wave } of decision.overdue) pending.push(() => ({ kind: 'approval_expired', step, wave }));
    if (decision.more) pending.unshift(() => ({ kind: 'continue' }));
  };

  let stimulus: Stimulus = { kind: 'start', ...(options.kept && { kept: options.kept }) };
  for (let turns = 0; turns < 200_000; turns++) {
    const decision = decide(playbook, state, facts, world, stimulus);
    take(decision);
    if (decision.finish) {
      events.push(decision.finish.event);
      return { events, terminal: decision.finish.event, result: decision.finish.result, state, peak, decisions };
    }
    const urgent = options.interrupt?.(state, events);
    if (urgent) stimulus = urgent;
    else if (pending.length === 0) throw new Error(`the run is stuck after ${events.length} events`);
    else stimulus = pending.splice(decision.more ? 0 : (options.pick?.(pending.length) ?? 0), 1)[0]!();
  }
  throw new Error('the run does not end');
}
