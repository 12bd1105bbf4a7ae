import { type DataSource } from 'typeorm';
import { type ApprovalState, type ApprovalWord } from '../engine/approvals.js';
import { type RunId } from '../engine/ports.js';
import { type Json } from '../engine/values.js';
import { type Inbox } from './inbox.js';
import { checkText, storableJson } from './history/storability.js';

/** A decision as the door has checked it: that its principal may decide, and that what is filled in fits. */
export interface WantedDecision {
  readonly tenantId: string;
  readonly approvalId: string;
  readonly executionId: RunId;
  readonly by: string;
  readonly decision: ApprovalWord;
  readonly comment: string | null;
  readonly data: Json;
  /** Where nobody is authenticated, one name stands for everybody. */
  readonly mayRepeat: boolean;
}

/** taken: recorded, and the execution will hear of it. repeated: its principal has decided before. closed, expired: nobody can decide any more. */
export type DecisionVerdict = 'taken' | 'repeated' | 'closed' | 'expired';

/**
 * One statement is one transaction: the execution's row is locked first, then the approval's, and what they say under the lock decides. Of decisions that
 * come at the same time each sees those before it, so that exactly one is the last.
 */
export const DECIDE = `
WITH asked AS MATERIALIZED (
  SELECT id, inbox_seq, lease_token IS NOT NULL AS held FROM execution WHERE id = $1 AND tenant_id = $2 FOR NO KEY UPDATE),
request AS MATERIALIZED (
  SELECT id, step, wave, state, quorum, decisions, expires_at FROM approval WHERE id = $3 AND execution_id = (SELECT id FROM asked) FOR NO KEY UPDATE),
verdict AS MATERIALIZED (
  SELECT r.id, r.step, r.wave, r.decisions AS before,
    CASE WHEN r.state = 'expired' OR (r.state = 'open' AND r.expires_at <= clock_timestamp()) THEN 'expired' WHEN r.state <> 'open' THEN 'closed'
      WHEN NOT $8::boolean AND EXISTS (SELECT FROM unnest(r.decisions) d WHERE d ->> 'by' = $4) THEN 'repeated' ELSE 'taken' END AS verdict,
    CASE WHEN $5::text = 'reject' THEN 'rejected' WHEN cardinality(r.decisions) + 1 >= r.quorum THEN 'approved' END AS outcome,
    json_build_object('by', $4::text, 'decision', $5::text, 'comment', $6::text, 'data', $7::json,
      'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS decision
  FROM request r),
decided AS (
  UPDATE approval a SET decisions = array_append(v.before, v.decision), state = coalesce(v.outcome, 'open'),
    closed_at = CASE WHEN v.outcome IS NULL THEN NULL ELSE clock_timestamp() END
  FROM verdict v WHERE a.id = v.id AND v.verdict = 'taken'),
bumped AS (
  UPDATE execution e SET inbox_seq = t.inbox_seq + 1, wake_at = least(coalesce(e.wake_at, clock_timestamp()), clock_timestamp())
  FROM asked t, verdict v WHERE e.id = t.id AND v.verdict = 'taken'
  RETURNING e.id, e.tenant_id, e.inbox_seq),
message AS (
  INSERT INTO execution_inbox (execution_id, inbox_seq, tenant_id, kind, payload)
  SELECT b.id, b.inbox_seq, b.tenant_id, 'approval',
    json_build_object('approval_id', v.id::text, 'step', v.step, 'wave', v.wave, 'decision', v.decision, 'outcome', v.outcome)
  FROM bumped b, verdict v)
SELECT v.verdict, t.held FROM verdict v, asked t`;

/** Locked before it is read: a decision that is being taken just now is waited for. */
export const EXPIRE = `
WITH overdue AS MATERIALIZED (
  SELECT id, state, expires_at FROM approval WHERE execution_id = $1 AND step = $2 AND wave = $3 AND tenant_id = $4 FOR NO KEY UPDATE),
expired AS (
  UPDATE approval a SET state = 'expired', closed_at = clock_timestamp()
  FROM overdue o WHERE a.id = o.id AND o.state = 'open' AND o.expires_at <= clock_timestamp() RETURNING a.id)
SELECT CASE WHEN EXISTS (SELECT FROM expired) THEN 'expired' ELSE o.state END AS state FROM overdue o`;

/** Takes decisions: each is durable together with the message that tells its execution of it (D5). */
export class ApprovalDecisions {
  constructor(
    private readonly db: Pick<DataSource, 'query'>,
    private readonly inbox: Pick<Inbox, 'told'>,
  ) {}

  /**
   * Null where there is no such approval (any more).
   * @throws NotStorable where it can never be stored; database errors as they come
   */
  async decide({
    tenantId,
    approvalId,
    executionId,
    by,
    decision,
    comment,
    data,
    mayRepeat,
  }: WantedDecision): Promise<DecisionVerdict | null> {
    for (const text of [tenantId, by, comment ?? '']) checkText(text);
    const values = [executionId, tenantId, approvalId, by, decision, comment, storableJson(data), mayRepeat];
    const [row] = await this.db.query<{ verdict: DecisionVerdict; held: boolean }[]>(DECIDE, values);
    if (row?.verdict === 'taken') this.inbox.told(executionId, row.held);
    return row?.verdict ?? null;
  }
}

/** See RunStore.expireApproval. */
export async function expireApproval(
  db: Pick<DataSource, 'query'>,
  tenantId: string,
  runId: RunId,
  step: string,
  wave: number,
): Promise<ApprovalState | null> {
  const [row] = await db.query<{ state: ApprovalState }[]>(EXPIRE, [runId, step, wave, tenantId]);
  return row?.state ?? null;
}
