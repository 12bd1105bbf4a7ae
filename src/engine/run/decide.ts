import { pathOfItem } from '../action/call-path.js';
import { type ChildEnded } from '../ports.js';
import { callsOthers, type CompiledPlaybook, type CompiledStep } from '../playbook/compiled.js';
import { runFault } from '../run-fault.js';
import { storableText } from '../storability.js';
import { StepFailure } from '../step-executor.js';
import { type Json } from '../values.js';
import { type AttemptOutcome, Deciding, type Decision, type DecisionWorld, type Stimulus } from './decision.js';
import { detailsOf, errorView, failureFrom } from './failures.js';
import { elapsed, fireStep, LOOP_LIMITS } from './fire.js';
import { performOf } from './performs.js';
import { leaveReady, nextReady } from './ready-steps.js';
import { fireReady } from './lost-branches.js';
import { resultOf } from './result.js';
import { AttemptData, retryDelayMs, retryVerdict, tryAgain } from './retry.js';
import { type RunFacts } from './run-scope.js';
import { type ActedStep, findPart, liveCalls } from './parts.js';
import { type Firing, isParked, type RunState } from './run-state.js';
import { completeStep, failAction, failStep, outcomeView, scopeOf, settleAction, type Settling, timeOutStep } from './settle.js';
import { askOnTheWay, endWait, handOutSignals } from './waiting.js';
import { hearDecision, settleApprovals } from './approving.js';
import { startedBy } from '../births.js';
import { compensate, completeUndo, errorOfCancelled, failUndo, failureWithUndos, shownName, skipUndos } from './compensation.js';
import { inputsAfter } from './undoing.js';

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
  for (const firing of [...state.running.values()]) {
    const step = playbook.steps[firing.step]!;
    // What undoes goes on, whatever else has happened.
    const isEnded = !firing.undoes && (state.cancel !== null || (state.failure !== null && callsOthers(step.action)));
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
      if (firing) settle(deciding, firing, stimulus);
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
      if (!state.cancel) deciding.emit({ type: 'cancel_requested', reason: stimulus.reason, force: stimulus.force, ...askedBy(stimulus) });
      else if (stimulus.force && !state.cancel.force)
        deciding.emit({ type: 'cancel_requested', reason: stimulus.reason, force: true, ...askedBy(stimulus) });
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

function abortRunning({ state, decision }: Deciding): void {
  for (const firing of state.running.values()) if (!isParked(firing) && !firing.undoes) decision.aborts.push(firing.step);
}

/** What waits for others is not awaited by a run that has failed: they are taken along (D27). */
function abortCalls({ state, decision, playbook }: Deciding): void {
  for (const { step, undoes } of state.running.values())
    if (!undoes && callsOthers(playbook.steps[step]!.action)) decision.aborts.push(step);
}

function armTimer({ decision }: Deciding, { step, wave, dueAt }: Firing): void {
  if (dueAt !== null) decision.timers.push({ step, wave, dueAt });
}

function firingOf(state: RunState, at: { step: number; wave: number }): Firing | undefined {
  const firing = state.running.get(at.step);
  return firing?.wave === at.wave ? firing : undefined;
}

/** An attempt ended: try again, or settle the step. */
function settle(deciding: Deciding, firing: Firing, settled: Extract<Stimulus, { kind: 'settled' }>): void {
  const { outcome } = settled;
  const { state, world } = deciding;
  const step = deciding.playbook.steps[firing.step]!;
  const rendering = deciding.rendering();
  for (const warning of settled.warnings ?? []) rendering.warn(warning);
  const { acted } = firing;
  const settling: Settling = {
    step,
    wave: firing.wave,
    attempt: firing.attempt,
    inputs: inputsAfter(firing),
    arrivedError: firing.arrivedError,
    durationMs: acted?.durationMs ?? elapsed(settled.durationMs),
    rendering,
    logs: acted ? (acted.logs ?? undefined) : storableLogs(outcome.ok ? outcome.result.logs : outcome.failure.logs),
    started: true,
    passed: false,
    itemErrors: acted ? acted.itemErrors : (settled.itemErrors ?? null),
  };
  const isNotBegun = !outcome.ok && state.failure !== null && outcome.failure.origin === 'abort';
  const isUnanswered =
    outcome.ok && outcome.result.asks !== undefined && (state.cancel !== null || state.failure !== null || firing.isLost);
  if (!firing.undoes && (isNotBegun || isUnanswered || (!outcome.ok && (state.cancel || firing.isLost)))) {
    deciding.emit({
      type: 'step_skipped',
      step: step.name,
      stepType: step.type,
      wave: firing.wave,
      reason: state.cancel ? 'cancelled' : firing.isLost ? 'join' : 'failure',
    });
    return;
  }
  if (acted) return settleSaves(deciding, settling, acted, settled);
  if (outcome.ok && outcome.result.asks && !state.failure && !state.cancel && !firing.isLost)
    return askOnTheWay(deciding, settling, firing, outcome.result.asks);
  const isLast = !firing.undoes && (state.failure || state.cancel || firing.isLost || state.seq - state.itemEvents >= LOOP_LIMITS.events);
  const verdict = isLast ? 'keep' : verdictOf(deciding, settling, outcome);
  if (typeof verdict === 'object') {
    const policy = verdict;
    const delayMs = retryDelayMs(policy, firing.attempt, () => world.random(), outcome.ok ? 0 : outcome.failure.retryAfterMs);
    const dueAt = world.now() + delayMs;
    deciding.emit({
      type: 'action_retry',
      step: step.name,
      stepType: step.type,
      wave: firing.wave,
      attempt: firing.attempt,
      maxAttempts: policy.maxAttempts,
      delayMs,
      dueAt,
      error: outcome.ok
        ? null
        : detailsOf(outcome.failure, { step: shownName(deciding.playbook, step), stepType: step.type, attempt: firing.attempt }),
      ...(rendering.warnings.length > 0 ? { warnings: rendering.warnings } : {}),
      ...(settling.logs ? { logs: settling.logs } : {}),
    });
    deciding.decision.timers.push({ step: firing.step, wave: firing.wave, dueAt });
  } else {
    const [complete, fail] = firing.undoes ? [completeUndo, failUndo] : [settleAction, failAction];
    if (verdict === 'exhausted') {
      const message = `retry_when still held after ${firing.attempt} attempts.`;
      fail(deciding, settling, new StepFailure('retry_exhausted', message, { retryable: false }));
    } else if (outcome.ok) complete(deciding, settling, outcome.result.value);
    else fail(deciding, settling, outcome.failure);
  }
}

/** The saves of an action have ended: with it its step ends, or one of them failed. A save of an error may not hide the error. */
function settleSaves(deciding: Deciding, settling: Settling, acted: ActedStep, settled: Extract<Stimulus, { kind: 'settled' }>): void {
  const { outcome, saves = [] } = settled;
  if (!acted.end.ok) {
    if (!outcome.ok) settling.rendering.warn(`save: ${outcome.failure.message}`);
    const failure = failureFrom(acted.end.error, acted.cut === 'limit' ? 'limit' : 'action');
    if (acted.cut === 'timeout') timeOutStep(deciding, settling, failure, settling.step.onTimeout!, saves);
    else failStep(deciding, settling, failure, saves);
  } else if (outcome.ok) completeStep(deciding, settling, acted.end.value, saves);
  else failStep(deciding, settling, outcome.failure, saves);
}

function storableLogs(logs: string | undefined): string | undefined {
  return logs === undefined ? undefined : storableText(logs);
}

function verdictOf(deciding: Deciding, settling: Settling, outcome: AttemptOutcome): ReturnType<typeof retryVerdict> {
  const { step, attempt, rendering } = settling;
  const retry = step.action?.retry ?? null;
  // Pages are tried again one by one, where they are read.
  if (!retry || step.action?.pages) return 'keep';
  const value = outcome.ok ? outcome.result.value : (outcome.failure.value ?? null);
  const failure = outcome.ok ? null : outcome.failure;
  const error = failure && detailsOf(failure, { step: step.name, stepType: step.type, attempt });
  const view = { ...outcomeView(settling, value, outcome.ok ? 'success' : 'error'), error: failure?.message ?? null };
  const statusCode = statusCodeOf(value, failure);
  const moment = { attempt, success: outcome.ok, status_code: statusCode, error: error && errorView(error), data: new AttemptData(view) };
  const scope = scopeOf(deciding, settling, view, null, error, moment);
  return retryVerdict(
    retry,
    { attempt, succeeded: outcome.ok, code: failure?.code ?? null, retryable: failure?.retryable ?? true },
    scope,
    rendering,
  );
}

function statusCodeOf(value: Json, failure: StepFailure | null): Json {
  if (failure?.statusCode !== undefined) return failure.statusCode;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value['status_code'] ?? null) : null;
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
    if (facts.startAt !== null && state.firedInAll === 0 && world.now() < facts.startAt && state.pause === 'none') return;
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

/** The time-out of the run itself: whatever runs is aborted, nothing else starts. */
function endOverdue(deciding: Deciding): void {
  const { state, facts, world } = deciding;
  if (facts.timeoutAt === null || state.failure || state.cancel || world.now() < facts.timeoutAt) return;
  deciding.emit({ type: 'execution_failing', error: runFault('execution_timeout', 'The execution did not end in time.') });
  abortRunning(deciding);
}

/** Nothing starts in a run that is to pause; once nothing is under way any more it is paused, unless there is nothing left to do (D28). */
function holdStill(deciding: Deciding): void {
  const { state, playbook } = deciding;
  if (state.pause === 'paused' || [...state.running.values()].some((firing) => !isParked(firing))) return;
  const isOver = state.armed.size === 0 && state.running.size === 0 && (!playbook.terminal || state.terminalRan || state.override !== null);
  if (isOver) finish(deciding);
  else deciding.emit({ type: 'execution_paused' });
}

/** What it has called is taken along (D27). */
function skipFiring(deciding: Deciding, firing: Firing, reason: 'cancelled' | 'failure'): void {
  const step = deciding.playbook.steps[firing.step]!;
  const { orphans, performs } = deciding.decision;
  if (firing.parts) orphans.push(...liveCalls(firing.parts));
  // A resume that was heard at the same time may have taken it up again.
  performs.splice(0, performs.length, ...performs.filter(({ step: index }) => index !== firing.step));
  deciding.emit({ type: 'step_skipped', step: step.name, stepType: step.type, wave: firing.wave, reason });
}

/** After a failure or a cancellation nothing new starts: armed and parked steps are skipped at once (D27); with force, running ones too. */
function skipWaiting(deciding: Deciding): void {
  const { state, playbook } = deciding;
  const reason = state.cancel ? 'cancelled' : 'failure';
  const skip = (step: CompiledStep, wave: number): void =>
    deciding.emit({ type: 'step_skipped', step: step.name, stepType: step.type, wave, reason });
  for (const { step, isSkipped } of state.armed.values()) if (!isSkipped) skip(playbook.steps[step]!, state.fired[step]! + 1);
  for (const firing of [...state.running.values()]) {
    if (firing.undoes) {
      if (state.cancel?.force) skipUndos(deciding);
    } else if (isParked(firing) || state.cancel?.force) skipFiring(deciding, firing, reason);
  }
}

function finish(deciding: Deciding): void {
  const { state, decision } = deciding;
  if (state.cancel) {
    const error = errorOfCancelled(state);
    decision.finish = { event: { type: 'execution_cancelled', reason: state.cancel.reason, ...(error ? { error } : {}) }, result: null };
  } else if (state.failure)
    decision.finish = {
      event: { type: 'execution_failed', error: failureWithUndos(state, state.failure), others: [...state.otherFailures] },
      result: null,
    };
  else complete(deciding);
}

/** What an entry promises of its result is kept, or the execution has failed. */
function complete(deciding: Deciding): void {
  const { state, decision, playbook } = deciding;
  const result = resultOf(state, playbook);
  const wrong = playbook.outputSchema?.issuesOf(result) ?? [];
  if (wrong.length === 0) {
    decision.finish = { event: { type: 'execution_completed' }, result };
    return;
  }
  const findings = wrong.map(({ pointer, message }) => `${pointer || '/'} ${message}`).join('; ');
  const error = runFault('output_schema_mismatch', `The result does not fit the output schema: ${findings.slice(0, 1_000)}.`);
  deciding.emit({ type: 'execution_failing', error });
  if (compensate(deciding)) finish(deciding);
}
