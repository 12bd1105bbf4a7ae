import { type DataSource } from 'typeorm';
import { type InboxMessage, type RunId, type RunStore, type UnitSource } from '../engine/ports.js';
import { type ApprovalState } from '../engine/approvals.js';
import { expireApproval } from './approval-decisions.js';
import { type BatchWriter } from './batch/batch-writer.js';
import { InboxReads } from './inbox-reads.js';
import { type Prepared } from './connection/prepared.js';

/** The engine's RunStore on PostgreSQL. */
export class PostgresRunStore implements RunStore {
  private readonly inboxes: InboxReads;

  /** @param hot sends a statement that is planned once per connection; without it each is planned anew */
  constructor(
    private readonly db: DataSource,
    private readonly writer: BatchWriter,
    hot: Pick<Prepared, 'query'> = { query: (_name, text, values) => db.query(text, [...values]) },
  ) {
    this.inboxes = new InboxReads(hot);
  }

  announce(source: UnitSource): void {
    this.writer.announce(source);
  }

  /** See BatchWriter.condition. */
  condition(): ReturnType<BatchWriter['condition']> {
    return this.writer.condition();
  }

  readInbox(tenantId: string, runId: RunId, after: number): Promise<readonly InboxMessage[]> {
    return this.inboxes.read(tenantId, runId, after);
  }

  async expireApproval(tenantId: string, runId: RunId, step: string, wave: number): Promise<ApprovalState | null> {
    return await expireApproval(this.db, tenantId, runId, step, wave);
  }
}
