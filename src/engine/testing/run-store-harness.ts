import { type ApprovalDecision } from '../approvals.js';
import { type InboxMessage, type RunStore, type UnitOutcome } from '../ports.js';
import { type JsonObject } from '../values.js';
import { type StoredApproval } from './memory-approvals.js';
import { type StoredRun } from './memory-run-store.js';

/** What the tests of approvals ask of a store. */
export interface ApprovalHarness {
  readonly store: RunStore;
  /** Of one run, in the order of their ids. */
  approvals(runId: string): Promise<readonly StoredApproval[]>;
  /** What a principal decides. @returns what came of it: `taken`, `repeated`, `closed` or `expired` */
  decide(tenantId: string, runId: string, id: string, decision: ApprovalDecision): Promise<string | null>;
}

/** A store under test, and what the world does to it from outside. */
export interface RunStoreHarness extends ApprovalHarness {
  deliver(tenantId: string, runId: string, kind: InboxMessage['kind'], payload: JsonObject): Promise<unknown>;
  /** Gives the lease to another token. */
  claim(runId: string, token: string): Promise<void>;
  read(runId: string): Promise<StoredRun | null>;
  close(): Promise<void>;
}

/** Outcomes as tests expect them. */
export const COMMITTED = { kind: 'committed', at: expect.any(Number) as number } satisfies UnitOutcome;
export const CANCEL_UNREAD = { ...COMMITTED, cancelUnread: true } satisfies UnitOutcome;
