import { type CompiledEdge, type CompiledStep, iterates, valueAliasesOf } from '../playbook/compiled.js';
import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type Json, type JsonObject } from '../values.js';
import { missingOutputs } from './asserts.js';
import { type Deciding } from './decision.js';
import { diagnosticsOf, earlyDiagnosticsOf } from './diagnostics.js';
import { namesOfResults } from './results.js';
import { performOf } from './performs.js';
import { asFailure, detailsOf, errorView } from './failures.js';
import { type ItemFailure, type RunErrorDetails, type SaveOutcome, type TakenEdge } from './events.js';
import { renderMapping, takenEdges } from './route.js';
import { RunScope, type StepOutcomeView, type StepView } from './run-scope.js';
import { type ActedStep } from './parts.js';
import { undoView } from './undo-view.js';
import { runSaves, savesOf, savesToWorld, saveValue } from './saves.js';

/** A firing on its way to its end. */
export interface Settling {
  readonly step: CompiledStep;
  readonly wave: number;
  readonly attempt: number;
  readonly inputs: JsonObject;
  readonly arrivedError: RunErrorDetails | null;
  readonly durationMs: number;
  readonly rendering: Rendering;
  readonly logs: string | undefined;
  /** True once step_started is recorded; its inputs are there then. */
  readonly started: boolean;
  /** True where `pass` or `when` skipped the action. */
  readonly passed: boolean;
  /** Items of an iterator that failed and left null. */
  readonly itemErrors?: readonly ItemFailure[] | null;
  /** Of the tables that its contract may mean, those that are there. */
  readonly tables?: readonly string[] | undefined;
}

/** What an action's value is to whoever comes after it: projected, with its contract kept and the variables that were taken from it. */
interface Projected {
  readonly seen: Json;
  readonly raw: { readonly value: Json } | null;
  readonly vars: JsonObject | null;
}

/** An action has succeeded: saves to the world follow as parts of their own, or the firing ends. */
export function settleAction(deciding: Deciding, settling: Settling, value: Json): void {
  if (!savesToWorld(settling.step, true)) return completeStep(deciding, settling, value);
  try {
    const { seen, raw, vars } = project(deciding, settling, value);
    deciding.checkStorable(seen, raw?.value ?? null, vars);
    beginSaves(deciding, settling, { end: { ok: true, value: seen }, raw, vars });
  } catch (thrown) {
    failAction(deciding, settling, asFailure(thrown));
  }
}

/** An action has failed for good, or what comes of it cannot be: saves of errors to the world follow, or the firing ends. */
export function failAction(deciding: Deciding, settling: Settling, failure: StepFailure): void {
  // Saves of errors belong to a step that has begun.
  if (!settling.started || !savesToWorld(settling.step, false)) return failStep(deciding, settling, failure);
  const value: JsonObject = {
    status: 'error',
    error: failure.message,
    ...(failure.statusCode === undefined ? {} : { status_code: failure.statusCode }),
  };
  const error = detailsOf(failure, { step: settling.step.name, stepType: settling.step.type, attempt: settling.attempt });
  const cut = failure.origin === 'limit' ? { cut: 'limit' as const } : {};
  beginSaves(deciding, settling, { end: { ok: false, error, value }, raw: null, vars: null, ...cut });
}

function beginSaves(deciding: Deciding, settling: Settling, acted: Pick<ActedStep, 'end' | 'raw' | 'vars' | 'cut'>): void {
  const { step, durationMs, logs = null, itemErrors = null } = settling;
  deciding.emit({ type: 'action_acted', ...placeOf(settling), acted: { ...acted, durationMs, logs, itemErrors } });
  deciding.decision.performs.push(performOf(step, deciding.state.running.get(step.index)!));
}

function project(deciding: Deciding, settling: Settling, value: Json): Projected {
  const { step, rendering, passed } = settling;
  const status = passed ? 'skipped' : 'success';
  const isProjected = step.result !== null && step !== deciding.playbook.terminal && !passed;
  const seen = isProjected ? step.result.render(scopeOf(deciding, settling, outcomeView(settling, value, status)), rendering) : value;
  if (!passed) checkReturns(deciding, settling, value);
  const raw = isProjected ? { value } : null;
  // What was skipped has nothing to take them from.
  const vars =
    step.vars && !passed
      ? renderMapping(step.vars, scopeOf(deciding, settling, outcomeView(settling, seen, status, raw)), rendering, 'vars')
      : null;
  return { seen, raw, vars };
}

/** Runs the saves to the execution itself of a step that succeeded. */
function ownSaves(deciding: Deciding, settling: Settling, { seen, raw, vars }: Projected): SaveOutcome[] {
  const { step, rendering } = settling;
  if (savesOf(step).length === 0) return [];
  const names = iterates(step) ? namesOfResults((raw ?? { value: seen }).value, settling.itemErrors ?? null) : undefined;
  const scope = scopeOf(deciding, settling, outcomeView(settling, seen, 'success', raw), vars, null, names);
  return runSaves(step, true, seen, scope, rendering);
}

/**
 * Ends a firing with a value: projection, contracts, vars, saves, edges; recorded in one step_completed.
 * @param saved what its saves came to, where they were parts of their own
 */
export function completeStep(deciding: Deciding, settling: Settling, value: Json, saved: readonly SaveOutcome[] | null = null): void {
  const { step, rendering, passed } = settling;
  try {
    const isTerminal = step === deciding.playbook.terminal;
    const status = passed ? 'skipped' : 'success';
    const acted = saved && deciding.state.running.get(step.index)?.acted;
    const projected: Projected = acted ? { seen: value, raw: acted.raw, vars: acted.vars } : project(deciding, settling, value);
    const { raw, vars } = projected;
    let { seen } = projected;
    const saves = passed ? [] : (saved ?? ownSaves(deciding, settling, projected));
    if (step.action?.performer?.does === 'save' && !passed) seen = saveValue(step, saves);
    const meta = diagnosticsOf({ ...settling, raw: raw?.value, saves });
    const outcome = { ...outcomeView(settling, seen, 'success'), meta };
    const ended = isTerminal
      ? terminalValue(settling, scopeOf(deciding, settling, outcome, vars).afterSaves(saves), seen, saves)
      : undefined;
    const final = ended?.determined ? ended.value : seen;
    const view = { ...outcomeView(settling, final, status), meta };
    const edges = takenEdges(step, deciding.state.override, scopeOf(deciding, settling, view, vars).afterSaves(saves), rendering);
    deciding.checkStorable(final, raw?.value ?? null, [edges, vars, saves], settling.started ? null : settling.inputs);
    deciding.emit({
      type: 'step_completed',
      ...placeOf(settling),
      value: final,
      ...(raw === null ? {} : { raw: raw.value }),
      edges,
      vars,
      saves,
      ...(ended && !ended.determined ? { bareEnd: true } : {}),
      ...(settling.itemErrors ? { itemErrors: settling.itemErrors } : {}),
      ...(passed ? { passed } : {}),
      ...tailOf(settling),
    });
  } catch (thrown) {
    failAction(deciding, settling, asFailure(thrown));
  }
}

/** Ends a firing with a failure, as its on_error says: the run fails, goes on with an error value, or goes to a handler step. */
export function failStep(deciding: Deciding, settling: Settling, failure: StepFailure, saved: readonly SaveOutcome[] | null = null): void {
  const { step, rendering } = settling;
  const error = detailsOf(failure, { step: step.name, stepType: step.type, attempt: settling.attempt });
  const value: JsonObject = {
    status: 'error',
    error: failure.message,
    ...(failure.statusCode === undefined ? {} : { status_code: failure.statusCode }),
  };
  const outcome = { ...outcomeView(settling, value, 'error'), error: failure.message };
  const scope = scopeOf(deciding, settling, outcome, null, error);
  let saves = saved ?? savesOfFailure(settling, value, scope);
  const meta = diagnosticsOf({ ...settling, itemErrors: null, saves });
  const onEdges = scopeOf(deciding, settling, { ...outcome, meta }, null, error).afterSaves(saves);
  let edges: readonly TakenEdge[] = [];
  let ended: TerminalValue | undefined;
  // A runaway playbook is cut whatever it says about errors: absorbed, the limit would be none.
  let kind = failure.origin === 'limit' ? 'fail' : step.onError.kind;
  try {
    if (kind === 'continue') edges = takenEdges(step, deciding.state.override, onEdges, rendering);
    if (kind === 'goto' && step.onError.kind === 'goto') {
      const { to, data } = step.onError.target;
      edges = [{ to: to.name, data: renderMapping(data, onEdges, rendering, `data of the edge to ${to.name}`) }];
    }
    if (kind === 'continue' && step === deciding.playbook.terminal) ended = terminalValueOfFailure(settling, onEdges, value, saves);
    deciding.checkStorable([edges, saves], ended?.value ?? null);
  } catch (thrown) {
    rendering.warn(`on_error: ${asFailure(thrown).message}`);
    kind = 'fail';
    edges = [];
    saves = [];
  }
  const tail = { ...tailOf(settling), ...(settling.started ? {} : { inputs: storableInputs(deciding, settling.inputs) }) };
  if (kind === 'continue') {
    deciding.emit({
      type: 'step_completed',
      ...placeOf(settling),
      value: ended?.determined ? ended.value : value,
      edges,
      vars: null,
      saves,
      error,
      ...(ended && !ended.determined ? { bareEnd: true } : {}),
      ...tail,
    });
  } else {
    deciding.emit({
      type: 'step_failed',
      ...placeOf(settling),
      error,
      handled: kind === 'goto',
      edges,
      vars: null,
      saves,
      ...tail,
    });
  }
}

/**
 * A wait was too long: saves of errors to the world follow, or it ends along its `on_timeout`.
 * @param saved what these saves came to
 */
export function timeOutStep(
  deciding: Deciding,
  settling: Settling,
  failure: StepFailure,
  target: CompiledEdge,
  saved: readonly SaveOutcome[] | null = null,
): void {
  const { step, rendering } = settling;
  const error = detailsOf(failure, { step: step.name, stepType: step.type, attempt: settling.attempt });
  if (!saved && savesToWorld(step, false))
    return beginSaves(deciding, settling, { end: { ok: false, error, value: null }, raw: null, vars: null, cut: 'timeout' });
  const scope = scopeOf(deciding, settling, { ...outcomeView(settling, null, 'error'), error: failure.message }, null, error);
  const saves = saved ?? savesOfFailure(settling, null, scope);
  try {
    const onEdges = scope.afterSaves(saves);
    const edges = [{ to: target.to.name, data: renderMapping(target.data, onEdges, rendering, `data of the edge to ${target.to.name}`) }];
    deciding.checkStorable([edges, saves]);
    deciding.emit({ type: 'step_timed_out', ...placeOf(settling), error, edges, vars: null, saves, ...tailOf(settling) });
  } catch (thrown) {
    failStep(deciding, settling, asFailure(thrown), saved);
  }
}

/** Inputs that made the step fail because they cannot be stored are not recorded with the failure either. */
function storableInputs(deciding: Deciding, inputs: JsonObject): JsonObject {
  try {
    deciding.checkStorable([inputs]);
    return inputs;
  } catch {
    return {};
  }
}

/** What a save of an error may not do is hide the error: its own failure becomes a warning. */
function savesOfFailure(settling: Settling, value: Json, scope: RunScope): SaveOutcome[] {
  if (!settling.started) return [];
  try {
    return runSaves(settling.step, false, value, scope, settling.rendering);
  } catch (thrown) {
    settling.rendering.warn(`save: ${asFailure(thrown).message}`);
    return [];
  }
}

/** Of a terminal step that failed and goes on: there a `result` that cannot be rendered is no failure either. */
function terminalValueOfFailure(settling: Settling, scope: RunScope, value: Json, saves: readonly SaveOutcome[]): TerminalValue {
  try {
    return terminalValue(settling, scope, value, saves);
  } catch (thrown) {
    settling.rendering.warn(`result: ${asFailure(thrown).message}`);
    return { determined: true, value };
  }
}

interface TerminalValue {
  readonly determined: boolean;
  readonly value: Json;
}

/**
 * The execution's result as the terminal step determines it: `result`, else its action's value (of a save its data), else
 * the data of its last save that ran, else the data that reached it; else nothing (a bare end).
 */
function terminalValue(settling: Settling, scope: RunScope, value: Json, saves: readonly SaveOutcome[]): TerminalValue {
  const { step, inputs, passed, rendering } = settling;
  if (step.result) return { determined: true, value: step.result.render(scope, rendering) };
  const saved = saves.findLast((save) => save.status === 'success');
  if (step.action && !passed && step.action.performer?.does !== 'save') return { determined: true, value };
  if (saved) return { determined: true, value: saved.data };
  if (Object.keys(inputs).length > 0) return { determined: true, value: inputs };
  return { determined: false, value };
}

/** @throws StepFailure assert_returns */
export function checkReturns(deciding: Deciding, settling: Settling, value: Json): void {
  const assert = settling.step.action?.assert;
  if (!assert || assert.returns.length === 0) return;
  const missing = missingOutputs(assert, value, valueAliasesOf(settling.step), settling.tables);
  if (missing.length === 0) return;
  const message = `The value lacks ${missing.join(', ')}.`;
  if ((assert.mode ?? deciding.world.assertMode) === 'warn') settling.rendering.warn(`assert.returns: ${message}`);
  else throw new StepFailure('assert_returns', message, { retryable: false });
}

/** The scope of everything that is rendered once there is an outcome. */
export function scopeOf(
  deciding: Deciding,
  settling: Pick<Settling, 'step' | 'inputs' | 'arrivedError'>,
  outcome: StepOutcomeView,
  vars: JsonObject | null = null,
  ownError: RunErrorDetails | null = null,
  moment?: Readonly<Record<string, unknown>>,
): RunScope {
  const error = ownError ?? settling.arrivedError;
  const view: StepView = {
    inputs: settling.inputs,
    outcome,
    ...(error ? { error: errorView(error) } : {}),
    ...(vars ? { vars } : {}),
    ...(moment ? { moment } : {}),
    ...undoView(deciding.playbook, deciding.state.running.get(settling.step.index)?.undoes ?? null),
  };
  return new RunScope(deciding.playbook, deciding.state, deciding.facts, view);
}

export function outcomeView(
  { step, itemErrors = null }: Pick<Settling, 'step' | 'itemErrors'>,
  value: Json,
  status: StepOutcomeView['status'],
  raw: ActedStep['raw'] = null,
): StepOutcomeView {
  return {
    names: [step.name, ...step.aliases],
    value,
    status,
    error: null,
    meta: raw || itemErrors ? earlyDiagnosticsOf({ raw: raw?.value, itemErrors }) : null,
    valueAliases: valueAliasesOf(step),
    iterates: iterates(step),
  };
}

function placeOf(settling: Settling): { step: string; stepType: string; wave: number; attempt: number } {
  return { step: settling.step.name, stepType: settling.step.type, wave: settling.wave, attempt: settling.attempt };
}

function tailOf(settling: Settling): { inputs?: JsonObject; durationMs: number; warnings?: readonly string[]; logs?: string } {
  const { warnings } = settling.rendering;
  return {
    ...(settling.started ? {} : { inputs: settling.inputs }),
    durationMs: settling.durationMs,
    ...(warnings.length > 0 ? { warnings } : {}),
    ...(settling.logs ? { logs: settling.logs } : {}),
  };
}
