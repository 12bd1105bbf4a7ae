import { type ApprovalAsked, type ApprovalDecision, type ApprovalOutcome } from '../approvals.js';
import { type LogLevel } from '../playbook/reports.js';
import { type Json, type JsonObject } from '../values.js';
import { type Cancel } from './cancel.js';
import { type ItemFailure, type RunErrorDetails } from './error-details.js';
import { type ActedStep, type ItemStop, type PartStart, type PartStop } from './parts.js';
import { type SaveOutcome } from './save-outcome.js';

export type { ItemFailure, RunErrorDetails, SaveOutcome };

/** Lower case on the wire of executions; events show the upper-case form. */
export const RUN_STATUSES = ['pending', 'running', 'paused', 'completed', 'failed', 'cancelled'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export const isTerminal = (status: RunStatus): boolean => status === 'completed' || status === 'failed' || status === 'cancelled';

/** An edge that was taken, with its rendered data. */
export interface TakenEdge {
  readonly to: string;
  readonly data: JsonObject;
}

/** Subject of the principal who asked for it. */
interface Asked {
  readonly by?: string;
}

/** What a waiting step waits for: a time, a signal of this name, answers to its requests, which come as a signal of its name, or decisions. */
export interface StepWait {
  readonly kind: 'timer' | 'signal' | 'input' | 'approval';
  readonly name: string | null;
  /** Of an input, as they were rendered: `{method, params}` by name. */
  readonly requests?: JsonObject;
  /** Of an approval. */
  readonly approval?: ApprovalAsked;
}

/** What a step says without ending by it; see the steps `progress` and `log`. */
export type Report =
  | {
      readonly type: 'step_progress';
      readonly progress: number;
      /** Where the end is, in the same measure; null where it is not known. Never below `progress`. */
      readonly total: number | null;
      readonly message: string | null;
    }
  | {
      readonly type: 'step_log';
      readonly level: LogLevel;
      readonly logger: string | null;
      readonly message: string | null;
      readonly data?: Json;
    };

interface StepEvent {
  readonly step: string;
  /** Canonical type word of the step: router, end, python, http, workbook, … */
  readonly stepType: string;
  /** 1 for the first firing of the step, counting up per arming wave. */
  readonly wave: number;
  readonly attempt: number;
}

/** How an outcome of a step goes on; recorded, never rendered again (D22). */
export interface StepOutcome {
  readonly edges: readonly TakenEdge[];
  readonly vars: JsonObject | null;
  readonly saves: readonly SaveOutcome[];
}

/**
 * The history of a run, and the only record of its steps. State is the fold of these through `applyEvent`;
 * `seq` (1..n, gapless) is the position and is kept beside the event.
 */
export type RunEvent =
  | {
      readonly type: 'execution_started';
      /** Who started it, first; then who started the executions it was made from. Left out where nobody is authenticated. */
      readonly requesters?: readonly string[];
    }
  | (StepEvent & {
      readonly type: 'step_started';
      readonly inputs: JsonObject;
      /** Rendered request of the step kind, JSON, redacted. */ readonly request: Json;
      /** Per attempt, where the playbook names one. */ readonly timeoutMs?: number;
      /** Of a composite action, which may outlive its holder: epoch ms at which its time is over. */ readonly timeoutAt?: number;
      readonly warnings?: readonly string[];
    })
  | (StepEvent &
      StepOutcome & {
        readonly type: 'step_completed';
        /** Inputs of steps that have no step_started (routers, bare start and end, skipped actions). */
        readonly inputs?: JsonObject;
        readonly value: Json;
        /** Unprojected value, where `result:` projected it. */
        readonly raw?: Json;
        /** Kept by a fork: it is the earlier execution's, and not this one's to undo. */
        readonly inherited?: boolean;
        /** On the terminal step: it determined no result of its own; the result is the value of the last steps. */
        readonly bareEnd?: boolean;
        /** Items of an iterator that failed and left null. */
        readonly itemErrors?: readonly ItemFailure[];
        /** True where `pass` or `when` skipped the action. */
        readonly passed?: boolean;
        /** Set where on_error: continue absorbed a failure. */
        readonly error?: RunErrorDetails;
        readonly durationMs: number;
        readonly warnings?: readonly string[];
        readonly logs?: string;
      })
  | (StepEvent &
      StepOutcome & {
        readonly type: 'step_failed';
        readonly error: RunErrorDetails;
        /** True where on_error leads to a handler step: the run goes on along `edges`. */
        readonly handled: boolean;
        readonly inherited?: boolean;
        readonly inputs?: JsonObject;
        readonly durationMs: number;
        readonly warnings?: readonly string[];
        readonly logs?: string;
      })
  | {
      readonly type: 'step_skipped';
      readonly step: string;
      readonly stepType: string;
      readonly wave: number;
      /** join: the step that it leads to went on without it. */
      readonly reason: 'failure' | 'cancelled' | 'join';
    }
  /** `path`: the item of an iterator that says it; none = the step. `ofAction`: an action says it of itself while it is under way. */
  | (StepEvent & Report & { readonly path?: string; readonly ofAction?: true })
  /** Parts of the action begin. */
  | (StepEvent & { readonly type: 'action_started'; readonly parts: readonly PartStart[] })
  /** Parts of the action have ended. */
  | (StepEvent & { readonly type: 'action_completed'; readonly parts: readonly PartStop[] })
  /** The action itself has ended, and its saves follow. */
  | (StepEvent & { readonly type: 'action_acted'; readonly acted: ActedStep })
  /** An iterator has its items: as they were filtered, sorted and cut (D22). */
  | (StepEvent & { readonly type: 'loop_started'; readonly path: string; readonly items: readonly Json[] })
  /** Items of the iterator have ended. */
  | (StepEvent & { readonly type: 'loop_iteration'; readonly path: string; readonly items: readonly ItemStop[] })
  /** A part calls a playbook: an execution of its own is born with the unit that holds this event (D29). */
  | (StepEvent & {
      readonly type: 'child_started';
      readonly path: string;
      readonly childId: string;
      readonly childPath: string;
      readonly childVersion: string;
    })
  | (StepEvent & {
      readonly type: 'child_completed';
      readonly path: string;
      readonly childId: string;
      readonly status: 'completed' | 'failed' | 'cancelled';
      readonly error: RunErrorDetails | null;
      /** Left out where it is too long to be told. */
      readonly value?: Json;
    })
  /** The run is to pause: what was under way in the action has ended, the rest of it begins after the resume. */
  | (StepEvent & { readonly type: 'action_held' })
  | (StepEvent & {
      readonly type: 'action_retry';
      /** The part it is about; none = the step's action. */
      readonly path?: string;
      readonly maxAttempts: number;
      readonly delayMs: number;
      /** Epoch milliseconds at which attempt + 1 is due. */
      readonly dueAt: number;
      readonly error: RunErrorDetails | null;
      readonly warnings?: readonly string[];
      readonly logs?: string;
    })
  | (StepEvent & {
      /** A wait begins: a step that is one fires, or an action that is under way asks. */
      readonly type: 'step_waiting';
      readonly inputs: JsonObject;
      readonly waitsFor: StepWait;
      /** Epoch milliseconds. */
      readonly since: number;
      /** Epoch milliseconds at which it is over by itself; null = only by what it waits for. */
      readonly dueAt: number | null;
      /** Set where an action asks: what comes back to it with the answers. */
      readonly asked?: { readonly state: Json };
      readonly warnings?: readonly string[];
    })
  /** Its time has come, or the signal, which is taken from those that were received. retry: the next attempt begins, which may act from then on. */
  | (StepEvent & {
      readonly type: 'step_woken';
      readonly reason: 'due' | 'signal' | 'retry';
      /** Of a composite action whose next attempt begins much later than it was due: epoch ms at which its time is over. */
      readonly timeoutAt?: number;
    })
  | (StepEvent &
      StepOutcome & {
        /** The signal did not come in time, and `on_timeout` says where to go. */
        readonly type: 'step_timed_out';
        readonly error: RunErrorDetails;
        readonly durationMs: number;
        readonly warnings?: readonly string[];
      })
  /** A principal has decided about what an `approval` step asks; `outcome` where that was the last decision it needs. */
  | (StepEvent &
      ApprovalDecision & {
        readonly type: 'approval_decided';
        readonly approvalId: string;
        readonly outcome: ApprovalOutcome | null;
      })
  /** The undoing of a firing begins: `step` names what undoes it (`<step>.compensate`), `wave` is that of the firing. */
  | (StepEvent & {
      readonly type: 'compensation_started';
      /** Epoch milliseconds. */
      readonly since: number;
      readonly inputs: JsonObject;
      readonly request: Json;
      readonly timeoutMs?: number;
      readonly timeoutAt?: number;
      readonly warnings?: readonly string[];
    })
  | (StepEvent & {
      readonly type: 'compensation_completed';
      readonly value: Json;
      readonly itemErrors?: readonly ItemFailure[];
      readonly durationMs: number;
      readonly warnings?: readonly string[];
      readonly logs?: string;
    })
  /** After its last attempt; without a compensation_started where it could not even be begun. */
  | (StepEvent & {
      readonly type: 'compensation_failed';
      readonly error: RunErrorDetails;
      readonly durationMs: number;
      readonly warnings?: readonly string[];
      readonly logs?: string;
    })
  /** Whoever cancelled with force wants no more of them: what has not been undone, the newest first. */
  | { readonly type: 'compensation_skipped'; readonly firings: readonly { readonly step: string; readonly wave: number }[] }
  /** `wave`: the firing of an `input` step that is answered; nobody keeps an answer to what is not asked. */
  | ({ readonly type: 'signal_received'; readonly name: string; readonly payload: Json; readonly wave?: number } & Asked)
  | ({ readonly type: 'pause_requested'; readonly reason: string | null } & Asked)
  /** Nothing runs any more; nothing starts until it is resumed. */
  | { readonly type: 'execution_paused' }
  | ({ readonly type: 'execution_resumed' } & Asked)
  /** It fails for a reason that is no step's: its own time-out, or a history that is full. */
  | { readonly type: 'execution_failing'; readonly error: RunErrorDetails }
  | ({ readonly type: 'cancel_requested' } & Cancel & Asked)
  | { readonly type: 'execution_completed' }
  | { readonly type: 'execution_failed'; readonly error: RunErrorDetails; readonly others: readonly RunErrorDetails[] }
  | {
      readonly type: 'execution_cancelled';
      readonly reason: string | null;
      /** Where something could not be undone. */
      readonly error?: RunErrorDetails;
    };

export type RunEventType = RunEvent['type'];
/** The state that a run is in for ever after its terminal event. */
export const statusOfEnd = ({ type }: TerminalEvent): Extract<RunStatus, 'completed' | 'failed' | 'cancelled'> =>
  type === 'execution_completed' ? 'completed' : type === 'execution_failed' ? 'failed' : 'cancelled';

export type TerminalEvent = Extract<RunEvent, { type: 'execution_completed' | 'execution_failed' | 'execution_cancelled' }>;
