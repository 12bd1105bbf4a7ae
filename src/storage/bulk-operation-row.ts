import { type JsonObject } from '../engine/values.js';
import { type BulkError, type BulkOperationRecord, type BulkState } from './bulk-operation-record.js';

/** A row of `bulk_operation` as BULK_COLUMNS reads it. */
export interface BulkRow {
  readonly id: string;
  readonly tenantId: string;
  readonly action: string;
  readonly filter: JsonObject;
  readonly reason: string | null;
  readonly status: BulkState;
  readonly total: string;
  readonly done: string;
  readonly succeeded: string;
  readonly skipped: string;
  readonly failed: string;
  readonly errors: BulkError[];
  readonly lastId: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly endedAt: Date | null;
  readonly createdBy: string;
  readonly scopes: string[];
  readonly fingerprint: string | null;
}

/** What every statement returns of a row that it names `b`. */
export const BULK_COLUMNS = `b.id, b.tenant_id AS "tenantId", b.action, b.filter, b.reason, b.status, b.total, b.done, b.succeeded, b.skipped,
  b.failed, b.errors, b.last_id AS "lastId", b.created_at AS "createdAt", b.updated_at AS "updatedAt", b.ended_at AS "endedAt",
  b.created_by AS "createdBy", b.scopes, b.fingerprint`;

export function bulkRecordOf(row: BulkRow): BulkOperationRecord {
  return {
    ...row,
    total: Number(row.total),
    done: Number(row.done),
    succeeded: Number(row.succeeded),
    skipped: Number(row.skipped),
    failed: Number(row.failed),
    createdAt: row.createdAt.getTime(),
    updatedAt: row.updatedAt.getTime(),
    endedAt: row.endedAt?.getTime() ?? null,
  };
}
