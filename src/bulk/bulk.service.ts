import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { type IdempotencyClaim } from '../engine/ports.js';
import { type BulkOperationRecord } from '../storage/bulk-operation-record.js';
import { IdMint } from '../storage/ids.js';
import { BULK_CHANNEL, Notifications } from '../storage/connection/notifications.js';
import { type Page } from '../storage/page-budget.js';
import { BulkOperationRepository } from '../storage/repositories/bulk-operation.repository.js';
import { ExecutionRepository } from '../storage/repositories/execution.repository.js';
import { type BulkAction, STARTING_ACTIONS } from './bulk-actions.js';
import { bulkFilterOf } from './bulk-filter.js';
import { type BulkFilter } from './dto/bulk-filter.js';

/** What a request for a bulk operation asks. */
export interface BulkWish {
  readonly action: BulkAction;
  readonly filter: BulkFilter;
  readonly reason: string | null;
}

export interface StartedBulkOperation {
  readonly operation: BulkOperationRecord;
  /** True where the idempotency key named an operation of before: this is that one. */
  readonly replayed: boolean;
}

/** Bulk operations as resources: stored here, worked on by whichever node takes them. */
@Injectable()
export class BulkService {
  constructor(
    private readonly operations: BulkOperationRepository,
    private readonly executions: ExecutionRepository,
    private readonly notifications: Notifications,
    private readonly ids: IdMint,
  ) {}

  /** How many executions a wish would be about now. @throws EngineError for a filter that is not valid or names nothing */
  async count(principal: Principal, { filter }: BulkWish): Promise<number> {
    return this.executions.count(principal.tenant, bulkFilterOf(filter));
  }

  /**
   * Resolves when the operation is stored; it is then worked on to its end, whatever happens to this node.
   * @throws EngineError forbidden, idempotency_key_reused, and for a filter that is not valid or names nothing
   */
  async create(principal: Principal, wish: BulkWish, idempotency: IdempotencyClaim | null): Promise<StartedBulkOperation> {
    if (STARTING_ACTIONS.has(wish.action) && !principal.scopes.has('executions:start')) {
      throw new EngineError('forbidden', 'forbidden', `The scope executions:start is needed to ${wish.action} executions.`);
    }
    const id = this.ids.next();
    const operation = await this.operations.create({
      id,
      tenantId: principal.tenant,
      action: wish.action,
      filter: { ...wish.filter },
      reason: wish.reason,
      total: await this.count(principal, wish),
      createdBy: principal.subject,
      scopes: [...principal.scopes],
      idempotency,
    });
    if (idempotency !== null && operation.fingerprint !== idempotency.fingerprint) {
      throw new EngineError('invalid', 'idempotency_key_reused', 'The Idempotency-Key was used with another body.');
    }
    this.notifications.notify(BULK_CHANNEL, operation.id);
    return { operation, replayed: operation.id !== id };
  }

  /** @throws EngineError unknown_bulk_operation */
  async get(principal: Principal, id: string): Promise<BulkOperationRecord> {
    return known(await this.operations.byId(principal.tenant, id), id);
  }

  list(principal: Principal, page: { before: string | null; limit: number }): Promise<Page<BulkOperationRecord>> {
    return this.operations.list(principal.tenant, page);
  }

  /** What was treated stays so. @throws EngineError unknown_bulk_operation, already_completed, already_failed */
  async abort(principal: Principal, id: string): Promise<BulkOperationRecord> {
    const operation = known(await this.operations.abort(principal.tenant, id), id);
    if (operation.status === 'completed') throw new EngineError('conflict', 'already_completed', `Bulk operation ${id} has completed.`);
    if (operation.status === 'failed') throw new EngineError('conflict', 'already_failed', `Bulk operation ${id} has failed.`);
    this.notifications.notify(BULK_CHANNEL, id);
    return operation;
  }
}

function known(operation: BulkOperationRecord | null, id: string): BulkOperationRecord {
  if (operation) return operation;
  throw new EngineError('not_found', 'unknown_bulk_operation', `There is no bulk operation ${id}.`);
}
