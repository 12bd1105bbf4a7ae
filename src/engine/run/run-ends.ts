import { callsOthers, type CompiledStep } from '../playbook/compiled.js';
import { runFault } from '../run-fault.js';
import { compensate, errorOfCancelled, failureWithUndos, skipUndos } from './compensation.js';
import { type Deciding } from './decision.js';
import { leavesCalls } from './left-calls.js';
import { liveCalls } from './parts.js';
import { resultOf } from './result.js';
import { type Firing, isParked } from './run-state.js';

/** The time-out of the run itself: whatever runs is aborted, nothing else starts. */
export function endOverdue(deciding: Deciding): void {
  const { state, facts, world } = deciding;
  if (facts.timeoutAt === null || state.failure || state.cancel || world.now() < facts.timeoutAt) return;
  deciding.emit({ type: 'execution_failing', error: runFault('execution_timeout', 'The execution did not end in time.') });
  abortRunning(deciding);
}

/** Attempts that are under way end as soon as they can; what undoes goes on. */
export function abortRunning({ state, decision }: Deciding): void {
  for (const firing of state.running.values()) if (!isParked(firing) && !firing.undoes) decision.aborts.push(firing.step);
}

/** What waits for others is not awaited by a run that has failed: they are taken along (D27). */
export function abortCalls({ state, decision, playbook }: Deciding): void {
  for (const { step, undoes } of state.running.values())
    if (!undoes && callsOthers(playbook.steps[step]!.action)) decision.aborts.push(step);
}

/** A step that was fired ends as skipped; what it has called is taken along (D27). */
export function skipFiring(deciding: Deciding, firing: Firing, reason: 'cancelled' | 'failure'): void {
  const step = deciding.playbook.steps[firing.step]!;
  const { orphans, performs } = deciding.decision;
  if (firing.parts && !leavesCalls(deciding.state, firing)) orphans.push(...liveCalls(firing.parts));
  // A resume that was heard at the same time may have taken it up again.
  performs.splice(0, performs.length, ...performs.filter(({ step: index }) => index !== firing.step));
  deciding.emit({ type: 'step_skipped', step: step.name, stepType: step.type, wave: firing.wave, reason });
}

/** After a failure or a cancellation nothing new starts: armed and parked steps are skipped at once (D27); with force, running ones too. */
export function skipWaiting(deciding: Deciding): void {
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

/** Nothing of the run is left to do: how it ends. */
export function finish(deciding: Deciding): void {
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
