import { setTimeout as delay } from 'node:timers/promises';
import { fingerprintOf } from '../common/idempotency.js';
import { type Principal } from '../common/principal.js';
import { problemOf } from '../common/problem.js';
import { type BulkHold, type BulkLeases } from '../storage/bulk-leases.js';
import { type BulkProgress, type HeldBulkOperation } from '../storage/bulk-operation-record.js';
import { type LeaseTerm } from '../storage/lease-term.js';
import { type Log } from '../storage/log.js';
import { type ExecutionFilter, type ExecutionRepository } from '../storage/repositories/execution.repository.js';
import { ASK, type BulkAction, type BulkDoors, type BulkStep, PAST_THE_WISH } from './bulk-actions.js';
import { bulkFilterOf } from './bulk-filter.js';
import { broken, type BulkOutcome, settled, tallied } from './bulk-tally.js';
import { type BulkFilter } from './dto/bulk-filter.js';

/** Ids read at once. */
const PAGE = 200;
/** Executions asked at the same time: requests must keep most of the pool. */
const WIDTH = 4;
/** Progress is recorded, the lease renewed and an abort noticed this often, also where one execution cannot be asked for long. */
const RECORD_EVERY_MS = 500;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;
/** An operation that brought down so many holders in a row is given up. */
const MOST_ATTEMPTS = 5;

export interface BulkWorkServices {
  readonly doors: BulkDoors;
  readonly executions: ExecutionRepository;
  readonly leases: BulkLeases;
  readonly lease: LeaseTerm;
  readonly log: Log;
}

/**
 * Works on one operation while this node holds its lease: executions in the order of their ids, each through the same door as a single
 * request, progress in committed pieces. Whoever takes it over begins after the last recorded execution; asking one twice does nothing twice.
 */
export class BulkWork {
  private readonly halted = new AbortController();
  private readonly principal: Principal;
  private progress: BulkProgress;
  private hold: BulkHold = 'held';
  private recorded: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly operation: HeldBulkOperation,
    private readonly services: BulkWorkServices,
  ) {
    this.progress = operation;
    this.principal = {
      tenant: operation.tenantId,
      subject: operation.createdBy,
      scopes: new Set(operation.scopes),
    };
  }

  /** Gives the operation back at the next chance, so that another node goes on. */
  stop(): void {
    this.halted.abort();
  }

  /** Records how far it is, and hears whether somebody ended it. */
  async beat(): Promise<void> {
    try {
      await this.record('held', () => this.progress);
    } catch (error) {
      this.services.log.warn({ err: error, operationId: this.operation.id }, 'the progress of a bulk operation could not be recorded');
    }
  }

  /** Resolves when this node has no more to do with it. Never rejects: a lease that cannot be given back expires. */
  async run(): Promise<void> {
    const { id } = this.operation;
    const beating = setInterval(() => void this.beat(), Math.min(RECORD_EVERY_MS, this.services.lease.renewEveryMs));
    try {
      if (this.operation.attempts >= MOST_ATTEMPTS) {
        const message = `The operation was lost ${this.operation.attempts} times by the nodes that worked on it.`;
        await this.record('failed', () => broken(this.progress, { code: 'poison', message }));
      } else {
        await this.walk(bulkFilterOf(this.operation.filter as BulkFilter));
      }
    } catch (error) {
      const { status, code, detail } = problemOf(error);
      this.services.log.warn({ err: error, operationId: id }, 'a bulk operation was interrupted');
      // The database is away: the lease expires, and whoever finds the operation then goes on.
      if (status < 500) await this.record('failed', () => broken(this.progress, { code, message: detail })).catch(() => undefined);
    } finally {
      clearInterval(beating);
    }
  }

  private async walk(filter: ExecutionFilter): Promise<void> {
    const { tenantId, upToId, createdAt } = this.operation;
    for (;;) {
      const range = { after: this.progress.lastId, upTo: upToId, createdUntil: createdAt, limit: PAGE };
      const ids = await this.services.executions.idsOf(tenantId, filter, range);
      if (ids.length === 0) return this.record('completed', () => settled(this.progress));
      for (let at = 0; at < ids.length; at += WIDTH) {
        await this.treat(ids.slice(at, at + WIDTH));
        // Where it was aborted, what was treated since the last record still counts; where the lease was lost, nothing is written.
        if (this.halted.signal.aborted || this.hold !== 'held') return this.record('released', () => this.progress);
      }
    }
  }

  /** Counts up to the first that was not treated: whoever goes on begins there. */
  private async treat(ids: readonly string[]): Promise<void> {
    const outcomes = await Promise.all(ids.map((id) => this.ask(id)));
    for (const [index, id] of ids.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined || outcome === null) return;
      this.progress = tallied(this.progress, id, outcome);
    }
  }

  /** Asks one execution, again while the service or the database is not up to it; null where this node is to stop. */
  private async ask(executionId: string): Promise<BulkOutcome | null> {
    const { id, action, reason } = this.operation;
    const step: BulkStep = { principal: this.principal, executionId, reason, idempotency: claimOf(id, executionId) };
    for (let pauseMs = FIRST_RETRY_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_RETRY_MS)) {
      if (this.halted.signal.aborted || this.hold !== 'held') return null;
      try {
        // Written by this service, from a request that was checked.
        return (await ASK[action as BulkAction](this.services.doors, step)) ? 'succeeded' : 'skipped';
      } catch (error) {
        const { status, code, detail, unexpected } = problemOf(error);
        if (PAST_THE_WISH.has(code)) return 'skipped';
        // It was started by this very operation before, and is gone already.
        if (code === 'execution_removed') return 'succeeded';
        if (unexpected)
          this.services.log.error({ err: error, operationId: id, executionId }, 'a bulk operation met a fault of the service');
        if (status !== 429 && status !== 503) return { code, message: detail };
      }
      await delay(pauseMs, undefined, { signal: this.halted.signal }).catch(() => undefined);
    }
  }

  /** One after the other, so that no older progress is written over a newer one. Nothing follows the end. */
  private record(next: 'held' | 'released' | 'completed' | 'failed', progress: () => BulkProgress): Promise<void> {
    const { id, token } = this.operation;
    const written = this.recorded.then(async () => {
      this.hold = await this.services.leases.record(id, token, progress(), next);
    });
    this.recorded = written.catch(() => undefined);
    return written;
  }
}

/** A key that no client can send, for the blank in it; equal over all attempts of one execution's turn. */
function claimOf(operationId: string, executionId: string): BulkStep['idempotency'] {
  const key = `bulk ${operationId} ${executionId}`;
  return { key, fingerprint: fingerprintOf(key, undefined) };
}
