import { type DataSource } from 'typeorm';
import { type InboxMessage, type RunId, type RunStore, type UnitSource } from '../engine/ports.js';
import { type ApprovalState } from '../engine/approvals.js';
import { type JsonObject } from '../engine/values.js';
import { expireApproval } from './approval-decisions.js';
import { type BatchWriter } from './batch-writer.js';
import { type Prepared } from './prepared.js';

/** The engine's RunStore on PostgreSQL. */
export class PostgresRunStore implements RunStore {
  /** @param hot sends a statement that is planned once per connection; without it each is planned anew */
  constructor(
    private readonly db: DataSource,
    private readonly writer: BatchWriter,
    private readonly hot: Pick<Prepared, 'query'> = { query: (_name, text, values) => this.db.query(text, [...values]) },
  ) {}

  announce(source: UnitSource): void {
    this.writer.announce(source);
  }

  /** See BatchWriter.condition. */
  condition(): ReturnType<BatchWriter['condition']> {
    return this.writer.condition();
  }

  async readInbox(tenantId: string, runId: RunId, after: number): Promise<readonly InboxMessage[]> {
    const rows = await this.hot.query<{ inbox_seq: number; kind: InboxMessage['kind']; payload: JsonObject }>(
      'read inbox',
      `SELECT inbox_seq, kind, payload FROM execution_inbox WHERE execution_id = $1 AND tenant_id = $2 AND inbox_seq > $3 ORDER BY inbox_seq`,
      [runId, tenantId, after],
    );
    return rows.map((row) => ({ inboxSeq: row.inbox_seq, kind: row.kind, payload: row.payload }));
  }

  async expireApproval(tenantId: string, runId: RunId, step: string, wave: number): Promise<ApprovalState | null> {
    return await expireApproval(this.db, tenantId, runId, step, wave);
  }
}
