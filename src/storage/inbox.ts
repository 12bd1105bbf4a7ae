import { type DataSource } from 'typeorm';
import { type InboxMessage, type RunId } from '../engine/ports.js';
import { isTerminal, type RunStatus } from '../engine/run/events.js';
import { type JsonObject } from '../engine/values.js';
import { type CommitSignals } from './commit-signals.js';
import { INBOX_CHANNEL, type Notifications } from './connection/notifications.js';
import { checkText, storableJson } from './history/storability.js';

/**
 * delivered: the message is durable; for a cancel this is its acknowledgement (D28). already_so: the execution was asked the same before (to
 * cancel, to pause), or has nothing to resume from; nothing was added. over: terminal, nothing was added. not_found: no such execution of this
 * tenant.
 */
export type Delivery =
  | { readonly kind: 'delivered'; readonly status: RunStatus; readonly inboxSeq: number }
  | { readonly kind: 'already_so'; readonly status: RunStatus }
  | { readonly kind: 'over'; readonly status: RunStatus }
  | { readonly kind: 'not_found' };

/** One statement is one transaction: the row is locked first, and what it says under the lock decides. */
const DELIVER = `
WITH target AS MATERIALIZED (
  SELECT id, status, inbox_seq, lease_token IS NOT NULL AS held,
    CASE $3::text WHEN 'cancel' THEN cancel_requested_at IS NOT NULL AND ($4::json ->> 'force') IS DISTINCT FROM 'true'
      WHEN 'pause' THEN pause_requested_at IS NOT NULL
      WHEN 'resume' THEN pause_requested_at IS NULL ELSE false END AS already
  FROM execution WHERE id = $1 AND tenant_id = $2 FOR NO KEY UPDATE),
bumped AS (
  UPDATE execution e SET inbox_seq = t.inbox_seq + 1, wake_at = least(coalesce(e.wake_at, clock_timestamp()), clock_timestamp()),
    cancel_requested_at = CASE $3::text WHEN 'cancel' THEN clock_timestamp() ELSE e.cancel_requested_at END,
    pause_requested_at = CASE $3::text WHEN 'pause' THEN clock_timestamp() WHEN 'resume' THEN NULL ELSE e.pause_requested_at END
  FROM target t WHERE e.id = t.id AND t.status NOT IN ('completed', 'failed', 'cancelled') AND NOT t.already
  RETURNING e.id, e.tenant_id, e.inbox_seq),
message AS (
  INSERT INTO execution_inbox (execution_id, inbox_seq, tenant_id, kind, payload) SELECT id, inbox_seq, tenant_id, $3::text, $4::json FROM bumped)
SELECT t.status, t.held, (SELECT inbox_seq FROM bumped) AS inbox_seq FROM target t`;

/** Brings messages to executions, whoever holds them, whatever they wait for (D5). */
export class Inbox {
  constructor(
    private readonly db: DataSource,
    private readonly signals: CommitSignals,
    private readonly notifications: Notifications,
    /** Told where a row without a holder became due. */
    private readonly wakeQueue: () => void,
  ) {}

  /**
   * @throws NotStorable where the payload can never be stored; database errors as they come (a cancel may simply be sent again)
   */
  async deliver(tenantId: string, runId: RunId, kind: InboxMessage['kind'], payload: JsonObject): Promise<Delivery> {
    checkText(tenantId);
    const rows = await this.db.query<{ status: RunStatus; held: boolean; inbox_seq: number | null }[]>(DELIVER, [
      runId,
      tenantId,
      kind,
      storableJson(payload),
    ]);
    const row = rows[0];
    if (row === undefined) return { kind: 'not_found' };
    if (isTerminal(row.status)) return { kind: 'over', status: row.status };
    if (row.inbox_seq === null) return { kind: 'already_so', status: row.status };
    this.told(runId, row.held);
    return { kind: 'delivered', status: row.status, inboxSeq: row.inbox_seq };
  }

  /** A message of this execution has been stored: whoever holds it, or may claim it, hears so. @param held whether somebody holds it */
  told(runId: RunId, held: boolean): void {
    this.signals.inboxMoved(runId);
    if (!held) this.wakeQueue();
    this.notifications.notify(INBOX_CHANNEL, runId);
  }
}
