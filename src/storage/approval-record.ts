import { type ApprovalDecision, type ApprovalState, type Approvers } from '../engine/approvals.js';
import { type Json } from '../engine/values.js';

/** One row of `approval`. Times are epoch milliseconds of the database's clock. */
export interface ApprovalRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly executionId: string;
  readonly step: string;
  readonly wave: number;
  /** Catalog path and version of the execution. */
  readonly path: string;
  readonly version: string;
  readonly title: string;
  readonly message: string | null;
  readonly data: Json;
  /** JSON Schema of what approvers fill in; null: anything. */
  readonly form: Json;
  readonly approvers: Approvers;
  readonly quorum: number;
  /** Who started the execution, first; empty where nobody is authenticated. */
  readonly requestedBy: readonly string[];
  /** One whose time is over is `expired`, also before its execution has heard of it. */
  readonly state: ApprovalState;
  /** In the order in which they were taken. */
  readonly decisions: readonly ApprovalDecision[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly closedAt: number | null;
}

/** What a list of approvals is narrowed to; null: anything. */
export interface ApprovalFilter {
  readonly state: ApprovalState | null;
  readonly executionId: string | null;
  /** Exact, or everything below it with a trailing `/*`. */
  readonly path: string | null;
  /** Those that this principal can decide now. */
  readonly decidableBy: { readonly subject: string; readonly scopes: readonly string[] } | null;
}
