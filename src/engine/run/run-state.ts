import { type ApprovalProgress } from '../approvals.js';
import { type CompiledPlaybook } from '../playbook/compiled.js';
import { type Json, type JsonObject, isObject } from '../values.js';
import { type FailureCode } from '../error-codes.js';
import { type Cancel } from './cancel.js';
import { type RunErrorDetails, type RunStatus, type StepWait } from './events.js';
import { type AnsweredAsk } from '../step-executor.js';
import { type ActedStep, type PartRecord } from './parts.js';

/** What arrived at an armed step: from whom, with which data, and the error where a failure led here. */
export interface Arrival {
  /** Document index of the step that was left; -1 = the start of the run. */
  readonly from: number;
  readonly data: JsonObject;
  readonly error: RunErrorDetails | null;
  /** Joins that had fired before this token could reach them: it does not count there any more. Left out: none. */
  readonly lateFor?: readonly number[];
}

/** A token waiting at a step for the rest of its wave. The map that holds it keeps the order of arming. */
export interface ArmedStep {
  readonly step: number;
  arrivals: Arrival[];
  /** The run is ending, and has said that the step is skipped: what still arrives here is not told of again. */
  isSkipped: boolean;
}

/** A token inside a step: fired and not settled, performing or parked. */
export interface Firing {
  readonly step: number;
  readonly wave: number;
  attempt: number;
  readonly inputs: JsonObject;
  readonly request: Json;
  readonly timeoutMs: number | null;
  /** Epoch ms at which the attempt of a composite action is out of time, also of one that is still to begin; null where it has no such time. */
  timeoutAt: number | null;
  /** Steps whose arrivals armed it. */
  readonly arrivedFrom: readonly number[];
  /** Error that led here, visible as `error`. */
  readonly arrivedError: RunErrorDetails | null;
  /** Set where the step itself is a wait; null where it acts. */
  readonly waitsFor: StepWait | null;
  /** How far the approval is that it waits for; null where it waits for none. */
  approval: ApprovalProgress | null;
  /** Epoch ms at which the next attempt is due, or the wait is over; null while performing, and where only a signal ends the wait. */
  dueAt: number | null;
  /** Epoch ms since which it is parked. */
  parkedSince: number | null;
  /** What has become of the parts of its action; null where it has none. */
  parts: PartRecord | null;
  /** How its action ended, where saves to the world follow; null before. */
  acted: ActedStep | null;
  /** Set while its action waits for answers. */
  asked: { readonly state: Json } | null;
  /** The newest answers that its action asked for. */
  answered: AnsweredAsk | null;
  /** How much of its action is over, from 0 to 1, as the action says itself. */
  share: number;
  /** The run is to pause, and nothing of it is under way any more. */
  isHeld: boolean;
  /** As of an arrival. */
  lateFor: readonly number[];
  /** A join has fired without it and leaves it no way on: it is aborted, and skipped once it has ended. */
  isLost: boolean;
  /** Set where it undoes another firing. */
  readonly undoes: Undo | null;
}

/** A firing that is to be undone where its run fails or is cancelled, and what its undoing sees of it. */
export interface Undo {
  /** Document index of the step. */
  readonly step: number;
  readonly wave: number;
  /** Null where it did not succeed. */
  readonly value: Json;
  readonly inputs: JsonObject;
}

/** A compensation that failed for good. */
export interface FailedUndo {
  readonly step: string;
  readonly wave: number;
  readonly code: FailureCode;
  readonly message: string;
}

/** True where nothing of the firing is under way: it waits for a time, a signal or the resume. */
export const isParked = (firing: Firing): boolean => firing.waitsFor !== null || firing.dueAt !== null || firing.isHeld;

/** The newest settled run of a step, as later steps see it. */
export interface SettledStep {
  readonly wave: number;
  readonly status: 'success' | 'error' | 'skipped';
  readonly value: Json;
  readonly error: string | null;
  readonly meta: Json;
  /** True where no edge was taken: a branch that ended here. */
  readonly isLeaf: boolean;
  /** The event with which it settled: of steps that publish one name, the greatest has the say. */
  readonly seq: number;
}

/**
 * State of a run: the fold of its events. Mutated in place by `applyEvent` alone; everything else only reads it.
 */
export interface RunState {
  status: RunStatus;
  /** Events applied so far = seq of the newest. */
  seq: number;
  readonly workload: JsonObject;
  /** Who started it, first; then who started the executions it was made from. Empty where nobody is authenticated. */
  requesters: readonly string[];
  /** Step names to run in this order instead of routing (`workload.steps_override` of the document). */
  readonly override: readonly string[] | null;
  /** By document index. */
  readonly settled: (SettledStep | undefined)[];
  /** How often each step has fired. */
  readonly fired: number[];
  firedInAll: number;
  /** Events about items, which no limit of events counts. */
  itemEvents: number;
  readonly armed: Map<number, ArmedStep>;
  readonly running: Map<number, Firing>;
  readonly vars: JsonObject;
  /** Saves with a `name`, visible as {{ name }}. */
  readonly variables: JsonObject;
  /** First failure that nothing absorbed. */
  failure: RunErrorDetails | null;
  readonly otherFailures: RunErrorDetails[];
  cancel: Cancel | null;
  /** requested: what runs comes to its end, nothing starts. paused: nothing runs. */
  pause: 'none' | 'requested' | 'paused';
  /** Firings that would be undone, in the order of their ends; the one that is being undone is not among them. */
  readonly undoable: Undo[];
  readonly failedUndos: FailedUndo[];
  /** It has begun to undo: no ordinary step starts any more, and nothing holds it up. */
  isCompensating: boolean;
  /** Payloads of signals that nobody has taken yet, by name, oldest first. */
  readonly signals: Map<string, Json[]>;
  /** Requests with credentials that were recorded, each kind of them once: whose secrets have to be kept out of what comes back. */
  readonly sealed: Json[];
  /** Percent that a `progress` step named last; null where none has. */
  reportedPercent: number | null;
  /** Name of the step that moved last. */
  currentStep: string | null;
  /** Steps whose arrivals the terminal step had, in document order. */
  lastSteps: number[];
  /** It has fired: it never does again. */
  terminalRan: boolean;
  /** Result the terminal step determined; undefined: taken from the last steps. */
  terminalResult: Json | undefined;
}

/** @param workload merged and rendered, immutable for the whole run. */
export function newRunState(playbook: CompiledPlaybook, workload: JsonObject): RunState {
  return {
    status: 'pending',
    seq: 0,
    workload,
    requesters: [],
    override: overrideOf(playbook, workload),
    settled: new Array<SettledStep | undefined>(playbook.steps.length).fill(undefined),
    fired: new Array<number>(playbook.steps.length).fill(0),
    firedInAll: 0,
    itemEvents: 0,
    armed: new Map(),
    running: new Map(),
    vars: {},
    variables: {},
    failure: null,
    otherFailures: [],
    cancel: null,
    pause: 'none',
    undoable: [],
    failedUndos: [],
    isCompensating: false,
    signals: new Map(),
    sealed: [],
    reportedPercent: null,
    currentStep: null,
    lastSteps: [],
    terminalRan: false,
    terminalResult: undefined,
  };
}

/** Honoured only where the document itself declares the key: a caller alone must not reroute a run. */
function overrideOf(playbook: CompiledPlaybook, workload: JsonObject): string[] | null {
  if (!Object.hasOwn(playbook.playbook.workload, 'steps_override')) return null;
  const wanted = workload['steps_override'];
  const names = Array.isArray(wanted) ? wanted : isObject(wanted) ? Object.keys(wanted).filter((name) => wanted[name] !== false) : [];
  const known = new Set(names.filter((name): name is string => typeof name === 'string' && playbook.byName.get(name)?.undoes === null));
  return known.size > 0 ? [...known] : null;
}
