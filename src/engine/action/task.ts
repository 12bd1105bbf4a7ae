import { type CompiledAction, INTERNAL_STORAGES } from '../playbook/compiled.js';
import { SecretScope } from '../auth/secret-scope.js';
import { missingInputs, missingOutputs } from '../run/asserts.js';
import { type AttemptOutcome } from '../run/decision.js';
import { durationMs } from '../run/durations.js';
import { type SaveOutcome } from '../run/events.js';
import { asFailure, detailsOf, errorView } from '../run/failures.js';
import { failureOf, reportOf } from '../run/reports.js';
import { itemFailures, namesOfResults } from '../run/results.js';
import { AttemptData, retryDelayMs, retryVerdict } from '../run/retry.js';
import { renderMapping } from '../run/route.js';
import { type StepOutcomeView, type StepView } from '../run/run-scope.js';
import { unsupportedSave } from '../run/saves.js';
import { StepFailure, type StepKind, type StepResult } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { aboutCharacters } from './about.js';
import { type LoopEnd, runLoop } from './loop.js';
import { runCall } from './call.js';
import { runPages } from './pages.js';
import { checkRecord, type PartContext, type TaskEnd } from './part-context.js';
import { runSaves } from './saves.js';

/**
 * Runs a nested task from where its records end: its action with its retries, then its saves. What it may not do fails it, and it never throws but
 * for what ends the whole program.
 * @param element name of the item, which code gets as an input where the task has none of its own
 */
export async function runTask(
  context: PartContext,
  action: CompiledAction,
  path: string,
  view: StepView,
  element: string,
): Promise<TaskEnd> {
  const known = context.find(path);
  if (known?.ended) return { end: known.ended, attempt: Math.max(1, known.attempt), characters: 0 };
  const task = new Task(context, action, path, view, element);
  const acted: TaskEnd = known?.acted ? { end: known.acted, attempt: Math.max(1, known.attempt), characters: 0 } : await task.act();
  if (action.saves.length === 0) return acted;
  return task.save(acted, known?.acted !== undefined && known.acted !== null);
}

/** Reads the pages of a step's own action, whose request is recorded with its start. */
export function runStepPages(context: PartContext, view: StepView): Promise<TaskEnd> {
  const { step, firing } = context.host;
  const { performer } = step.action!;
  if (performer?.does !== 'step') throw new Error(`${step.name} has no pages`);
  return new Task(context, step.action!, '', view, '').pages(performer.kind, firing.inputs, firing.request, view);
}

class Task {
  private readonly rendering: Rendering;
  /** What its templates see of secrets; nothing else sees any. */
  private readonly secrets: SecretScope;

  constructor(
    private readonly context: PartContext,
    private readonly action: CompiledAction,
    private readonly path: string,
    private readonly view: StepView,
    private readonly element: string,
  ) {
    this.rendering = context.rendering();
    this.secrets = new SecretScope(context.host.playbook.handles, action.auth, this.rendering);
  }

  async act(): Promise<TaskEnd> {
    const { context, action, path, rendering } = this;
    try {
      const { performer, refusal } = action;
      if (refusal) throw new StepFailure(refusal.code, refusal.message, { retryable: false });
      const unsupported = unsupportedSave(action.saves);
      if (unsupported) throw unsupported;
      const known = context.find(path);
      const inputs = known?.inputs ?? this.inputs();
      const view = { ...this.view, inputs: { ...this.view.inputs, ...inputs }, secrets: this.secrets };
      this.checkExpects(inputs, view);
      switch (performer?.does) {
        case 'step':
          return await this.perform(performer.kind, performer.config, inputs, view);
        case 'iterator': {
          const loop = await runLoop(context, performer.iterator, path, view, runTask);
          return this.ended({ value: valueOfLoop(performer.iterator.spelling, loop) }, 1);
        }
        case 'playbook':
          return this.ended({ value: await runCall(context, performer.call, path, context.host.firing.attempt, inputs, view) }, 1);
        case 'report': {
          const report = reportOf(performer.report, context.scope(view), rendering);
          checkRecord([report, inputs]);
          void context.journal.tell({ ...report, path });
          return this.ended({ value: inputs }, 1);
        }
        case 'fail':
          throw failureOf(performer.fail, context.host.step.name, context.scope(view), rendering);
        case 'save':
          return { end: { ok: true, value: inputs }, attempt: 1, characters: 0 };
        default:
          throw new StepFailure('unsupported_type', `A task of type ${action.definition.type} cannot run inside an iterator.`, {
            retryable: false,
          });
      }
    } catch (thrown) {
      return this.failed(asFailure(unlessAborted(context, thrown)), 1);
    } finally {
      for (const warning of rendering.warnings) context.host.warn(warning);
    }
  }

  /** The saves of the task. Those to the world are told apart in the history, so its action's end is there before the first of them begins. */
  async save(acted: TaskEnd, isRecorded: boolean): Promise<TaskEnd> {
    const { context, action, path } = this;
    const { end } = acted;
    const toWorld = action.saves.some(
      ({ external, definition }) => external && (definition.on === 'always' || (definition.on === 'success') === end.ok),
    );
    if (toWorld && !isRecorded) await context.journal.stop({ path, acted: true, end, ...(acted.logs ? { logs: acted.logs } : {}) });
    const value = end.ok ? end.value : { status: 'error', error: end.error.message };
    const loop = end.ok && action.performer?.does === 'iterator' ? context.find(path)?.loop : null;
    const itemErrors = loop ? itemFailures(loop.errors) : [];
    const view: StepView = {
      ...this.view,
      outcome: {
        ...this.outcome(value, end.ok),
        ...(loop ? { iterates: true, meta: { errors: itemErrors.map((each) => ({ ...each })) } } : {}),
      },
      ...(loop ? { moment: { ...this.view.moment, ...namesOfResults(value, itemErrors) } } : {}),
      ...(end.ok ? {} : { error: errorView(end.error) }),
    };
    const { outcomes, failure } = await runSaves(context, action.saves, end.ok, path, view, value);
    const kept = keptOf(outcomes, value);
    const characters = acted.characters + (kept.saves ? aboutCharacters(kept.saves) : 0);
    if (!end.ok) return { ...acted, ...kept, characters };
    if (failure) return { ...this.failed(failure, acted.attempt), ...kept };
    if (action.performer?.does !== 'save') return { ...acted, ...kept, characters };
    return { ...acted, ...kept, characters, end: { ok: true, value: saveValueOf(outcomes) } };
  }

  private sealed(request: Json, view: StepView): Json {
    return this.secrets.seal(request, this.context.scope(view));
  }

  /** Performs the action: one call with its retries, or page after page. */
  private async perform(kind: StepKind, config: unknown, inputs: JsonObject, view: StepView): Promise<TaskEnd> {
    const { context, path, action, rendering } = this;
    const known = context.find(path);
    const isBegun = known?.inputs !== null && known?.inputs !== undefined;
    const request = isBegun ? known.request : this.sealed(kind.render(config, inputs, context.scope(view), rendering), view);
    if (!action.pages) return this.attempts(kind, path, inputs, request, view);
    return this.pages(kind, inputs, request, view);
  }

  /** Page after page of a request that is rendered already. */
  async pages(kind: StepKind, inputs: JsonObject, request: Json, view: StepView): Promise<TaskEnd> {
    const { context, path, action } = this;
    const one = (at: string, asked: Json): Promise<TaskEnd> => this.attempts(kind, at, inputs, asked, view, true);
    const plain = { ...this.view, inputs: view.inputs };
    const end = await runPages(context, kind, action.pages!, path, plain, request, one, (value) => this.outcome(value, true));
    return 'value' in end ? this.ended({ value: end.value }, 1) : end;
  }

  private async attempts(
    kind: StepKind,
    path: string,
    inputs: JsonObject,
    request: Json,
    view: StepView,
    isPage = false,
  ): Promise<TaskEnd> {
    const { context } = this;
    const { host, journal, activity } = context;
    const known = context.find(path);
    const isBegun = known?.inputs !== null && known?.inputs !== undefined;
    const timeoutMs = this.timeoutMs(view) ?? (kind.defaultTimeoutSeconds > 0 ? kind.defaultTimeoutSeconds * 1000 : null);
    const asked = isBegun ? known.request : request;
    let due = known?.dueAt ?? null;
    let isStarted = isBegun && due === null;
    for (let attempt = Math.max(1, known?.attempt ?? 1); ; attempt += 1) {
      if (due !== null) await context.mayBeginAt(due);
      if (kind.effect && !isStarted) {
        checkRecord([inputs, asked]);
        await journal.start({ path, attempt, inputs, request: asked });
      }
      isStarted = false;
      const outcome = await activity.during(host.attempt({ kind, request: asked, attempt, path, timeoutMs }));
      if (host.signal.aborted) throw host.signal.reason;
      // What was not begun is no outcome of the part.
      if (!outcome.ok && outcome.failure.origin === 'abort') throw outcome.failure;
      const verdict = this.verdict(outcome, attempt, { ...this.view, inputs: view.inputs });
      if (verdict === 'exhausted')
        return this.failed(
          new StepFailure('retry_exhausted', `retry_when still held after ${attempt} attempts.`, { retryable: false }),
          attempt,
        );
      if (verdict === 'keep') {
        return outcome.ok ? this.ended(outcome.result, attempt, isPage) : this.failed(outcome.failure, attempt);
      }
      const policy = verdict;
      const delayMs = retryDelayMs(policy, attempt, () => host.world.random(), outcome.ok ? 0 : outcome.failure.retryAfterMs);
      due = host.world.now() + delayMs;
      const error = outcome.ok ? null : this.details(outcome.failure, attempt);
      void journal.tell({ type: 'action_retry', path, attempt, maxAttempts: policy.maxAttempts, delayMs, dueAt: due, error });
    }
  }

  /** The task's own data over what edges gave its step; code without any gets the item. */
  private inputs(): JsonObject {
    const { context, action, element, rendering } = this;
    const view = { ...this.view, secrets: this.secrets };
    const scope = context.scope(view);
    const own = renderMapping(action.data, scope, rendering, 'data of the task');
    const given = action.taskData
      ? {
          ...renderMapping(action.taskData, context.scope({ ...view, inputs: { ...view.inputs, ...own } }), rendering, 'data of the task'),
          ...own,
        }
      : own;
    if (Object.keys(given).length > 0 || !CODE.has(action.definition.type)) return given;
    const item = view.moment?.[element] as Json;
    return { ...(isObject(item) ? item : {}), value: item, [element]: item };
  }

  private ended({ value, logs, tables }: StepResult, attempt: number, isPage = false): TaskEnd {
    const { action } = this;
    const { assert } = action;
    const aliases = action.performer?.does === 'step' ? action.performer.kind.valueAliases : undefined;
    // The contract is about the whole value, not about one page of it.
    const missing = assert && !isPage ? missingOutputs(assert, value, aliases, tables) : [];
    if (missing.length > 0) {
      const message = `The value lacks ${missing.join(', ')}.`;
      if (this.assertMode() === 'fail') return this.failed(new StepFailure('assert_returns', message, { retryable: false, logs }), attempt);
      this.rendering.warn(`assert.returns: ${message}`);
    }
    return { end: { ok: true, value }, attempt, logs, characters: aboutCharacters(value) + 40 };
  }

  private failed(failure: StepFailure, attempt: number): TaskEnd {
    const error = this.details(failure, attempt);
    return { end: { ok: false, error, value: failure.value ?? null }, attempt, logs: failure.logs, characters: 300 };
  }

  private details(failure: StepFailure, attempt: number): ReturnType<typeof detailsOf> {
    return detailsOf(failure, { step: this.context.host.step.name, stepType: this.action.definition.type, attempt });
  }

  private checkExpects(inputs: JsonObject, view: StepView): void {
    const { assert, definition } = this.action;
    const missing = assert ? missingInputs(assert, inputs, definition.auth, this.context.scope(view)) : [];
    if (missing.length === 0) return;
    const message = `The inputs lack ${missing.join(', ')}.`;
    if (this.assertMode() === 'fail') throw new StepFailure('assert_expects', message, { retryable: false });
    this.rendering.warn(`assert.expects: ${message}`);
  }

  private assertMode(): 'fail' | 'warn' {
    return this.action.assert?.mode ?? this.context.host.world.assertMode;
  }

  private timeoutMs(view: StepView): number | null {
    const { timeout } = this.action;
    if (!timeout) return null;
    const ms = durationMs(timeout.render(this.context.scope(view), this.rendering));
    if (ms === undefined || ms <= 0)
      throw new StepFailure('invalid_value', 'The timeout of the task is not a duration above zero.', { retryable: false });
    return ms;
  }

  private outcome(value: Json, ok: boolean): StepOutcomeView {
    const { performer } = this.action;
    const valueAliases = performer?.does === 'step' ? performer.kind.valueAliases : undefined;
    return { names: [], value, status: ok ? 'success' : 'error', error: null, meta: null, valueAliases };
  }

  private verdict(outcome: AttemptOutcome, attempt: number, view: StepView): ReturnType<typeof retryVerdict> {
    const { retry } = this.action;
    if (!retry) return 'keep';
    const failure = outcome.ok ? null : outcome.failure;
    const value = outcome.ok ? outcome.result.value : (outcome.failure.value ?? null);
    const error = failure && errorView(this.details(failure, attempt));
    const statusCode = failure?.statusCode ?? (isObject(value) ? (value['status_code'] ?? null) : null);
    const seen = { ...this.outcome(value, outcome.ok), error: failure?.message ?? null };
    const scope = this.context.scope({
      ...view,
      outcome: seen,
      ...(error ? { error } : {}),
      moment: { ...view.moment, attempt, success: outcome.ok, status_code: statusCode, error, data: new AttemptData(seen) },
    });
    const end = { attempt, succeeded: outcome.ok, code: failure?.code ?? null, retryable: failure?.retryable ?? true };
    return retryVerdict(retry, end, scope, this.rendering);
  }
}

/** Types whose main() gets the item by itself. */
const CODE: ReadonlySet<string> = new Set(['python', 'javascript']);

/** The value of an iterator in its spelling. */
export function valueOfLoop(spelling: 'iterator' | 'loop', { values, errors }: LoopEnd): Json {
  if (spelling === 'iterator') return [...values];
  return { results: [...values], stats: { total: values.length, success: values.length - errors.length, failed: errors.length } };
}

/** An abort ends the program, whatever was thrown because of it. */
function unlessAborted({ host }: PartContext, thrown: unknown): unknown {
  if (host.signal.aborted) throw host.signal.reason;
  if (thrown instanceof StepFailure && thrown.origin === 'abort') throw thrown;
  return thrown;
}

/** The outcomes to tell with an item: saves to the world are parts of their own, and its value stands beside them. */
function keptOf(outcomes: readonly SaveOutcome[], value: Json): Pick<TaskEnd, 'saves'> {
  const saves = outcomes.filter(({ storage, data }) => INTERNAL_STORAGES.has(storage) && data !== value);
  return saves.length > 0 ? { saves } : {};
}

function saveValueOf(outcomes: Awaited<ReturnType<typeof runSaves>>['outcomes']): Json {
  const last = outcomes.findLast(({ status }) => status !== 'skipped');
  if (!last) return { saved: null };
  return { ...(isObject(last.data) ? last.data : { data: last.data }), saved: last.storage, ...last.detail };
}
