import { type Callable } from './calls.js';
import { type ErrorCode } from '../error-codes.js';
import { type CompiledAuth, compileAuth, compileHandles } from '../auth/compiled-auth.js';
import { EngineError, type Issue } from '../engine-error.js';
import { type SaveStorage, type StepKind, type StepKinds, type ValueAliases } from '../step-executor.js';
import {
  compileCondition,
  compileTemplate,
  compileValue,
  type Condition,
  type Template,
  type ValueTemplate,
} from '../template/template.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { compileJsonSchema, type JsonSchema } from './json-schema.js';
import { type CompiledApproval, compileApproval } from './approval-step.js';
import { type CompiledFail, type CompiledReport, compileFail, compileReport } from './reports.js';
import { isTemplatedContent } from './inline-content.js';
import { edgesOf, reachFrom, StepSet } from './graph.js';
import { joinsOf, type StepJoins } from './joins.js';
import { compensationName } from './compensation-name.js';
import {
  type Action,
  type AssertSpec,
  type Compensate,
  type EdgeTarget,
  type NextEntry,
  type Playbook,
  type Retry,
  type Save,
  type Step,
} from './playbook.js';

/** A playbook ready to run: templates parsed, tasks resolved, the graph known. Made once per catalog entry, shared by all runs. */
export interface CompiledPlaybook {
  readonly playbook: Playbook;
  /** In document order, then those that undo others (`undoes`); a step's `index` is its place here. */
  readonly steps: readonly CompiledStep[];
  /** Also those that undo others, whose names no document can have. */
  readonly byName: ReadonlyMap<string, CompiledStep>;
  readonly entry: CompiledStep;
  readonly terminal: CompiledStep | null;
  /** What its parameters have to fit; null: anything. */
  readonly inputSchema: JsonSchema | null;
  /** What its result has to fit; null: anything. */
  readonly outputSchema: JsonSchema | null;
  /** Schemas that the payload of a signal has to fit, by the name that some step waits for; empty where it may be anything. */
  readonly signals: ReadonlyMap<string, readonly JsonSchema[]>;
  /** True where it has `approval` steps, which have rows of their own. */
  readonly hasApprovals: boolean;
  /** Names of the steps that ask for input, or whose actions may; each is answered by a signal of its name. */
  readonly inputs: ReadonlySet<string>;
  /** What progress counts: steps reachable from the entry, bare start and end excluded unless there is nothing else. */
  readonly progressUnits: readonly CompiledStep[];
  /** True where the workload has no templates: a run's workload is then the plain merge with its parameters. */
  readonly plainWorkload: boolean;
  /** The workload's texts that hold templates. */
  readonly workloadTemplates: ReadonlyMap<string, Template>;
  /** Credentials that the document itself names (`credentials`, `keychain`); null where it names none. */
  readonly handles: CompiledAuth | null;
  /** True where it has `secrets` steps, whose values are references to secrets. */
  readonly fetchesSecrets: boolean;
  /** Constructs that are registered but cannot run here, with pointers into the canonical form. */
  readonly warnings: readonly Issue[];
}

export interface CompiledStep extends StepJoins {
  readonly index: number;
  readonly name: string;
  /** The word events show: router, start, end, or the action's type. */
  readonly type: string;
  readonly definition: Step;
  /** Inputs of the step itself (for a workbook step: its `data`, laid over the task's). */
  readonly data: ValueTemplate;
  readonly action: CompiledAction | null;
  /** Saves of a router or bare end; an action has its own. */
  readonly saves: readonly CompiledSave[];
  readonly next: readonly CompiledNext[];
  readonly onError: { readonly kind: 'fail' | 'continue' } | { readonly kind: 'goto'; readonly target: CompiledEdge };
  /** Where a wait for a signal goes when its time is over. */
  readonly onTimeout: CompiledEdge | null;
  readonly pass: Condition | null;
  readonly when: Condition | null;
  readonly vars: ValueTemplate | null;
  readonly result: ValueTemplate | null;
  /** Names besides its own under which the value is published: `as`, the workbook task. */
  readonly aliases: readonly string[];
  /** Steps that can be reached from here over one edge or more. */
  readonly reach: StepSet;
  /** What undoes its firings, as a step without edges of its own; null where nothing does. */
  readonly undoneBy: { readonly index: number; readonly covers: 'completed' | 'started' } | null;
  /** Index of the step that this one undoes; null for steps of the document. */
  readonly undoes: number | null;
}

export interface CompiledAction {
  readonly definition: Action;
  /** Inputs of a nested task; a step renders its own. */
  readonly data: ValueTemplate;
  /** What performs it; null where nothing here can, then `refusal` says why. */
  readonly performer:
    | { readonly does: 'step'; readonly kind: StepKind; readonly config: unknown }
    | { readonly does: 'save' }
    | { readonly does: 'report'; readonly report: CompiledReport }
    | { readonly does: 'fail'; readonly fail: CompiledFail }
    | { readonly does: 'wait'; readonly wait: CompiledWait }
    | { readonly does: 'iterator'; readonly iterator: CompiledIterator }
    | { readonly does: 'playbook'; readonly call: CompiledCall }
    | null;
  readonly refusal: { readonly code: ErrorCode; readonly message: string } | null;
  /** A workbook task's own `data`, rendered where the step's inputs are visible. */
  readonly taskData: ValueTemplate | null;
  /** The credentials it is performed with: the step's, else the task's. */
  readonly auth: CompiledAuth | null;
  readonly saves: readonly CompiledSave[];
  readonly assert: AssertSpec | null;
  readonly retry: CompiledRetry | null;
  readonly pages: CompiledPages | null;
  readonly timeout: ValueTemplate | null;
}

export const iterates = ({ action }: CompiledStep): boolean => action?.performer?.does === 'iterator';

/** The list in the value of a `loop:` step. */
const LOOP_ALIASES = { data: 'results', result: 'results' };

/** Other names for parts of the action's value, as its kind defines them. */
export function valueAliasesOf(step: CompiledStep): ValueAliases | undefined {
  const performer = step.action?.performer;
  if (performer?.does === 'iterator') return performer.iterator.spelling === 'loop' ? LOOP_ALIASES : undefined;
  return performer?.does === 'step' ? performer.kind.valueAliases : undefined;
}

/** Another playbook, or all below a prefix (playbook language §6.7). One of `path`, `prefix` and `content` is set. */
export interface CompiledCall {
  readonly path: ValueTemplate | null;
  readonly prefix: ValueTemplate | null;
  readonly version: ValueTemplate | null;
  readonly returnStep: ValueTemplate | null;
  readonly parallel: ValueTemplate | null;
  /** What may be called. */
  readonly callable: Callable;
  /** A playbook's text, or the template that gives it; null where a path says which is meant. */
  readonly content: Pick<ValueTemplate, 'render'> | null;
}

/** Whether what an action does is, somewhere in it, to call others. */
export function callsOthers(action: CompiledAction | null): boolean {
  const performer = action?.performer;
  return performer?.does === 'playbook' || (performer?.does === 'iterator' && performer.iterator.tasks.some(callsOthers));
}

/** A task, or several in order, over the items of a collection (playbook language §6.6). */
export interface CompiledIterator {
  readonly collection: ValueTemplate;
  readonly element: string;
  readonly mode: ValueTemplate;
  readonly concurrency: ValueTemplate | null;
  readonly where: Condition | null;
  readonly orderBy: { readonly key: ValueTemplate; readonly descending: boolean } | null;
  readonly limit: ValueTemplate | null;
  readonly chunk: ValueTemplate | null;
  readonly enumerate: ValueTemplate | null;
  /** continue: a failed item leaves null in the result. */
  readonly onError: 'fail' | 'continue';
  readonly tasks: readonly CompiledAction[];
  /** Of the `loop:` spelling the value is {results, stats} instead of the list. */
  readonly spelling: 'iterator' | 'loop';
}

/** Whether a step waits for the decisions of people. */
export const isApproval = ({ action }: CompiledStep): boolean =>
  action?.performer?.does === 'wait' && action.performer.wait.kind === 'approval';

/** What a step waits for: a time, given as one of the two, a signal, answers to what it asks, or decisions. */
export type CompiledWait =
  | { readonly kind: 'timer'; readonly duration: ValueTemplate | null; readonly until: ValueTemplate | null }
  | { readonly kind: 'signal'; readonly name: string; readonly schema: JsonSchema | null }
  | { readonly kind: 'input'; readonly requests: ValueTemplate }
  | CompiledApproval;

/** Paging (playbook language §7.3). */
export interface CompiledPages {
  readonly while: Condition;
  /** Pages in all, at most. */
  readonly maxPages: number;
  readonly nextCall: ValueTemplate;
  readonly strategy: 'append' | 'replace' | 'merge';
  /** What is collected of each body; null: all of it. */
  readonly path: readonly string[] | null;
  /** Name under which what was collected so far is seen. */
  readonly into: string | null;
}

export interface CompiledRetry {
  readonly policy: Retry;
  readonly retryWhen: Condition | null;
  readonly stopWhen: Condition | null;
}

export interface CompiledSave {
  readonly definition: Save;
  readonly when: Condition | null;
  /** null where the save names no data: then the value itself. */
  readonly data: ValueTemplate | null;
  /** The binds of its statement, where they have names. */
  readonly params: ValueTemplate | null;
  readonly supported: boolean;
  /** What stores it in the world; null for the storages of the execution itself, and where nothing can. */
  readonly external: { readonly kind: StepKind; readonly storage: SaveStorage; readonly config: unknown } | null;
  /** Its own, else its action's. */
  readonly auth: CompiledAuth | null;
}

export interface CompiledEdge {
  readonly to: CompiledTarget;
  readonly data: ValueTemplate;
}
export interface CompiledTarget {
  readonly name: string;
  readonly index: number;
}
export type CompiledNext =
  | { readonly kind: 'when'; readonly when: Condition; readonly then: readonly CompiledEdge[]; readonly else: readonly CompiledEdge[] }
  | { readonly kind: 'else' | 'plain'; readonly then: readonly CompiledEdge[] };

/** Pages of one action, at most. */
const MOST_PAGES = 1_000;

const NOT_PARSED = Symbol('not parsed');

/** Storages that need nothing but the execution itself. */
const INTERNAL_STORAGES = new Set(['event_log', 'variables']);

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
    const joinOf = joinsOf(this.playbook.workflow, edges, this.indexOf);
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
    else if (CALLING_TYPES.has(action.type)) performer = { does: 'playbook', call: callOf(action) };
    else if (action.type === 'iterator') performer = { does: 'iterator', iterator: this.iterator(action, pointer) };
    else if (kind) {
      const config = this.parsed(() => kind.parse(action), pointer);
      if (config !== NOT_PARSED) performer = { does: 'step', kind, config };
    } else refusal = { code: 'unsupported_type', message: `Steps of type ${action.type} cannot run here.` };
    const pages = action.retry?.onSuccess ? this.pages(action.retry.onSuccess, pointer) : null;
    if (!refusal && pages && !(performer?.does === 'step' && performer.kind.pages))
      refusal = { code: 'unsupported_pagination', message: `Steps of type ${action.type} have no pages (retry.on_success).` };
    if (refusal) this.warnings.push({ ...refusal, pointer });
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

  private pages(onSuccess: Json, pointer: string): CompiledPages {
    const fields = isObject(onSuccess) ? onSuccess : {};
    const collect = isObject(fields['collect']) ? fields['collect'] : {};
    const wrong = (place: string, message: string): void => {
      this.errors.push({
        code: 'invalid_retry',
        message: `retry.on_success.${place} ${message}`,
        pointer: `${pointer}/retry/on_success/${place.replaceAll('.', '/')}`,
      });
    };
    const most = fields['max_attempts'] ?? MOST_PAGES;
    if (typeof most !== 'number' || !Number.isInteger(most) || most < 1 || most > MOST_PAGES)
      wrong('max_attempts', `must be a whole number from 1 to ${MOST_PAGES}.`);
    const strategy = collect['strategy'] ?? 'append';
    if (strategy !== 'append' && strategy !== 'replace' && strategy !== 'merge')
      wrong('collect.strategy', 'must be append, replace or merge.');
    const path = collect['path'] ?? null;
    if (path !== null && typeof path !== 'string') wrong('collect.path', 'must be a text.');
    const into = collect['into'] ?? null;
    if (into !== null && typeof into !== 'string') wrong('collect.into', 'must be a text.');
    return {
      while: compileCondition(fields['while'] ?? false),
      maxPages: Number(most),
      nextCall: compileValue(fields['next_call'] ?? {}),
      strategy: strategy === 'replace' || strategy === 'merge' ? strategy : 'append',
      path: typeof path === 'string' && path !== '' ? path.split('.') : null,
      into: typeof into === 'string' ? into : null,
    };
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
    const supported = INTERNAL_STORAGES.has(save.storage) || storage !== undefined;
    if (!supported) {
      this.warnings.push({ code: 'unsupported_storage', message: `Saves to ${save.storage} cannot run here.`, pointer });
    }
    return {
      definition: save,
      when: save.when === null ? null : compileCondition(save.when),
      data: save.data === null ? null : compileSaveData(save.data),
      params: isObject(save.fields['params']) ? compileValue(save.fields['params']) : null,
      supported,
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

function callOf({ type, fields }: Action): CompiledCall {
  const template = (name: string): ValueTemplate | null => (fields[name] === undefined ? null : compileValue(fields[name]));
  const isPrefix = type === 'playbooks';
  return {
    path: isPrefix ? null : template('path'),
    prefix: isPrefix ? template('catalog_path') : null,
    version: template('version'),
    returnStep: template('return_step'),
    parallel: template('parallel'),
    callable: type === 'tool' || type === 'model' || type === 'workflow' ? type : 'playbook',
    content: isPrefix || fields['path'] !== undefined ? null : contentOf(fields['content'] ?? null),
  };
}

function contentOf(content: Json): CompiledCall['content'] {
  return isTemplatedContent(content) ? compileValue(content) : { render: () => content };
}

/** Inputs are a mapping of templates or one lone template that gives a mapping. */
function compileInputs(data: JsonObject | string): ValueTemplate {
  return compileValue(data === '' ? {} : data);
}

/** The bare words data, result and this name the value (real documents write `data: data`); other text is literal or a template. */
function compileSaveData(data: Json): ValueTemplate {
  const bare = (value: Json): Json => (value === 'data' || value === 'result' || value === 'this' ? `{{ ${value} }}` : value);
  if (typeof data === 'string') return compileValue(bare(data));
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return compileValue(data);
  return compileValue(Object.fromEntries(Object.entries(data).map(([key, value]) => [key, bare(value)])));
}

function signalsOf(steps: readonly CompiledStep[]): ReadonlyMap<string, readonly JsonSchema[]> {
  const signals = new Map<string, JsonSchema[]>();
  for (const { action } of steps) {
    if (action?.performer?.does !== 'wait' || action.performer.wait.kind !== 'signal') continue;
    const { name, schema } = action.performer.wait;
    signals.set(name, [...(signals.get(name) ?? []), ...(schema ? [schema] : [])]);
  }
  return signals;
}

function inputsOf(steps: readonly CompiledStep[]): ReadonlySet<string> {
  return new Set(
    steps.flatMap(({ name, action }) => (action?.performer?.does === 'wait' && action.performer.wait.kind === 'input' ? [name] : [])),
  );
}

/** Steps whose actions may ask on their way; not those whose name is that of a signal, which would be taken for an answer. */
function askingActionsOf(steps: readonly CompiledStep[]): readonly string[] {
  const signals = new Set(
    steps.flatMap(({ action }) =>
      action?.performer?.does === 'wait' && action.performer.wait.kind === 'signal' ? [action.performer.wait.name] : [],
    ),
  );
  return steps.flatMap(({ name, action, undoes }) => {
    const mayAsk = undoes === null && action?.performer?.does === 'step' && action.performer.kind.mayAsk === true;
    return mayAsk && !signals.has(name) ? [name] : [];
  });
}

function progressUnits(steps: readonly CompiledStep[], entry: CompiledStep): CompiledStep[] {
  const reached = steps.filter((step) => step === entry || entry.reach.has(step.index) || step.definition.role === 'terminal');
  const counted = reached.filter((step) => step.action !== null || step.definition.role === 'inner');
  return counted.length > 0 ? counted : reached;
}

function* collectTemplates(value: Json, found: Map<string, Template>): Generator<void, void, void> {
  if (typeof value === 'string') {
    if (found.has(value)) return;
    const template = compileTemplate(value);
    if (!template.isConstant) found.set(value, template);
    yield;
  } else if (value !== null && typeof value === 'object') {
    for (const entry of Object.values(value)) yield* collectTemplates(entry, found);
  }
}
