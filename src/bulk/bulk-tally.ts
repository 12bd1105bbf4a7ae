import { type BulkError, type BulkProgress } from '../storage/bulk-operation-record.js';

const KEPT_ERRORS = 100;

/** What one execution's turn came to. */
export type BulkOutcome = 'succeeded' | 'skipped' | Pick<BulkError, 'code' | 'message'>;

/** The progress after one more execution. */
export function tallied(progress: BulkProgress, executionId: string, outcome: BulkOutcome): BulkProgress {
  const next = { ...progress, done: progress.done + 1, lastId: executionId };
  switch (outcome) {
    case 'succeeded':
      return { ...next, succeeded: progress.succeeded + 1 };
    case 'skipped':
      return { ...next, skipped: progress.skipped + 1 };
    default: {
      const errors = [...progress.errors, { executionId, code: outcome.code, message: outcome.message }];
      return { ...next, failed: progress.failed + 1, errors: errors.slice(0, KEPT_ERRORS) };
    }
  }
}

/** At the end: those that matched at first and no more when their turn came are skipped; those that came to match are in `done` already. */
export function settled(progress: BulkProgress): BulkProgress {
  const left = Math.max(0, progress.total - progress.done);
  return { ...progress, total: progress.done + left, done: progress.done + left, skipped: progress.skipped + left };
}

/** An operation that cannot go on says why, first. */
export function broken(progress: BulkProgress, why: Pick<BulkError, 'code' | 'message'>): BulkProgress {
  return { ...progress, errors: [{ executionId: null, ...why }, ...progress.errors].slice(0, KEPT_ERRORS) };
}
