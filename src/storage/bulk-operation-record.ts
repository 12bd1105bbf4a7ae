import { type ErrorCode } from '../engine/error-codes.js';
import { type RunId } from '../engine/ports.js';
import { type JsonObject } from '../engine/values.js';

export const BULK_STATES = ['pending', 'running', 'completed', 'aborted', 'failed'] as const;
export type BulkState = (typeof BULK_STATES)[number];

/** Why one execution could not be treated; without an id: why the operation itself could not go on. */
export interface BulkError {
  readonly executionId: RunId | null;
  readonly code: ErrorCode;
  readonly message: string;
}

/** How far an operation has come. `done` is the sum of the three others. */
export interface BulkProgress {
  readonly total: number;
  readonly done: number;
  readonly succeeded: number;
  readonly skipped: number;
  readonly failed: number;
  /** The first ones only. */
  readonly errors: readonly BulkError[];
  /** The last execution treated; those with higher ids are to come. */
  readonly lastId: RunId;
}

/** What the request for an operation fixed. */
export interface NewBulkOperation {
  readonly id: string;
  readonly tenantId: string;
  readonly action: string;
  /** As the request had it. */
  readonly filter: JsonObject;
  readonly reason: string | null;
  /** Executions that matched when it was asked for. */
  readonly total: number;
  readonly createdBy: string;
  /** What its creator may do; it is done in their name. */
  readonly scopes: readonly string[];
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
}

/** One row of `bulk_operation` as readers need it. Times are epoch milliseconds of the database's clock. */
export interface BulkOperationRecord extends Omit<NewBulkOperation, 'idempotency'>, BulkProgress {
  readonly status: BulkState;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | null;
  readonly fingerprint: string | null;
}

/** An operation that this node holds the lease of. */
export interface HeldBulkOperation extends BulkOperationRecord {
  readonly token: string;
  /** The highest id there was when it was asked for: what starts later is not meant. */
  readonly upToId: RunId;
  /** How many holders in a row lost their lease without getting anywhere. */
  readonly attempts: number;
}
