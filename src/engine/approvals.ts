import { type Json } from './values.js';

/**
 * open: it can be decided. approved, rejected: it was. expired: nobody decided it in time. cancelled: its step ended otherwise (the execution failed, was
 * cancelled or ended).
 */
export const APPROVAL_STATES = ['open', 'approved', 'rejected', 'expired', 'cancelled'] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

export const APPROVAL_WORDS = ['approve', 'reject'] as const;
export type ApprovalWord = (typeof APPROVAL_WORDS)[number];

/** How an approval ends by a decision. */
export type ApprovalOutcome = Extract<ApprovalState, 'approved' | 'rejected'>;

/** Who may decide: whoever has one of the scopes, or is one of the subjects. */
export interface Approvers {
  readonly scopes: readonly string[];
  readonly subjects: readonly string[];
}

/** What is asked, as its step rendered it; recorded with the beginning of the wait. */
export interface ApprovalAsked {
  /** 63-bit id as text. */
  readonly id: string;
  readonly title: string;
  readonly message: string | null;
  /** What approvers are shown. */
  readonly data: Json;
  readonly approvers: Approvers;
  /** So many different principals have to approve. */
  readonly quorum: number;
}

/** What one principal decided. */
export interface ApprovalDecision {
  /** Subject of the principal. */
  readonly by: string;
  readonly decision: ApprovalWord;
  readonly comment: string | null;
  /** What was filled in; null where nothing was. */
  readonly data: Json;
  /** RFC 3339, by the database's clock. */
  readonly at: string;
}

/** How far the approval is that a step waits for. */
export interface ApprovalProgress {
  /** In the order in which they were taken. */
  readonly decisions: readonly ApprovalDecision[];
  /** Null while it is open. */
  readonly outcome: ApprovalOutcome | null;
}

/** A row that comes into being with the unit that holds the beginning of the wait. */
export interface NewApproval extends ApprovalAsked {
  readonly step: string;
  readonly wave: number;
  /** Catalog path and version of the execution. */
  readonly path: string;
  readonly version: string;
  /** JSON Schema 2020-12 of what approvers fill in; null: anything. */
  readonly form: Json;
  /** Who started the execution first, then who started those it was made from; none of them may approve. Empty where nobody is authenticated. */
  readonly requesters: readonly string[];
  /** Epoch milliseconds; null = never. */
  readonly expiresAt: number | null;
}

/** Approvals that one unit opens and closes. What a decision or its time has closed stays as it is. */
export interface UnitApprovals {
  readonly opens: readonly NewApproval[];
  /** Firings that ended without a decision: those that are still open become `cancelled`. */
  readonly closes: readonly { readonly step: string; readonly wave: number }[];
  /** The unit ends the run: whatever is still open becomes `cancelled`. */
  readonly closesAll: boolean;
}

/** Payload of an `approval` message: a decision that was taken. */
export interface ApprovalTaken {
  readonly approval_id: string;
  readonly step: string;
  readonly wave: number;
  readonly decision: ApprovalDecision;
  /** Set where this decision was the last one. */
  readonly outcome: ApprovalOutcome | null;
}
