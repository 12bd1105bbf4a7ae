import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type BulkOperationRecord, type BulkState, type NewBulkOperation } from '../bulk-operation-record.js';
import { BULK_COLUMNS, type BulkRow, bulkRecordOf } from '../bulk-operation-row.js';
import { type CutRow, cutToBytes, type Page, pageOf } from '../page-budget.js';
import { storableJson } from '../history/storability.js';

/** Bulk operations as requests see them; who works on them goes through BulkLeases. */
@Injectable()
export class BulkOperationRepository {
  constructor(private readonly db: DataSource) {}

  /** Stores an operation, or finds the one that its idempotency key made before. */
  async create(operation: NewBulkOperation): Promise<BulkOperationRecord> {
    const { id, tenantId, action, filter, reason, total, createdBy, scopes, idempotency } = operation;
    const [created] = await this.db.query<BulkRow[]>(CREATE, [
      id,
      tenantId,
      action,
      storableJson(filter),
      reason,
      total,
      createdBy,
      scopes,
      idempotency?.key ?? null,
      idempotency?.fingerprint ?? null,
    ]);
    // Who lost the race for the key reads the winner in a statement of its own: only that sees it (D31).
    const found = created ?? (idempotency && (await this.byKey(tenantId, idempotency.key)));
    if (!found) throw new Error(`bulk operation ${id} was neither stored nor found`);
    return bulkRecordOf(found);
  }

  /** One operation of the tenant; null where there is none. */
  async byId(tenantId: string, id: string): Promise<BulkOperationRecord | null> {
    const [row] = await this.db.query<BulkRow[]>(`SELECT ${BULK_COLUMNS} FROM bulk_operation b WHERE b.id = $1 AND b.tenant_id = $2`, [
      id,
      tenantId,
    ]);
    return row ? bulkRecordOf(row) : null;
  }

  /** A page, newest first: operations with an id below `before`; fewer than `limit` where they are large. */
  async list(tenantId: string, page: { before: string | null; limit: number }): Promise<Page<BulkOperationRecord>> {
    const rows = await this.db.query<(BulkRow & CutRow)[]>(LIST, [tenantId, page.before, page.limit + 1]);
    return pageOf(rows, page.limit, bulkRecordOf);
  }

  /** Ends an open operation as aborted, whoever works on it. @returns what it is now; null where there is none */
  async abort(tenantId: string, id: string): Promise<BulkOperationRecord | null> {
    await this.db.query(
      `UPDATE bulk_operation SET status = 'aborted', ended_at = clock_timestamp(), updated_at = clock_timestamp()
       WHERE id = $1 AND tenant_id = $2 AND status IN (${OPEN})`,
      [id, tenantId],
    );
    return this.byId(tenantId, id);
  }

  private async byKey(tenantId: string, key: string): Promise<BulkRow | undefined> {
    const [row] = await this.db.query<BulkRow[]>(
      `SELECT ${BULK_COLUMNS} FROM bulk_operation b WHERE b.tenant_id = $1 AND b.idempotency_key = $2`,
      [tenantId, key],
    );
    return row;
  }
}

const OPEN = (['pending', 'running'] satisfies BulkState[]).map((state) => `'${state}'`).join(', ');

const LIST = cutToBytes(
  `SELECT ${BULK_COLUMNS} FROM bulk_operation b WHERE b.tenant_id = $1 AND ($2::bigint IS NULL OR b.id < $2) ORDER BY b.id DESC LIMIT $3`,
  'id DESC',
  ['filter', 'errors'],
);

/** Ids of other nodes may be ahead of this one's: the bound is the highest that is there. */
const CREATE = `
  INSERT INTO bulk_operation AS b (id, tenant_id, action, filter, reason, total, up_to_id, created_by, scopes, idempotency_key, fingerprint)
  VALUES ($1, $2, $3, $4::json, $5, $6, greatest($1::bigint, (SELECT max(e.id) FROM execution e WHERE e.tenant_id = $2)), $7, $8::text[], $9, $10)
  ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING ${BULK_COLUMNS}`;
