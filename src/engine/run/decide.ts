import { pathOfItem } from '../action/call-path.js';
import { startedBy } from '../births.js';
import { type ChildEnded } from '../ports.js';
import { callsOthers, type CompiledPlaybook } from '../playbook/compiled.js';
import { runFault } from '../run-fault.js';
import { hearDecision, settleApprovals } from './approving.js';
import { settleAttempt } from './attempt-ends.js';
import { cancelOf } from './cancel.js';
import { compensate } from './compensation.js';
import { Deciding, type Decision, type DecisionWorld, type Stimulus } from './decision.js';
import { fireStep, LOOP_LIMITS } from './fire.js';
import { fireReady } from './lost-branches.js';
import { findPart } from './parts.js';
import { performOf } from './performs.js';
import { leaveReady, nextReady } from './ready-steps.js';
import { tryAgain } from './retry.js';
import { abortCalls, abortRunning, endOverdue, finish, skipFiring, skipWaiting } from './run-ends.js';
import { type RunFacts } from './run-scope.js';
import { type Firing, isParked, type RunState } from './run-state.js';
import { endWait, handOutSignals } from './waiting.js';

/** One decision adds about this many events at most, so that no playbook holds the process (R14). */
const EVENTS_PER_DECISION = 64;
const CHARACTERS_PER_DECISION = 256 * 1024;

/**
 * The heart of the engine: what a run does next, given its state and one stimulus. Deterministic: clock, randomness and
 * ids come from `world`. The events it returns are applied to `state` already; the terminal event is not.
 */
export function decide(playbook: CompiledPlaybook, state: RunState, facts: RunFacts, world: DecisionWorld, stimulus: Stimulus): Decision {
  const deciding = new Deciding(playbook, state, facts, world);
  react(deciding, stimulus);
  goOn(deciding);
  return deciding.decision;
}

/**
 * What a claimed run picks up again: attempts that were under way, and parked retries and waits with their due times.
 * @param heard what it was told meanwhile, in order; it reacts to all of it before it begins anything
 */
export function resume(
  playbook: CompiledPlaybook,
  state: RunState,
  facts: RunFacts,
  world: DecisionWorld,
  heard: readonly Stimulus[] = [],
): Decision {
  const deciding = new Deciding(playbook, state, facts, world);
  if (state.status === 'pending') deciding.emit(startedBy(facts.requesters));
  for (const stimulus of heard) react(deciding, stimulus);
  endOverdue(deciding);
  // A failure that is no step's, such as the time-out of the run, aborts what is under way: that is not begun again for it.
  const isCut = state.cancel !== null || state.failure?.step === null;
  for (const firing of [...state.running.values()]) {
    const step = playbook.steps[firing.step]!;
    // What undoes goes on, whatever else has happened.
    const isEnded = !firing.undoes && (isCut || (state.failure !== null && callsOthers(step.action)));
    if (isEnded) skipFiring(deciding, firing, state.cancel ? 'cancelled' : 'failure');
    else if (!isParked(firing)) deciding.decision.performs.push({ ...performOf(step, firing), mayHaveActed: true });
    else armTimer(deciding, firing);
  }
  goOn(deciding);
  return deciding.decision;
}

function react(deciding: Deciding, stimulus: Stimulus): void {
  const { state } = deciding;
  switch (stimulus.kind) {
    case 'start':
      deciding.emit(startedBy(deciding.facts.requesters));
      for (const event of stimulus.kept ?? []) deciding.emit(event);
      return;
    case 'continue':
      return;
    case 'settled': {
      const firing = firingOf(state, stimulus);
      if (firing) settleAttempt(deciding, firing, stimulus);
      return;
    }
    case 'parts': {
      const firing = firingOf(state, stimulus);
      if (!firing) return;
      const { name, type } = deciding.playbook.steps[firing.step]!;
      const place = { step: name, stepType: type, wave: firing.wave, attempt: firing.attempt };
      for (const event of stimulus.events) {
        deciding.count(event);
        deciding.emit({ ...place, ...event });
      }
      if (stimulus.child) deciding.decision.children.push(stimulus.child);
      return;
    }
    case 'child_ended':
      return hearOfChild(deciding, stimulus.ended);
    case 'held': {
      const firing = firingOf(state, stimulus);
      if (!firing) return;
      const step = deciding.playbook.steps[firing.step]!;
      if (state.pause === 'none' || firing.isLost) deciding.decision.performs.push(performOf(step, firing));
      else deciding.emit({ type: 'action_held', step: step.name, stepType: step.type, wave: firing.wave, attempt: firing.attempt });
      return;
    }
    case 'due': {
      const firing = firingOf(state, stimulus);
      // What is paused takes its timers up again when it is resumed.
      if (!firing || firing.dueAt === null || state.pause !== 'none') return;
      if (deciding.world.now() < firing.dueAt) return armTimer(deciding, firing);
      // Its row says whether somebody has decided in time.
      if (firing.approval) return void deciding.decision.overdue.push({ step: firing.step, wave: firing.wave });
      if (firing.waitsFor) return endWait(deciding, firing);
      return tryAgain(deciding, firing);
    }
    case 'signal':
      deciding.emit({
        type: 'signal_received',
        name: stimulus.name,
        payload: stimulus.payload,
        ...(stimulus.wave === undefined ? {} : { wave: stimulus.wave }),
        ...askedBy(stimulus),
      });
      if (state.seq - state.itemEvents < LOOP_LIMITS.events || state.failure) return;
      deciding.emit({ type: 'execution_failing', error: runFault('history_limit', `The execution has ${LOOP_LIMITS.events} events.`) });
      abortRunning(deciding);
      return;
    case 'approval':
      return hearDecision(deciding, stimulus.taken);
    case 'approval_expired': {
      const firing = firingOf(state, stimulus);
      // What is paused is asked again when it is resumed.
      if (firing?.approval && firing.approval.outcome === null && state.pause === 'none') endWait(deciding, firing);
      return;
    }
    case 'pause':
      if (state.pause === 'none') deciding.emit({ type: 'pause_requested', reason: stimulus.reason, ...askedBy(stimulus) });
      return;
    case 'resume':
      if (state.pause === 'none') return;
      return takeUpAgain(deciding, stimulus);
    case 'cancel':
      if (!state.cancel || (stimulus.force && !state.cancel.force))
        deciding.emit({ type: 'cancel_requested', ...cancelOf(stimulus), ...askedBy(stimulus) });
      abortRunning(deciding);
      return;
  }
}

/** Of a call that nobody waits for any more nothing is kept. */
function hearOfChild(deciding: Deciding, { child_id, step: name, wave, item, status, error, result }: ChildEnded): void {
  const { state, playbook } = deciding;
  const step = playbook.byName.get(name);
  const firing = step && firingOf(state, { step: step.index, wave });
  const path = pathOfItem(item);
  const child = firing?.parts ? findPart(firing.parts, path)?.child : null;
  if (!step || !firing || child?.id !== child_id || child.ended) return;
  deciding.emit({
    type: 'child_completed',
    step: name,
    stepType: step.type,
    wave,
    attempt: firing.attempt,
    path,
    childId: child_id,
    status,
    error,
    ...(result === undefined ? {} : { value: result }),
  });
}

function takeUpAgain(deciding: Deciding, stimulus: { readonly by?: string }): void {
  const { state, playbook } = deciding;
  const held = [...state.running.values()].filter(({ isHeld }) => isHeld);
  deciding.emit({ type: 'execution_resumed', ...askedBy(stimulus) });
  for (const firing of held) deciding.decision.performs.push(performOf(playbook.steps[firing.step]!, firing));
  for (const firing of state.running.values()) if (isParked(firing)) armTimer(deciding, firing);
}

function askedBy({ by }: { readonly by?: string }): { readonly by?: string } {
  return by === undefined ? {} : { by };
}

function armTimer({ decision }: Deciding, { step, wave, dueAt }: Firing): void {
  if (dueAt !== null) decision.timers.push({ step, wave, dueAt });
}

function firingOf(state: RunState, at: { step: number; wave: number }): Firing | undefined {
  const firing = state.running.get(at.step);
  return firing?.wave === at.wave ? firing : undefined;
}

/** Fires what is ready, skips what must not start any more, and finds the end. */
function goOn(deciding: Deciding): void {
  const { state, decision, facts, world } = deciding;
  endOverdue(deciding);
  while (true) {
    if (state.cancel || state.failure) {
      skipWaiting(deciding);
      if (state.failure) abortCalls(deciding);
      if (state.running.size === 0 && compensate(deciding)) finish(deciding);
      return;
    }
    if (facts.startAt !== null && world.now() < facts.startAt && state.pause === 'none') return;
    if (state.pause !== 'none') return holdStill(deciding);
    handOutSignals(deciding);
    settleApprovals(deciding);
    if (state.failure) continue;
    if (deciding.isOutOfTime) return void (decision.more = true);
    const ready = nextReady(state, deciding.playbook);
    if (ready.length === 0) {
      if (state.running.size > 0) return;
      const { terminal } = deciding.playbook;
      if (!terminal || state.terminalRan || state.override) return finish(deciding);
      fireStep(deciding, terminal); // the implicit end: every branch is over and end has not run
      continue;
    }
    for (const [at, step] of ready.entries()) {
      if (state.failure) break;
      if (at > 0 && deciding.isOutOfTime) {
        leaveReady(state, ready.slice(at));
        return void (decision.more = true);
      }
      fireReady(deciding, step);
    }
    if (decision.events.length >= EVENTS_PER_DECISION || decision.characters >= CHARACTERS_PER_DECISION) {
      decision.more = true;
      return;
    }
  }
}

/** Nothing starts in a run that is to pause; once nothing is under way any more it is paused, unless there is nothing left to do (D28). */
function holdStill(deciding: Deciding): void {
  const { state, playbook } = deciding;
  if (state.pause === 'paused' || [...state.running.values()].some((firing) => !isParked(firing))) return;
  const isOver = state.armed.size === 0 && state.running.size === 0 && (!playbook.terminal || state.terminalRan || state.override !== null);
  if (isOver) finish(deciding);
  else deciding.emit({ type: 'execution_paused' });
}
