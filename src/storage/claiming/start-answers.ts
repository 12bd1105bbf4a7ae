import { EngineError } from '../../engine/engine-error.js';
import { type RunId, type UnitOutcome } from '../../engine/ports.js';
import { REQUEST_ANSWER_MS } from '../connection/connection-options.js';
import { type Timing } from '../timing.js';

/** The start's idempotency key belongs to another execution, which is the answer (D31). */
export class DuplicateStart extends Error {}

interface Waiter {
  readonly resolve: (at: number) => void;
  readonly reject: (error: Error) => void;
  readonly stopTimer: () => void;
}

/** What the door hears of the runs that it starts. */
export class StartAnswers {
  private readonly waiters = new Map<RunId, Waiter>();

  /** @param stopping aborted where the node stops */
  constructor(
    private readonly timing: Timing,
    private readonly stopping: AbortSignal,
  ) {}

  /**
   * The commit of a run's create that is announced next: epoch milliseconds of the database. Rejects with an EngineError or DuplicateStart; a
   * database that does not answer leaves its outcome unknown (D9).
   */
  durable(runId: RunId): Promise<number> {
    return new Promise((resolve, reject) => {
      const stopTimer = this.timing.after(REQUEST_ANSWER_MS, () => {
        this.waiters.delete(runId);
        reject(outcomeUnknown(runId));
      });
      this.waiters.set(runId, { resolve, reject, stopTimer });
    });
  }

  /** What became of a unit that creates a run. @param wasSent to the database */
  settled(runId: RunId, outcome: UnitOutcome, wasSent: boolean): void {
    const waiter = this.waiters.get(runId);
    if (waiter === undefined) return;
    this.waiters.delete(runId);
    waiter.stopTimer();
    switch (outcome.kind) {
      case 'committed':
        return waiter.resolve(outcome.at);
      case 'refused':
        return waiter.reject(new EngineError('invalid', 'invalid_value', `The execution cannot be stored: ${outcome.reason}.`));
      case 'duplicate':
        return waiter.reject(new DuplicateStart());
      case 'lost':
      case 'inbox_moved':
        // What was sent may be stored, whatever this process heard of it: only the database knows (D9).
        return waiter.reject(wasSent ? outcomeUnknown(runId) : this.stopping.aborted ? draining() : databaseAway());
    }
  }
}

export function overloaded(): EngineError {
  return new EngineError('unavailable', 'overloaded', 'The database takes too long to store what is under way; nothing was started.');
}

export function databaseAway(): EngineError {
  return new EngineError('unavailable', 'database_unavailable', 'The database cannot be reached; nothing was started.');
}

function draining(): EngineError {
  return new EngineError('unavailable', 'draining', 'The service is shutting down; the execution was not started.');
}

function outcomeUnknown(runId: RunId): EngineError {
  return new EngineError('unavailable', 'outcome_unknown', `The database has not answered; ask for execution ${runId}.`);
}
