import { type Callable } from './calls.js';
import { type ErrorCode } from '../error-codes.js';
import { type CompiledAuth } from '../auth/compiled-auth.js';
import { type Issue } from '../engine-error.js';
import { type SaveStorage, type StepKind, type ValueAliases } from '../step-executor.js';
import { type Condition, type Template, type ValueTemplate } from '../template/template.js';
import { isObject, type Json, own } from '../values.js';
import { type JsonSchema } from './json-schema.js';
import { type CompiledApproval } from './approval-step.js';
import { type CompiledFail, type CompiledReport } from './reports.js';
import { type StepSet } from './graph.js';
import { type StepJoins } from './joins.js';
import { type Action, type AssertSpec, type Playbook, type Retry, type RetryTemplates, type Save, type Step } from './playbook.js';

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
  /** True where some of them need what is not known at the start. */
  readonly hasLateWorkload: boolean;
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

/** The list in the value of a `loop:` step; none where `result` made another value of that. */
const listOfLoop = (value: Json): Json | undefined => (isObject(value) ? own(value, 'results') : undefined);
const LOOP_ALIASES: ValueAliases = { data: listOfLoop, result: listOfLoop };

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
  /** Gives a whole number from 1; what gives none counts as if it were not written. */
  readonly maxPages: ValueTemplate;
  readonly nextCall: ValueTemplate;
  readonly strategy: 'append' | 'replace' | 'merge';
  /** What is collected of each body; null: all of it. */
  readonly path: readonly string[] | null;
  /** Name under which what was collected so far is seen. */
  readonly into: string | null;
}

export interface CompiledRetry {
  readonly policy: Retry;
  /** Its templates by the field that each gives; empty where all of it is known. */
  readonly templates: readonly (readonly [field: keyof RetryTemplates, template: ValueTemplate])[];
  readonly retryWhen: Condition | null;
  readonly stopWhen: Condition | null;
}

/** Storages that need nothing but the execution itself. */
export const INTERNAL_STORAGES: ReadonlySet<string> = new Set(['event_log', 'variables']);

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
