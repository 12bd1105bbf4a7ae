import { type CompiledAuth, compileAuth, compileHandles } from '../auth/compiled-auth.js';
import { EngineError, type Issue } from '../engine-error.js';
import { type StepKinds } from '../step-executor.js';
import { compileCondition, compileValue, type Template, type ValueTemplate } from '../template/template.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { compileJsonSchema, type JsonSchema } from './json-schema.js';
import { compileApproval } from './approval-step.js';
import { compileFail, compileReport } from './reports.js';
import { compileCall } from './compile-call.js';
import { compileInputs, compileSaveData } from './compile-inputs.js';
import { compilePages } from './compile-pages.js';
import { edgesOf, reachFrom, StepSet } from './graph.js';
import { joinsOf, type StepJoins } from './joins.js';
import { compensationName } from './compensation-name.js';
import {
  type Action,
  type Compensate,
  type EdgeTarget,
  type NextEntry,
  type Playbook,
  type RetryTemplates,
  type Save,
  type Step,
} from './playbook.js';
import {
  type CompiledPlaybook,
  type CompiledStep,
  type CompiledAction,
  type CompiledIterator,
  isApproval,
  type CompiledWait,
  type CompiledSave,
  type CompiledEdge,
  type CompiledNext,
  INTERNAL_STORAGES,
} from './compiled.js';
import { askingActionsOf, inputsOf, signalsOf } from './named-waits.js';
import { collectTemplates, isLateTemplate } from './workload-templates.js';

const NOT_PARSED = Symbol('not parsed');

/**
 * Compiles a canonical playbook against the step types that can run here.
 * @throws EngineError (invalid, `invalid_document`) whose issues point into the canonical form: /workflow/<n>/… and /workbook/<n>/….
 */
export function compilePlaybook(playbook: Playbook, kinds: StepKinds): CompiledPlaybook {
  const parts = compileInParts(playbook, kinds);
  for (;;) {
    const part = parts.next();
    if (part.done) return part.value;
  }
}

/** The same in small parts, for callers that have other things to do in between. */
export function compileInParts(playbook: Playbook, kinds: StepKinds): Generator<void, CompiledPlaybook, void> {
  return new Compiler(playbook, kinds).compile();
}

class Compiler {
  private readonly errors: Issue[] = [];
  private readonly warnings: Issue[] = [];
  private readonly indexOf: ReadonlyMap<string, number>;
  /** By the index of a step: that of the one that undoes it. */
  private readonly undoing: ReadonlyMap<number, number>;
  private handles: CompiledAuth | null = null;

  constructor(
    private readonly playbook: Playbook,
    private readonly kinds: StepKinds,
  ) {
    this.indexOf = new Map(playbook.workflow.map((step, index) => [step.name, index]));
    const undone = playbook.workflow.flatMap(({ compensate }, index) => (compensate ? [index] : []));
    this.undoing = new Map(undone.map((index, at) => [index, playbook.workflow.length + at]));
  }

  *compile(): Generator<void, CompiledPlaybook, void> {
    const edges = edgesOf(this.playbook.workflow, this.indexOf);
    this.handles = this.found(() => compileHandles(this.playbook.credentials, this.playbook.keychain), '');
    yield;
    const joinOf = yield* joinsOf(this.playbook.workflow, edges, this.indexOf);
    const steps: CompiledStep[] = [];
    for (const [index, step] of this.playbook.workflow.entries()) {
      steps.push(this.step(step, index, reachFrom(index, edges), joinOf(index)));
      yield;
    }
    const units = [...steps];
    for (const step of units) if (step.undoneBy) steps[step.undoneBy.index] = this.compensation(step, step.definition.compensate!);
    const inputs = inputsOf(steps);
    this.checkSignals(steps, inputs);
    const workloadTemplates = new Map<string, Template>();
    yield* collectTemplates(this.playbook.workload, workloadTemplates);
    const { contract } = this.playbook;
    const inputSchema = this.schema(contract.inputSchema, '/input_schema');
    yield;
    const outputSchema = this.schema(contract.outputSchema, '/output_schema');
    if (this.errors.length > 0) throw new EngineError('invalid', 'invalid_document', this.errors[0]!.message, this.errors);
    const entry = steps.find((step) => step.definition.role === 'entry')!;
    return {
      playbook: this.playbook,
      steps,
      byName: new Map(steps.map((step) => [step.name, step])),
      entry,
      terminal: steps.find((step) => step.definition.role === 'terminal') ?? null,
      inputSchema,
      outputSchema,
      signals: signalsOf(steps),
      hasApprovals: steps.some(isApproval),
      inputs: new Set([...inputs, ...askingActionsOf(steps)]),
      progressUnits: progressUnits(units, entry),
      plainWorkload: workloadTemplates.size === 0,
      workloadTemplates,
      hasLateWorkload: [...workloadTemplates.values()].some(isLateTemplate),
      handles: this.handles,
      fetchesSecrets: [
        ...this.playbook.workflow.flatMap(({ action, compensate }) => [action, compensate?.action ?? null]),
        ...this.playbook.workbook,
      ].some(fetchesSecrets),
      warnings: this.warnings,
    };
  }

  private step(step: Step, index: number, reach: StepSet, joins: StepJoins): CompiledStep {
    const pointer = `/workflow/${index}`;
    const action = step.action && this.action(step.action, pointer);
    const task = step.action?.type === 'workbook' ? step.action.fields['name'] : null;
    // A step of the same name hides the task's name as an alias.
    const taskAlias = typeof task === 'string' && !this.indexOf.has(task) ? [task] : [];
    return {
      index,
      name: step.name,
      type: step.action?.type ?? (step.role === 'terminal' ? 'end' : step.role === 'entry' ? 'start' : 'router'),
      definition: step,
      data: compileInputs(step.action?.data ?? step.data),
      action,
      saves: step.action ? [] : step.save.map((save, at) => this.save(save, `${pointer}/save/${at}`, null)),
      next: step.next.map((entry) => this.next(entry)),
      onError: step.onError.kind === 'goto' ? { kind: 'goto', target: this.edge(step.onError.target) } : step.onError,
      onTimeout: step.onTimeout ? this.edge(step.onTimeout) : null,
      pass: step.pass === null ? null : compileCondition(step.pass),
      when: step.when === null ? null : compileCondition(step.when),
      vars: Object.keys(step.vars).length > 0 ? compileValue(step.vars) : null,
      result: step.hasResult ? compileValue(step.result) : null,
      aliases: [...(step.as === null ? [] : [step.as]), ...taskAlias],
      ...joins,
      reach,
      undoneBy: step.compensate ? { index: this.undoing.get(index)!, covers: step.compensate.covers } : null,
      undoes: null,
    };
  }

  /** What undoes a step, as a step of its own: nothing leads to it or from it, and it fires once its execution has failed or was cancelled. */
  private compensation(step: CompiledStep, { action: own }: Compensate): CompiledStep {
    const pointer = `/workflow/${step.index}/compensate`;
    const action = this.action(own, pointer);
    // What stands behind the name of a workbook task the document could not show.
    const refuse = (message: string): void => void this.errors.push({ code: 'invalid_compensate', message, pointer });
    if (step.action?.performer && step.action.performer.does !== 'save' && !acts(step.action))
      refuse(`The task of ${step.name} does nothing that could be undone.`);
    if (action.performer && !acts(action)) refuse(`The task that undoes ${step.name} does not act.`);
    if (action.saves.length > 0) refuse(`The task that undoes ${step.name} has saves; a compensation has none.`);
    const name = compensationName(step.name);
    const definition: Step = { ...step.definition, name, role: 'inner', action: own, next: [], onError: { kind: 'fail' }, onTimeout: null };
    return {
      index: step.undoneBy!.index,
      name,
      type: own.type,
      definition,
      data: compileInputs(own.data),
      action,
      saves: [],
      next: [],
      onError: { kind: 'fail' },
      onTimeout: null,
      pass: null,
      when: null,
      vars: null,
      result: null,
      aliases: [],
      join: null,
      ahead: [],
      reach: new StepSet(0),
      undoneBy: null,
      undoes: step.index,
    };
  }

  /** A workbook step becomes its task, with the step's own save, assert, auth, retry and time-out laid over it. */
  private action(own: Action, pointer: string): CompiledAction {
    if (own.type !== 'workbook') return this.perform(own, null, pointer);
    const at = this.playbook.workbook.findIndex((task) => task.name === own.fields['name']);
    const task = this.playbook.workbook[at];
    if (!task) {
      this.errors.push({ code: 'unknown_task', message: `There is no workbook task ${String(own.fields['name'])}.`, pointer });
      return {
        definition: own,
        data: compileInputs(own.data),
        performer: null,
        refusal: null,
        taskData: null,
        auth: null,
        saves: [],
        assert: null,
        retry: null,
        pages: null,
        timeout: null,
      };
    }
    const merged: Action = {
      ...task,
      data: own.data,
      save: own.save.length > 0 ? own.save : task.save,
      assert: own.assert ?? task.assert,
      auth: own.auth ?? task.auth,
      retry: own.retry ?? task.retry,
      timeout: own.timeout ?? task.timeout,
    };
    return this.perform(merged, task.data, `/workbook/${at}`);
  }

  private perform(action: Action, taskData: JsonObject | string | null, pointer: string): CompiledAction {
    let performer: CompiledAction['performer'] = null;
    let refusal: CompiledAction['refusal'] = null;
    const kind = this.kinds.get(action.type);
    if (action.type === 'save') performer = { does: 'save' };
    else if (action.type === 'progress' || action.type === 'log')
      performer = { does: 'report', report: compileReport(action.type, action.fields) };
    else if (action.type === 'fail') performer = { does: 'fail', fail: compileFail(action.fields) };
    else if (WAITING_TYPES.has(action.type)) performer = { does: 'wait', wait: this.wait(action, pointer) };
    else if (CALLING_TYPES.has(action.type)) performer = { does: 'playbook', call: compileCall(action) };
    else if (action.type === 'iterator') performer = { does: 'iterator', iterator: this.iterator(action, pointer) };
    else if (kind) {
      const config = this.parsed(() => kind.parse(action), pointer);
      if (config !== NOT_PARSED) performer = { does: 'step', kind, config };
    } else refusal = { code: 'unsupported_type', message: `Steps of type ${action.type} cannot run here.` };
    const pages = action.retry?.onSuccess ? compilePages(action.retry.onSuccess, pointer, (issue) => this.errors.push(issue)) : null;
    if (!refusal && pages && !(performer?.does === 'step' && performer.kind.pages))
      refusal = { code: 'unsupported_pagination', message: `Steps of type ${action.type} have no pages (retry.on_success).` };
    // Types that cannot run here were told of when the document was read.
    if (refusal && refusal.code !== 'unsupported_type') this.warnings.push({ ...refusal, pointer });
    const { retry } = action;
    const auth = this.auth(action, pointer);
    return {
      definition: action,
      data: compileInputs(action.data),
      performer,
      refusal,
      taskData: taskData === null ? null : compileInputs(taskData),
      auth,
      saves: action.save.map((save, at) => this.save(save, `${pointer}/save/${at}`, auth)),
      assert: action.assert,
      retry: retry && {
        policy: retry,
        retryWhen: retry.retryWhen === null ? null : compileCondition(retry.retryWhen),
        stopWhen: retry.stopWhen === null ? null : compileCondition(retry.stopWhen),
        templates: Object.entries(retry.templates ?? {}).map(
          ([field, text]) => [field as keyof RetryTemplates, compileValue(text)] as const,
        ),
      },
      pages,
      timeout: action.timeout === null ? null : compileValue(action.timeout),
    };
  }

  /** An answer must not be taken for a signal, nor the other way round. */
  private checkSignals(steps: readonly CompiledStep[], inputs: ReadonlySet<string>): void {
    for (const { index, action } of steps) {
      if (action?.performer?.does !== 'wait' || action.performer.wait.kind !== 'signal') continue;
      const { name } = action.performer.wait;
      if (!inputs.has(name)) continue;
      const message = `The signal ${name} has the name of a step that asks for input.`;
      this.errors.push({ code: 'ambiguous_field', message, pointer: `/workflow/${index}/name` });
    }
  }

  private wait({ type, fields }: Action, pointer: string): CompiledWait {
    const template = (value: Json | undefined): ValueTemplate | null => (value === undefined ? null : compileValue(value));
    if (type === 'approval') return compileApproval(fields);
    if (type === 'input') return { kind: 'input', requests: compileValue(fields['requests'] ?? null) };
    if (type === 'wait') return { kind: 'timer', duration: template(fields['duration']), until: template(fields['until']) };
    return { kind: 'signal', name: String(fields['name']), schema: this.schema(fields['schema'] ?? null, `${pointer}/schema`) };
  }

  private schema(schema: Json, pointer: string): JsonSchema | null {
    if (schema === null) return null;
    try {
      return compileJsonSchema(schema);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.errors.push({ code: error.code, message: error.message, pointer });
      return null;
    }
  }

  /** What a kind makes of an action or a save of it; its findings become ours. */
  private parsed(parse: () => unknown, pointer: string): unknown {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      for (const issue of error.issues) this.errors.push({ ...issue, pointer: pointer + (issue.pointer ?? '') });
      if (error.issues.length === 0) this.errors.push({ code: error.code, message: error.message, pointer });
      return NOT_PARSED;
    }
  }

  private iterator(action: Action, pointer: string): CompiledIterator {
    const { fields, tasks } = action;
    const template = (name: string): ValueTemplate | null => (fields[name] === undefined ? null : compileValue(fields[name]));
    const orderBy = typeof fields['order_by'] === 'string' ? fields['order_by'].trim() : null;
    const descending = orderBy?.startsWith('-') ?? false;
    const key = descending ? orderBy!.slice(1) : orderBy;
    return {
      collection: compileValue(fields['collection'] ?? null),
      element: String(fields['element']),
      mode: compileValue(fields['mode'] ?? 'sequential'),
      concurrency: template('concurrency'),
      where: fields['where'] === undefined ? null : compileCondition(fields['where']),
      orderBy: key === null ? null : { key: compileValue(key.includes('{{') ? key : `{{ ${key} }}`), descending },
      limit: template('limit'),
      chunk: template('chunk'),
      enumerate: template('enumerate'),
      onError: fields['on_error'] === 'continue' ? 'continue' : 'fail',
      tasks: tasks.map((task, at) => this.action(task, `${pointer}/tasks/${at}`)),
      spelling: fields['spelling'] === 'loop' ? 'loop' : 'iterator',
    };
  }

  /** What connects to a database and names no credential uses the document's own; nothing else sends them anywhere unasked. */
  private auth({ type, auth, fields }: Action, pointer: string): CompiledAuth | null {
    const found = this.found(() => compileAuth(auth, fields['use_auth'] ?? null), `${pointer}/auth`);
    return found ?? (auth === null && CONNECTING_TYPES.has(type) ? this.handles : null);
  }

  private found<T>(compile: () => T | null, pointer: string): T | null {
    try {
      return compile();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      for (const issue of error.issues) this.errors.push({ ...issue, pointer: pointer + (issue.pointer ?? '') });
      return null;
    }
  }

  private save(save: Save, pointer: string, auth: CompiledAuth | null): CompiledSave {
    const kind = this.kinds.get(save.storage);
    const storage = kind?.save;
    const config = storage ? this.parsed(() => storage.parse(save), pointer) : NOT_PARSED;
    const external = kind && storage && config !== NOT_PARSED ? { kind, storage, config } : null;
    return {
      definition: save,
      when: save.when === null ? null : compileCondition(save.when),
      data: save.data === null ? null : compileSaveData(save.data),
      params: isObject(save.fields['params']) ? compileValue(save.fields['params']) : null,
      supported: INTERNAL_STORAGES.has(save.storage) || storage !== undefined,
      external,
      auth: this.found(() => compileAuth(save.auth, null), `${pointer}/auth`) ?? auth,
    };
  }

  private next(entry: NextEntry): CompiledNext {
    const edges = (targets: readonly EdgeTarget[]): CompiledEdge[] => targets.map((target) => this.edge(target));
    return entry.kind === 'when'
      ? { kind: 'when', when: compileCondition(entry.when), then: edges(entry.then), else: edges(entry.else) }
      : { kind: entry.kind, then: edges(entry.then) };
  }

  private edge(target: EdgeTarget): CompiledEdge {
    return { to: { name: target.step, index: this.indexOf.get(target.step)! }, data: compileInputs(target.data) };
  }
}

/** Steps that do nothing but wait. */
const WAITING_TYPES: ReadonlySet<string> = new Set(['wait', 'wait_for', 'input', 'approval']);
const acts = ({ performer }: CompiledAction): boolean =>
  performer !== null && (performer.does === 'step' || performer.does === 'iterator' || performer.does === 'playbook');

/** Steps that call other entries. */
const CALLING_TYPES: ReadonlySet<string> = new Set(['playbook', 'playbooks', 'workflow', 'tool', 'model']);

/** Steps that are nothing without a connection. */
const CONNECTING_TYPES: ReadonlySet<string> = new Set(['postgres', 'duckdb', 'transfer']);

function fetchesSecrets(action: Action | null): boolean {
  return action !== null && (action.type === 'secrets' || action.tasks.some(fetchesSecrets));
}

function progressUnits(steps: readonly CompiledStep[], entry: CompiledStep): CompiledStep[] {
  const reached = steps.filter((step) => step === entry || entry.reach.has(step.index) || step.definition.role === 'terminal');
  const counted = reached.filter((step) => step.action !== null || step.definition.role === 'inner');
  return counted.length > 0 ? counted : reached;
}
