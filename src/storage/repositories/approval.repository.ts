import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type ApprovalDecision, type ApprovalState } from '../../engine/approvals.js';
import { type Json } from '../../engine/values.js';
import { type ApprovalFilter, type ApprovalRecord } from '../approval-record.js';
import { type CutRow, cutToBytes, type Page, pageOf } from '../page-budget.js';

interface ApprovalRow {
  readonly id: string;
  readonly tenantId: string;
  readonly executionId: string;
  readonly step: string;
  readonly wave: number;
  readonly path: string;
  readonly version: string;
  readonly title: string;
  readonly message: string | null;
  readonly data: Json;
  readonly form: Json;
  readonly scopes: string[];
  readonly subjects: string[];
  readonly quorum: number;
  readonly requestedBy: string[];
  readonly state: ApprovalState;
  readonly decisions: ApprovalDecision[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly closedAt: Date | null;
}

const OVERDUE = `a.state = 'open' AND a.expires_at <= clock_timestamp()`;
const OPEN = `a.state = 'open' AND (a.expires_at IS NULL OR a.expires_at > clock_timestamp())`;
const COLUMNS = `a.id, a.tenant_id AS "tenantId", a.execution_id AS "executionId", a.step, a.wave, a.path, a.version, a.title, a.message, a.data, a.form,
  a.scopes, a.subjects, a.quorum, a.requested_by AS "requestedBy", CASE WHEN ${OVERDUE} THEN 'expired' ELSE a.state END AS state,
  array_to_json(a.decisions) AS decisions, a.created_at AS "createdAt", a.expires_at AS "expiresAt", a.closed_at AS "closedAt"`;

/** Approvals as requests see them. The tenant is part of every statement; who changes them is ApprovalDecisions, and the units of their executions. */
@Injectable()
export class ApprovalRepository {
  constructor(private readonly db: DataSource) {}

  /** One approval of the tenant; null where there is none. */
  async byId(tenantId: string, id: string): Promise<ApprovalRecord | null> {
    const [row] = await this.db.query<ApprovalRow[]>(`SELECT ${COLUMNS} FROM approval a WHERE a.id = $1 AND a.tenant_id = $2`, [
      id,
      tenantId,
    ]);
    return row ? recordOf(row) : null;
  }

  /** A page, newest first: approvals with an id below `before`; fewer than `limit` where they are large. */
  async list(tenantId: string, filter: ApprovalFilter, page: { before: string | null; limit: number }): Promise<Page<ApprovalRecord>> {
    const values: unknown[] = [tenantId];
    const value = (given: unknown): string => `$${values.push(given)}`;
    const conditions = ['a.tenant_id = $1'];
    const { state, executionId, path, decidableBy } = filter;
    if (state === 'open' || decidableBy) conditions.push(OPEN);
    if (state === 'expired') conditions.push(`(a.state = 'expired' OR (${OVERDUE}))`);
    else if (state !== null && state !== 'open') conditions.push(`a.state = ${value(state)}`);
    if (executionId !== null) conditions.push(`a.execution_id = ${value(executionId)}`);
    if (path?.endsWith('/*')) conditions.push(`starts_with(a.path, ${value(path.slice(0, -1))})`);
    else if (path !== null) conditions.push(`a.path = ${value(path)}`);
    if (decidableBy) {
      const subject = value(decidableBy.subject);
      conditions.push(
        `(a.scopes && ${value(decidableBy.scopes)}::text[] OR ${subject}::text = ANY(a.subjects))`,
        `${subject}::text <> ALL(a.requested_by)`,
        `NOT EXISTS (SELECT FROM unnest(a.decisions) d WHERE d ->> 'by' = ${subject})`,
      );
    }
    if (page.before !== null) conditions.push(`a.id < ${value(page.before)}`);
    const found = `SELECT a.* FROM approval a WHERE ${conditions.join(' AND ')} ORDER BY a.id DESC LIMIT ${value(page.limit + 1)}`;
    const rows = await this.db.query<(ApprovalRow & CutRow)[]>(
      `SELECT ${COLUMNS}, a.more FROM (${cutToBytes(found, 'id DESC', ['message', 'data', 'form', 'decisions'])}) a ORDER BY a.id DESC`,
      values,
    );
    return pageOf(rows, page.limit, recordOf);
  }
}

function recordOf({ scopes, subjects, createdAt, expiresAt, closedAt, ...row }: ApprovalRow): ApprovalRecord {
  return {
    ...row,
    approvers: { scopes, subjects },
    createdAt: createdAt.getTime(),
    expiresAt: expiresAt?.getTime() ?? null,
    closedAt: closedAt?.getTime() ?? null,
  };
}
