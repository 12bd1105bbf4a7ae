import { type ApprovalState, type UnitApprovals } from './approvals.js';
import { type RunErrorDetails, type RunEvent, type RunStatus } from './run/events.js';
import { type Json, type JsonObject } from './values.js';

/** 63-bit time-ordered id as decimal text (D35). */
export type RunId = string;

/** What others told a run (D5); the holder turns it into events. */
export interface InboxMessage {
  readonly inboxSeq: number;
  readonly kind: 'cancel' | 'pause' | 'resume' | 'signal' | 'approval' | 'child_ended' | 'retry_now';
  readonly payload: JsonObject;
}

/** Why and until when a run waits; null where it works. */
export interface WaitingFor {
  readonly kind: 'retry' | 'timer' | 'signal' | 'approval' | 'input' | 'child' | 'compensation';
  readonly name: string | null;
  /** Epoch milliseconds. */
  readonly since: number;
  readonly until: number | null;
  /** Of kind `input`: what is asked, `{method, params}` by name. */
  readonly requests?: JsonObject;
  /** Of kind `approval`. */
  readonly approvalId?: string;
}

/** What a start fixes for ever: the columns of `execution` that never change. */
export interface NewRun {
  readonly id: RunId;
  readonly tenantId: string;
  readonly catalogId: string;
  readonly path: string;
  readonly playbookName: string;
  /** Resolved, canonical (1.2.0). */
  readonly version: string;
  /** What answers show: as the request wrote it where it named one exact version, else `version`. */
  readonly shownVersion: string;
  /** As sent; `latest` if nothing was. */
  readonly requestedVersion: string;
  readonly executionType: 'playbook' | 'tool' | 'model' | 'workflow';
  /** sha-256 of the pinned text, hex. */
  readonly digest: string;
  readonly parameters: JsonObject;
  readonly merge: boolean;
  /** Merged and rendered workload; null where it is the plain merge of the pinned entry's workload and `parameters`. */
  readonly workload: JsonObject | null;
  readonly metadata: JsonObject;
  /** Labels the caller sent; opaque (D29). */
  readonly parentExecutionId: string | null;
  readonly parentEventId: string | null;
  readonly parentStep: string | null;
  /** The run whose engine made this one; null for whatever a caller started, also where it names a parent (D29). */
  readonly parent: EngineParent | null;
  readonly forkedFrom: RunId | null;
  /** Events of that execution which this one goes on from, as if they were its own; empty for a fresh start (D30). */
  readonly kept: readonly RunEvent[];
  /** Who starts it, first; then who started the executions it is made from. Left out where nobody is authenticated, and of what was claimed. */
  readonly requesters?: readonly string[];
  /** -100..100: one point is claimed one second earlier. */
  readonly priority: number;
  /** Epoch ms before which it must not start; null = at once. */
  readonly startAt: number | null;
  /** Epoch ms by which it must have been started; null = never too late. */
  readonly expiresAt: number | null;
  /** Epoch ms at which it ends as failed, whatever it does; null = never. */
  readonly timeoutAt: number | null;
  /** The caller's key, stored with the row or not at all (D31); null where the start carries none. */
  readonly idempotency: IdempotencyClaim | null;
}

/** The run that called this one, and from where: the end of the called one is told there. Never made of what a caller sent. */
export interface EngineParent {
  readonly runId: RunId;
  readonly step: string;
  readonly wave: number;
  /** Path of the item within the step; null where the step makes one call. */
  readonly item: string | null;
  /** How many calls deep; 1 where the parent was started by a caller. Equals `lineage.length`. */
  readonly depth: number;
  /** One digest of what was called with what for each ancestor, the outermost first, the parent last. */
  readonly lineage: readonly string[];
}

/** A run that comes into being with a unit of its parent, or not at all (D29). */
export interface BornChild {
  readonly run: NewRun;
  /** Lease token where this node takes it up right after the commit; null: the queue takes it, or it has ended. */
  readonly token: string | null;
  /** How it ended, where it only computes and so is born ended; null: it is begun after the commit. */
  readonly ended: EndedBirth | null;
  /** It undoes what the calling run did, and so is born also where a cancel of that was acknowledged. Left out: it does not. */
  readonly undoes?: boolean;
}

/** A run that ended before anything of it was stored. */
export interface EndedBirth {
  readonly status: ChildEnded['status'];
  /** All of them, the terminal one included. */
  readonly events: readonly RunEvent[];
  readonly row: RowState;
  /** Short enough to be told. */
  readonly result: Json;
  /** About how many characters of JSON the events have. */
  readonly characters: number;
}

/** Payload of a `child_ended` message. */
export interface ChildEnded {
  readonly child_id: RunId;
  readonly step: string;
  readonly wave: number;
  readonly item: string | null;
  readonly status: Extract<RunStatus, 'completed' | 'failed' | 'cancelled'>;
  readonly error: RunErrorDetails | null;
  /** Left out where it is too long for a message; `ChildRuns.outcome` has it. */
  readonly result?: Json;
}

/** What makes a repeated start the same start. */
export interface IdempotencyClaim {
  readonly key: string;
  /** sha-256 over path and canonical JSON of the body as sent, hex. */
  readonly fingerprint: string;
}

/** Columns of the row that change with the run; written with every unit, so that reads never fold events. */
export interface RowState {
  readonly status: RunStatus;
  /** 0..100, never falls; terminal = 100. */
  readonly progress: number;
  readonly currentStep: string | null;
  readonly waitingFor: WaitingFor | null;
  readonly error: RunErrorDetails | null;
}

/** What one run writes at once; commits whole or not at all. */
export interface Unit {
  readonly runId: RunId;
  readonly tenantId: string;
  /** The lease token this unit is fenced by (D1); null only with `create` of an unleased row. */
  readonly token: string | null;
  /** Set on the first unit of a run born here: the row is inserted in this unit's final state (D3). */
  readonly create: NewRun | null;
  /** last_seq before this unit; events get seq expectedSeq + 1 …. */
  readonly expectedSeq: number;
  readonly events: readonly RunEvent[];
  readonly row: RowState;
  /** The unit ends the run: lease, wake_at gone, result stored. Fenced by inbox_seq = seenInbox as well. */
  readonly end: { readonly result: Json } | null;
  /** The unit gives the lease back; wakeAt (epoch ms) null = wait for others only. Fenced by inbox_seq as well. */
  readonly release: { readonly wakeAt: number | null } | null;
  /** Highest inbox_seq the run has read. */
  readonly seenInbox: number;
  /** True where an effect or step completed or failed or a wait began: resets `attempts` (D16). */
  readonly recordsProgress: boolean;
  /** JSON text of the state after the last of `events`; stored as the run's one snapshot, in place of an older one (D25). */
  readonly snapshot: string | null;
  /**
   * Runs that are born with this unit, each as its first event `execution_started` alone, or as one that has ended; empty for nearly all units. Their
   * `run.parent` names this run, and the unit has at least one event. Where a cancel of this run was acknowledged and one of them is still to begin,
   * the whole unit is held off as `inbox_moved` (`refused` where its message was read already): hear it, and send the events again without those. Those that undo hold off nothing.
   */
  readonly children: readonly BornChild[];
  /** Left out by nearly all units. */
  readonly approvals?: UnitApprovals;
  /** `run.parent` of the run, which hears of its end in the unit that ends it. */
  readonly parent: EngineParent | null;
}

/**
 * committed: durable. lost: the row has another holder or history; drop the run.
 * inbox_moved: an end or release met unread inbox; the run is still ours, nothing was written (D6).
 * refused: PostgreSQL will never store this unit (D7); nothing was written. duplicate: its key is taken.
 */
export type UnitOutcome =
  | {
      readonly kind: 'committed';
      /** Database time of the events, epoch ms. */
      readonly at: number;
      /** A cancel of the run was acknowledged before, and the unit says that it has not read it: nothing begins before it has (D28). */
      readonly cancelUnread?: true;
    }
  | { readonly kind: 'lost' }
  | { readonly kind: 'inbox_moved' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** A create whose idempotency key belongs to another execution: nothing was written (D31). */
  | { readonly kind: 'duplicate' };

/**
 * A run with something to write. The writer pulls: `takeUnit` is called when the batch is built, so everything decided
 * until then travels in one unit, and a source is never in two batches at once (D3, D4).
 */
export interface UnitSource {
  readonly runId: RunId;
  /** About how many characters of JSON its next unit has, where it knows: large ones travel apart, so that no other run waits for them. */
  readonly characters?: number;
  /** The unit to write now, or null where there is nothing after all. */
  takeUnit(): Unit | null;
  /** Called exactly once per taken unit, after the outcome is known. */
  unitSettled(outcome: UnitOutcome): void;
}

/** A run as its holder has it: born here (no history yet) or claimed (history to fold). */
export interface HeldRun {
  readonly run: NewRun;
  readonly token: string;
  readonly claimNo: number;
  /** null for a run born here and not yet stored. */
  readonly history: RunHistory | null;
}
/** A folded state: what all events up to `seq` lead to (D25). */
export interface RunSnapshot {
  readonly seq: number;
  /** As `encodeState` wrote it, in the form of this engine. */
  readonly state: Json;
}

export interface RunHistory {
  /** null where there is none that this engine can read. */
  readonly snapshot: RunSnapshot | null;
  /** In order, those after the snapshot, or from the first on. */
  readonly events: readonly RunEvent[];
  /** seq of the newest event. */
  readonly lastSeq: number;
  readonly row: RowState;
  readonly inboxConsumed: number;
  /** Highest inbox_seq when it was claimed; above inboxConsumed where there is something to read before anything is decided. */
  readonly inboxSeq: number;
  /** Database time of creation, epoch ms. */
  readonly createdAt: number;
  /** Leases of it that expired under their holders since it last got on (D16). */
  readonly attempts: number;
}

/** Durable memory of runs. Two implementations pass one conformance suite: PostgreSQL and in memory. */
export interface RunStore {
  /** Announce that `source` has something to write. A source that is already announced and not yet taken stays announced once. */
  announce(source: UnitSource): void;
  /** Messages with inbox_seq > after, in order. */
  readInbox(tenantId: string, runId: RunId, after: number): Promise<readonly InboxMessage[]>;
  /**
   * Closes an approval as `expired` where its time is over by the store's clock and nobody has decided it. What it is then: `open` where its time is
   * not over yet; `approved` or `rejected` where a decision came in time, which is then in the inbox. Null: there is none.
   */
  expireApproval(tenantId: string, runId: RunId, step: string, wave: number): Promise<ApprovalState | null>;
}

/** Wall clock for what is shown and stored, monotonic clock for measuring. */
export interface Clock {
  /** Epoch milliseconds, following the database's clock. */
  now(): number;
  /** Monotonic milliseconds. */
  monotonic(): number;
  /** Calls `fire` once after `delayMs`; the returned function cancels. */
  after(delayMs: number, fire: () => void): () => void;
}

/** Randomness of a run: jitter, uuids of templates. In [0, 1). */
export type Random = () => number;
