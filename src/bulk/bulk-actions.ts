import { type Principal } from '../common/principal.js';
import { type ErrorCode } from '../engine/error-codes.js';
import { type IdempotencyClaim } from '../engine/ports.js';
import { type ExecutionService } from '../execution/execution.service.js';

export const BULK_ACTIONS = ['cancel', 'rerun'] as const;
export type BulkAction = (typeof BULK_ACTIONS)[number];

/** One execution's part of a bulk operation. */
export interface BulkStep {
  readonly principal: Principal;
  readonly executionId: string;
  readonly reason: string | null;
  /** The same for every attempt of this step: what starts something starts it once. */
  readonly idempotency: IdempotencyClaim;
}

/** Asks one execution through the same door as a single request. @returns false where it was so already */
type Ask = (door: ExecutionService, step: BulkStep) => Promise<boolean>;

/** Actions that start executions; whoever asks for them must be allowed to. */
export const STARTING_ACTIONS: ReadonlySet<BulkAction> = new Set<BulkAction>(['rerun']);

export const ASK: Readonly<Record<BulkAction, Ask>> = {
  async cancel(door, { principal, executionId, reason }) {
    const { alreadySo } = await door.cancel(principal, executionId, { reason, cascade: true, force: false });
    return !alreadySo;
  },

  async rerun(door, { principal, executionId, idempotency }) {
    await door.rerun(principal, executionId, { version: null, parameters: null }, { waitMs: null, idempotency });
    return true;
  },
};

/** Refusals that say the execution is past the wish: it ended otherwise, or was removed since. */
export const PAST_THE_WISH: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'already_completed',
  'already_failed',
  'already_cancelled',
  'unknown_execution',
]);
