import { StepFailure } from './step-executor.js';
import { type Callable } from './playbook/calls.js';
import { type CompiledPlaybook } from './playbook/compiled.js';
import { type NewRun, type RunId } from './ports.js';
import { type RunErrorDetails, type RunStatus } from './run/events.js';
import { type Json, type JsonObject } from './values.js';

/** Injection token of ChildRuns. */
export const CHILD_RUNS = Symbol('CHILD_RUNS');

/** What a step wants to call. */
export interface ChildCall {
  /** Of the child; chosen by the run, so that it can be recorded. */
  readonly id: RunId;
  readonly parent: NewRun;
  readonly step: string;
  readonly wave: number;
  /** Path of the item within the step; null where the step makes one call. */
  readonly item: string | null;
  /** `<execution_id>-<seq>` of the event that began the step, where it is known. */
  readonly eventId: string | null;
  readonly callable: Callable;
  /** Empty where there is content. */
  readonly path: string;
  /** The text of the playbook itself, in place of a path and version. */
  readonly content: string | null;
  /** Exact, a range, a tag, a revision, `latest`; null or empty: latest. */
  readonly version: string | null;
  readonly parameters: JsonObject;
}

/** How a child stands. */
export interface ChildOutcome {
  readonly status: RunStatus;
  /** Of a completed one. */
  readonly result: Json;
  readonly error: RunErrorDetails | null;
  /** The value of the step asked for, as it completed last; null where it has not, or none was asked for. */
  readonly returned: { readonly value: Json } | null;
}

/** One playbook below a prefix. */
export interface ChildEntry {
  readonly path: string;
  /** What `latest` means now. */
  readonly version: string;
}

/** What a run may do about the runs it calls. Implemented beside the door, so that a called run is made as a started one is. */
export interface ChildRuns {
  /**
   * Resolves what is called, and makes the run of it; nothing is stored yet. Its `version` is the resolved one, `parentExecutionId`, `parentEventId`
   * and `parentStep` are filled, `parent` is what the end is told by.
   * @throws StepFailure `unknown_playbook`, `unknown_version`, `unknown_tag`, `invalid_path`, `invalid_version`, `execution_type_mismatch`,
   * `invalid_parameters`, `unknown_model`, `invalid_inference_config`, `invalid_tensor`, `nesting_limit`, `playbook_cycle`,
   * what reading and registering a text throws where there is content, template errors of the workload; retryable where only the database is away
   */
  prepare(call: ChildCall): Promise<NewRun>;
  /** The playbook of a run that was prepared just now; null where it is not at hand. */
  playbookOf(run: NewRun): CompiledPlaybook | null;
  /**
   * Every playbook with an active version below a prefix, in the order of paths, without the calling one's own path.
   * @throws StepFailure `invalid_path`, `too_many_playbooks`
   */
  below(parent: NewRun, prefix: string): Promise<readonly ChildEntry[]>;
  /** @param returnStep whose value is wanted besides. Null where there is no such child. Rejects where the database is away */
  outcome(tenantId: string, childId: RunId, returnStep: string | null): Promise<ChildOutcome | null>;
  /** Asks children to end as cancelled, with theirs; those that are over stay as they are. Resolves when that is durable; may be called again. */
  cancel(tenantId: string, childIds: readonly RunId[], reason: string | null): Promise<void>;
  /** The same for whatever a run has called that is not over, for who cannot read which that is. Rejects where the database is away */
  cancelAll(tenantId: string, parentId: RunId, reason: string | null): Promise<void>;
}

/** Where nothing can be called. */
export const NO_CHILD_RUNS: ChildRuns = {
  prepare: () => Promise.reject(new StepFailure('unsupported_type', 'Nothing can be called here.', { retryable: false })),
  playbookOf: () => null,
  below: () => Promise.resolve([]),
  outcome: () => Promise.resolve(null),
  cancel: () => Promise.resolve(),
  cancelAll: () => Promise.resolve(),
};
