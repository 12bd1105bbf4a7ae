import { type SaveOutcome, type ItemFailure } from '../run/events.js';
import { asFailure, errorView, failureFrom } from '../run/failures.js';
import { type StepView } from '../run/run-scope.js';
import { type ActedStep, liveCalls } from '../run/parts.js';
import { savesOf } from '../run/saves.js';
import { type AttemptOutcome } from '../run/decision.js';
import { iterates, valueAliasesOf } from '../playbook/compiled.js';
import { StepFailure } from '../step-executor.js';
import { earlyDiagnosticsOf } from '../run/diagnostics.js';
import { itemFailures, namesOfResults } from '../run/results.js';
import { undoView } from '../run/undo-view.js';
import { runCall } from './call.js';
import { runLoop } from './loop.js';
import { PartContext } from './part-context.js';
import { type ProgramHost } from './program-host.js';
import { runSaves } from './saves.js';
import { runStepPages, runTask, valueOfLoop } from './task.js';

/** How a program ended. */
export interface ProgramEnd {
  readonly outcome: AttemptOutcome;
  /** Where it ran the saves of the step: what they came to. */
  readonly saves?: readonly SaveOutcome[];
  readonly itemErrors?: readonly ItemFailure[];
}

/**
 * Runs what is composite about a firing, from where its records end: the items of an iterator, or the saves to the world of an action that has
 * ended. Made again from the records after a crash, a release or a pause, it does only what is left. Rejects with faults of the service alone.
 */
export async function runProgram(host: ProgramHost): Promise<ProgramEnd> {
  const context = new PartContext(host);
  try {
    return host.firing.acted ? await saveActed(context, host.firing.acted) : await iterate(context);
  } catch (thrown) {
    // A fault of the service is no end of it: whoever goes on finds what it called as it is.
    const failure = abortOf(host.signal) ?? asFailure(thrown);
    // What it called under a former holder, and did not come to again before it had to end.
    if (host.firing.parts) await context.takeAlong(liveCalls(host.firing.parts));
    return { outcome: { ok: false, failure: abortOf(host.signal) ?? failure } };
  } finally {
    context.journal.close();
  }
}

/** Why it was aborted; null where it was not. */
const abortOf = ({ aborted, reason }: AbortSignal): StepFailure | null => (aborted && reason instanceof StepFailure ? reason : null);

async function iterate(context: PartContext): Promise<ProgramEnd> {
  const { step, firing } = context.host;
  const performer = step.action?.performer;
  const view: StepView = {
    inputs: firing.inputs,
    ...(firing.arrivedError ? { error: errorView(firing.arrivedError) } : {}),
    ...undoView(context.host.playbook, firing.undoes),
  };
  if (performer?.does === 'playbook') {
    const value = await runCall(context, performer.call, '', firing.attempt, firing.inputs, view);
    return { outcome: { ok: true, result: { value } } };
  }
  if (performer?.does === 'step') {
    const { end, logs } = await runStepPages(context, view);
    const outcome = end.ok
      ? { ok: true as const, result: { value: end.value, ...(logs ? { logs } : {}) } }
      : { ok: false as const, failure: failureFrom(end.error) };
    return { outcome };
  }
  if (performer?.does !== 'iterator') throw new Error(`${step.name} is not composite`);
  const end = await runLoop(context, performer.iterator, '', view, runTask);
  const itemErrors = itemFailures(end.errors);
  return {
    outcome: { ok: true, result: { value: valueOfLoop(performer.iterator.spelling, end) } },
    ...(itemErrors.length > 0 ? { itemErrors } : {}),
  };
}

async function saveActed(context: PartContext, { end, raw, vars, itemErrors }: ActedStep): Promise<ProgramEnd> {
  const { step, firing } = context.host;
  const { value } = end;
  const error = end.ok ? firing.arrivedError : end.error;
  const view: StepView = {
    inputs: firing.inputs,
    outcome: {
      names: [step.name, ...step.aliases],
      value,
      status: end.ok ? 'success' : 'error',
      error: end.ok ? null : end.error.message,
      meta: raw || itemErrors ? earlyDiagnosticsOf({ raw: raw?.value, itemErrors }) : null,
      valueAliases: valueAliasesOf(step),
      iterates: iterates(step),
    },
    ...(error ? { error: errorView(error) } : {}),
    ...(vars ? { vars } : {}),
    ...(iterates(step) ? { moment: namesOfResults((raw ?? { value }).value, itemErrors) } : {}),
  };
  const { outcomes, failure } = await runSaves(context, savesOf(step), end.ok, '', view, value);
  return { outcome: failure ? { ok: false, failure } : { ok: true, result: { value } }, saves: outcomes };
}
