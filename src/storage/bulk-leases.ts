import { type DataSource } from 'typeorm';
import { type BulkProgress, type BulkState, type HeldBulkOperation } from './bulk-operation-record.js';
import { BULK_COLUMNS, type BulkRow, bulkRecordOf } from './bulk-operation-row.js';
import { type LeaseTerm } from './lease-term.js';

/** held: go on. aborted: somebody ended it. lost: another node has it, nothing was written. */
export type BulkHold = 'held' | 'aborted' | 'lost';

/** The right to work on a bulk operation: one node at a time, fenced by a token, taken over where it expires. */
export class BulkLeases {
  private readonly claimStatement: string;
  private readonly recordStatement: string;

  constructor(
    private readonly db: DataSource,
    lease: LeaseTerm,
  ) {
    this.claimStatement = claimStatement(lease);
    this.recordStatement = recordStatement(lease);
  }

  /** Takes the oldest open operation that nobody holds, or whose holder let its lease expire; null where there is none. */
  async claim(): Promise<HeldBulkOperation | null> {
    const [rows] = await this.db.query<[(BulkRow & { upToId: string; token: string; attempts: number })[], number]>(this.claimStatement);
    const row = rows[0];
    return row ? { ...bulkRecordOf(row), upToId: row.upToId, token: row.token, attempts: row.attempts } : null;
  }

  /**
   * Records how far it has come, and renews the lease.
   * @param next held: go on; released: give the lease back, any node goes on from there; or how it ended
   */
  async record(id: string, token: string, progress: BulkProgress, next: 'held' | 'released' | 'completed' | 'failed'): Promise<BulkHold> {
    const { total, done, succeeded, skipped, failed, errors, lastId } = progress;
    const values = [id, token, next, total, done, succeeded, skipped, failed, JSON.stringify(errors), lastId];
    return holdOf(await this.db.query<[StatusRow[], number]>(this.recordStatement, values));
  }
}

interface StatusRow {
  readonly status: BulkState;
}

function holdOf([rows]: readonly [readonly StatusRow[], number]): BulkHold {
  const row = rows[0];
  if (!row) return 'lost';
  return row.status === 'aborted' ? 'aborted' : 'held';
}

const claimStatement = (lease: LeaseTerm): string => `
  UPDATE bulk_operation b SET status = 'running', lease_token = gen_random_uuid(), lease_until = ${lease.untilSql}, updated_at = clock_timestamp(),
    attempts = b.attempts + CASE WHEN b.lease_token IS NULL THEN 0 ELSE 1 END
  FROM (SELECT id FROM bulk_operation WHERE status IN ('pending', 'running') AND (lease_token IS NULL OR lease_until < clock_timestamp())
        ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) free
  WHERE b.id = free.id RETURNING ${BULK_COLUMNS}, b.up_to_id AS "upToId", b.lease_token AS token, b.attempts`;

/**
 * An aborted one still says what was done: the end stays, the counts become true. Its lease is kept until its holder leaves, so that what is
 * being done just now can be counted too. Getting on clears the count of lost holders; being alive does not.
 */
const recordStatement = (lease: LeaseTerm): string => `
  UPDATE bulk_operation SET total = $4, done = $5, succeeded = $6, skipped = $7, failed = $8, errors = $9::json, last_id = $10,
    updated_at = clock_timestamp(), attempts = CASE WHEN last_id = $10 THEN attempts ELSE 0 END,
    status = CASE WHEN status <> 'aborted' AND $3::text IN ('completed', 'failed') THEN $3::text ELSE status END,
    ended_at = CASE WHEN status <> 'aborted' AND $3::text IN ('completed', 'failed') THEN clock_timestamp() ELSE ended_at END,
    lease_token = CASE WHEN $3::text = 'held' THEN lease_token END,
    lease_until = CASE WHEN $3::text = 'held' THEN ${lease.untilSql} END
  WHERE id = $1 AND lease_token = $2 RETURNING status`;
