import { SecretScope } from '../auth/secret-scope.js';
import { type CompiledStep } from '../playbook/compiled.js';
import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type JsonObject } from '../values.js';
import { missingInputs } from './asserts.js';
import { type Deciding } from './decision.js';
import { durationMs } from './durations.js';
import { asFailure, errorView } from './failures.js';
import { type RunErrorDetails } from './events.js';
import { isComplete } from './join-counts.js';
import { renderMapping } from './route.js';
import { RunScope, type StepView } from './run-scope.js';
import { performOf } from './performs.js';
import { type Arrival } from './run-state.js';
import { savesOf, savesToWorld, unsupportedSave } from './saves.js';
import { failureOf, reportOf } from './reports.js';
import { completeStep, failAction, failStep, settleAction, type Settling } from './settle.js';
import { beginWait } from './waiting.js';

/** Bounds on runaway playbooks (playbook language §5.4). */
export const LOOP_LIMITS = { runsOfOneStep: 1_000, stepRuns: 10_000, events: 50_000 } as const;

const LIMIT = { retryable: false, origin: 'limit' } as const;

/** Fires a ready step: renders its inputs, then settles it at once (router, bare start or end, skipped) or starts its action. */
export function fireStep(deciding: Deciding, step: CompiledStep): void {
  const { state, world } = deciding;
  const since = world.monotonic();
  const arrivals = inDocumentOrder(state.armed.get(step.index)?.arrivals ?? []);
  const arrivedError = arrivals.find((arrival) => arrival.error !== null)?.error ?? null;
  const rendering = deciding.rendering();
  const edge = Object.assign({}, ...arrivals.map((arrival) => arrival.data)) as JsonObject;
  const base = { step, wave: state.fired[step.index]! + 1, attempt: 1, arrivedError, rendering, logs: undefined };
  const settling = (inputs: JsonObject, more: Partial<Settling> = {}): Settling => ({
    ...base,
    inputs,
    durationMs: elapsed(world.monotonic() - since),
    started: false,
    passed: false,
    ...more,
  });

  let inputs = edge;
  try {
    checkLimits(deciding, step);
    checkJoin(deciding, step);
    // Only what acts sees secrets: they are opened when it is performed, and by nothing else.
    const secrets =
      step.action?.performer?.does === 'step' ? new SecretScope(deciding.playbook.handles, step.action.auth, rendering) : null;
    inputs = renderInputs(deciding, step, edge, viewOf(arrivedError, secrets), rendering);
    const scope = scopeOfInputs(deciding, inputs, viewOf(arrivedError, secrets));
    if (step.pass?.isTrue(scope, rendering) || (step.when && !step.when.isTrue(scope, rendering))) {
      completeStep(deciding, settling(inputs, { passed: true }), inputs);
    } else if (step.action) startAction(deciding, step, inputs, scope, secrets, settling);
    else if (savesToWorld(step, true)) startSaving(deciding, step, settling(inputs));
    else completeStep(deciding, settling(inputs), inputs);
  } catch (thrown) {
    failStep(deciding, settling(inputs), asFailure(thrown));
  }
}

function startAction(
  deciding: Deciding,
  step: CompiledStep,
  inputs: JsonObject,
  scope: RunScope,
  secrets: SecretScope | null,
  settling: (inputs: JsonObject, more?: Partial<Settling>) => Settling,
): void {
  const action = step.action!;
  if (action.refusal) throw new StepFailure(action.refusal.code, action.refusal.message, { retryable: false });
  const { rendering, wave } = settling(inputs);
  checkExpects(deciding, step, inputs, scope, rendering);
  const unsupported = unsupportedSave(savesOf(step));
  if (unsupported) throw unsupported;
  const performer = action.performer!;
  if (performer.does === 'wait') {
    return beginWait(deciding, performer.wait, settling(inputs), scope, timeoutOf(step, scope, rendering));
  }
  if (performer.does === 'report') {
    const report = reportOf(performer.report, scope, rendering);
    deciding.checkStorable(report, inputs);
    deciding.emit({ ...report, step: step.name, stepType: step.type, wave, attempt: 1 });
    return savesToWorld(step, true) ? startSaving(deciding, step, settling(inputs)) : completeStep(deciding, settling(inputs), inputs);
  }
  if (performer.does === 'fail') {
    const failure = failureOf(performer.fail, step.name, scope, rendering);
    deciding.checkStorable([failure.message, failure.details]);
    // Saves of errors belong to a step that has begun.
    if (action.saves.length === 0) throw failure;
    begin(deciding, settling(inputs));
    return failAction(deciding, settling(inputs, { started: true }), failure);
  }
  const rendered = performer.does === 'step' ? performer.kind.render(performer.config, inputs, scope, rendering) : null;
  const request = secrets ? secrets.seal(rendered, scope) : rendered;
  const timeoutMs = timeoutOf(step, scope, rendering);
  deciding.checkStorable(inputs, request);
  deciding.emit({
    type: 'step_started',
    step: step.name,
    stepType: step.type,
    wave,
    attempt: 1,
    inputs,
    request,
    ...(timeoutMs === null ? {} : { timeoutMs, ...(isComposite(step) ? { timeoutAt: deciding.world.now() + timeoutMs } : {}) }),
    ...(rendering.warnings.length > 0 ? { warnings: [...rendering.warnings] } : {}),
  });
  if (performer.does === 'save') settleAction(deciding, settling(inputs, { started: true }), inputs);
  else deciding.decision.performs.push(performOf(step, deciding.state.running.get(step.index)!));
}

/** A router or bare end whose saves go to the world: from then on it is like a step that acts. */
function startSaving(deciding: Deciding, step: CompiledStep, settling: Settling): void {
  const unsupported = unsupportedSave(savesOf(step));
  if (unsupported) throw unsupported;
  begin(deciding, settling);
  settleAction(deciding, { ...settling, started: true }, settling.inputs);
}

/** Records the start of a step that asks nothing of the world itself. */
function begin(deciding: Deciding, { step, wave, inputs, rendering }: Settling): void {
  deciding.checkStorable(inputs);
  const warnings = rendering.warnings.length > 0 ? { warnings: [...rendering.warnings] } : {};
  deciding.emit({ type: 'step_started', step: step.name, stepType: step.type, wave, attempt: 1, inputs, request: null, ...warnings });
}

export const isComposite = ({ action }: CompiledStep): boolean =>
  action?.performer?.does === 'iterator' || action?.performer?.does === 'playbook';

/** What the templates of a step see of its own besides its inputs. */
type View = Omit<StepView, 'inputs'>;

/** @param edge what reached the step */
export function renderInputs(deciding: Deciding, step: CompiledStep, edge: JsonObject, view: View, rendering: Rendering): JsonObject {
  const own = step.data.isConstant && step.action?.taskData == null ? step.data.render(EMPTY_SCOPE, rendering) : undefined;
  if (own !== undefined && Object.keys(own as JsonObject).length === 0) return edge;
  const given = { ...edge, ...renderMapping(step.data, scopeOfInputs(deciding, edge, view), rendering, `data of ${step.name}`) };
  const taskData = step.action?.taskData;
  if (!taskData) return given;
  return {
    ...renderMapping(taskData, scopeOfInputs(deciding, given, view), rendering, `data of the task of ${step.name}`),
    ...given,
  };
}

const EMPTY_SCOPE = { lookup: (): undefined => undefined };

function viewOf(error: RunErrorDetails | null, secrets: SecretScope | null): View {
  return { ...(error ? { error: errorView(error) } : {}), ...(secrets ? { secrets } : {}) };
}

function scopeOfInputs(deciding: Deciding, inputs: JsonObject, view: View): RunScope {
  return new RunScope(deciding.playbook, deciding.state, deciding.facts, { ...view, inputs });
}

/** @throws StepFailure assert_expects */
export function checkExpects(deciding: Deciding, step: CompiledStep, inputs: JsonObject, scope: RunScope, rendering: Rendering): void {
  const assert = step.action?.assert;
  if (!assert || assert.expects.length === 0) return;
  const missing = missingInputs(assert, inputs, step.action?.definition.auth ?? null, scope);
  if (missing.length === 0) return;
  const message = `The inputs lack ${missing.join(', ')}.`;
  if ((assert.mode ?? deciding.world.assertMode) === 'warn') rendering.warn(`assert.expects: ${message}`);
  else throw new StepFailure('assert_expects', message, { retryable: false });
}

/** Of the action of a step, in milliseconds. @throws StepFailure invalid_value */
export function timeoutOf(step: CompiledStep, scope: RunScope, rendering: Rendering): number | null {
  const timeout = step.action?.timeout;
  if (!timeout) return null;
  const value = timeout.render(scope, rendering);
  const ms = durationMs(value);
  if (ms === undefined || ms <= 0)
    throw new StepFailure('invalid_value', `The timeout of ${step.name} is not a duration above zero.`, { retryable: false });
  return ms;
}

/** A join that counts fires with less than it counts where no more can come. */
function checkJoin({ state }: Deciding, step: CompiledStep): void {
  if (isComplete(state, step)) return;
  const came = state.armed.get(step.index)?.arrivals.length ?? 0;
  const message = `${step.name} joins ${step.join!.count} branches; ${came === 0 ? 'none' : came} came, and no other can.`;
  throw new StepFailure('join_unreachable', message, { retryable: false });
}

function checkLimits(deciding: Deciding, step: CompiledStep): void {
  const { state } = deciding;
  if (state.fired[step.index]! >= LOOP_LIMITS.runsOfOneStep) {
    throw new StepFailure('loop_limit', `The step ${step.name} has run ${LOOP_LIMITS.runsOfOneStep} times.`, LIMIT);
  }
  if (state.firedInAll >= LOOP_LIMITS.stepRuns) {
    throw new StepFailure('loop_limit', `The execution has run ${LOOP_LIMITS.stepRuns} steps.`, LIMIT);
  }
  if (state.seq - state.itemEvents >= LOOP_LIMITS.events)
    throw new StepFailure('history_limit', `The execution has ${LOOP_LIMITS.events} events.`, LIMIT);
}

/** Later predecessors win, whatever the time of their arrival; several edges of one predecessor keep their order. */
function inDocumentOrder(arrivals: readonly Arrival[]): readonly Arrival[] {
  return arrivals.length < 2 ? arrivals : [...arrivals].sort((a, b) => a.from - b.from);
}

/** Milliseconds with three decimals: durations are shown, not calculated with. */
export function elapsed(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
