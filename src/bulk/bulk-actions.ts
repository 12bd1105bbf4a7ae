import { type Principal } from '../common/principal.js';
import { type ErrorCode } from '../engine/error-codes.js';
import { type IdempotencyClaim } from '../engine/ports.js';
import { type ControlService } from '../execution/control.service.js';
import { AS_IT_WAS, type RestartService } from '../execution/restart.service.js';

export const BULK_ACTIONS = ['cancel', 'pause', 'resume', 'retry', 'rerun'] as const;
export type BulkAction = (typeof BULK_ACTIONS)[number];

/** One execution's part of a bulk operation. */
export interface BulkStep {
  readonly principal: Principal;
  readonly executionId: string;
  readonly reason: string | null;
  /** The same for every attempt of this step: what starts something starts it once. */
  readonly idempotency: IdempotencyClaim;
}

/** The doors that single requests go through. */
export interface BulkDoors {
  readonly control: ControlService;
  readonly restarts: RestartService;
}

/** Asks one execution through the same door as a single request. @returns false where it was so already */
type Ask = (doors: BulkDoors, step: BulkStep) => Promise<boolean>;

/** Actions that start executions; whoever asks for them must be allowed to. */
export const STARTING_ACTIONS: ReadonlySet<BulkAction> = new Set<BulkAction>(['retry', 'rerun']);

export const ASK: Readonly<Record<BulkAction, Ask>> = {
  async cancel({ control }, { principal, executionId, reason }) {
    const { alreadySo } = await control.cancel(principal, executionId, { reason, cascade: true, force: false });
    return !alreadySo;
  },

  async pause({ control }, { principal, executionId, reason }) {
    return !(await control.pause(principal, executionId, reason)).alreadySo;
  },

  async resume({ control }, { principal, executionId }) {
    return !(await control.resume(principal, executionId)).alreadySo;
  },

  async retry({ restarts }, { principal, executionId, idempotency }) {
    await restarts.retry(principal, executionId, { waitMs: null, idempotency });
    return true;
  },

  async rerun({ restarts }, { principal, executionId, idempotency }) {
    await restarts.rerun(principal, executionId, AS_IT_WAS, { waitMs: null, idempotency });
    return true;
  },
};

/** Refusals that say the execution is past the wish, or not ready for it: it ended otherwise, still goes on, or was removed since. */
export const PAST_THE_WISH: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'already_completed',
  'already_failed',
  'already_cancelled',
  'not_ended',
  'unknown_execution',
]);
