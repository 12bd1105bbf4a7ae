import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type RunStatus } from '../../engine/run/events.js';
import { type Json, type JsonObject } from '../../engine/values.js';
import { type ExecutionRecord, type ListedExecution } from '../execution-record.js';
import { INLINE_RESULT_BYTES, resultReference } from '../inline-result.js';
import { type CutRow, cutToBytes, type Page, pageOf } from '../page-budget.js';
import { Prepared } from '../connection/prepared.js';

/** Everything null, or an empty list, means: not filtered by this. */
export interface ExecutionFilter {
  readonly ids: readonly string[];
  readonly path: string | null;
  /** Canonical or as a request wrote it. */
  readonly version: string | null;
  readonly statuses: readonly RunStatus[];
  readonly executionType: string | null;
  readonly parentExecutionId: string | null;
  /** The metadata contains this object. */
  readonly metadata: JsonObject | null;
  /** Epoch milliseconds, inclusive from, exclusive to. */
  readonly startedFrom: number | null;
  readonly startedTo: number | null;
  readonly endedFrom: number | null;
  readonly endedTo: number | null;
}

/** Filters nothing. */
export const EVERY_EXECUTION: ExecutionFilter = Object.freeze({
  ids: [],
  path: null,
  version: null,
  statuses: [],
  executionType: null,
  parentExecutionId: null,
  metadata: null,
  startedFrom: null,
  startedTo: null,
  endedFrom: null,
  endedTo: null,
});

export interface ExecutionPayload {
  readonly parameters: JsonObject;
  /** As answers show it: a reference where it was too large to come along. */
  readonly result: Json;
  readonly resultOmitted: boolean;
}

/** The read side of executions: rows and payloads, never the history. */
@Injectable()
export class ExecutionRepository {
  constructor(
    private readonly db: DataSource,
    private readonly prepared: Prepared,
  ) {}

  /** One execution of the tenant; null where there is none. */
  async byId(tenantId: string, id: string): Promise<ExecutionRecord | null> {
    const [row] = await this.prepared.query<ExecutionRecord>('execution_by_id', BY_ID, [id, tenantId]);
    return row ?? null;
  }

  /** One execution with parameters and result, in one round trip. */
  async withPayload(tenantId: string, id: string): Promise<{ record: ExecutionRecord; payload: ExecutionPayload } | null> {
    const [row] = await this.prepared.query<ExecutionRecord & PayloadRow>('execution_with_payload', WITH_PAYLOAD, [
      id,
      tenantId,
      INLINE_RESULT_BYTES,
    ]);
    if (!row) return null;
    return {
      record: row,
      payload: {
        parameters: row.parameters ?? {},
        result: row.resultOmitted ? resultReference(id) : row.result,
        resultOmitted: row.resultOmitted ?? false,
      },
    };
  }

  /** JSON text of the result, whatever its size; null where there is none (yet). */
  async resultText(tenantId: string, id: string): Promise<string | null> {
    const [row] = await this.db.query<{ text: string }[]>(
      `SELECT coalesce(p.result, b.body)::text AS text FROM execution_payload p
       LEFT JOIN execution_blob b ON b.execution_id = $1 AND b.seq = p.result_seq AND b.part = p.result_part
       WHERE p.execution_id = $1 AND p.tenant_id = $2 AND (p.result IS NOT NULL OR p.result_seq IS NOT NULL) ORDER BY p.part DESC LIMIT 1`,
      [id, tenantId],
    );
    return row?.text ?? null;
  }

  /** A page, newest first: executions with an id below `before`, or `offset` rows further on for old clients; fewer than `limit` where they are large. */
  async list(
    tenantId: string,
    filter: ExecutionFilter,
    page: { before: string | null; offset: number; limit: number },
  ): Promise<Page<ListedExecution>> {
    const { conditions, values, when } = narrowed(tenantId, filter);
    when(page.before, (before) => `e.id < ${before}`);
    const rows = `SELECT ${LISTED} FROM execution e WHERE ${conditions.join(' AND ')} ORDER BY e.id DESC LIMIT ${page.limit + 1} OFFSET ${page.offset}`;
    const found = await this.db.query<(ListedExecution & CutRow)[]>(cutToBytes(rows, 'id DESC', ['metadata', 'error']), values);
    return pageOf(found, page.limit, (row) => row);
  }

  /** How many executions a list would have in all. */
  async count(tenantId: string, filter: ExecutionFilter): Promise<number> {
    const { conditions, values } = narrowed(tenantId, filter);
    const [row] = await this.db.query<{ count: string }[]>(`SELECT count(*) FROM execution e WHERE ${conditions.join(' AND ')}`, values);
    return Number(row?.count ?? 0);
  }

  /**
   * Ids of matching executions, oldest first, for a walk in pieces.
   * @param range above `after`, up to `upTo`, and created until `createdUntil` (epoch milliseconds)
   */
  async idsOf(
    tenantId: string,
    filter: ExecutionFilter,
    range: { after: string; upTo: string; createdUntil: number; limit: number },
  ): Promise<string[]> {
    const { conditions, values, when } = narrowed(tenantId, filter);
    when(range.after, (after) => `e.id > ${after}`);
    when(range.upTo, (upTo) => `e.id <= ${upTo}`);
    when(new Date(range.createdUntil), (until) => `e.created_at <= ${until}`);
    const rows = await this.db.query<{ id: string }[]>(
      `SELECT e.id FROM execution e WHERE ${conditions.join(' AND ')} ORDER BY e.id LIMIT ${range.limit}`,
      values,
    );
    return rows.map(({ id }) => id);
  }

  /** What an execution has called that is not over. */
  async liveCalledBy(tenantId: string, parentId: string): Promise<string[]> {
    const rows = await this.db.query<{ id: string }[]>(
      `SELECT id FROM execution WHERE tenant_id = $1 AND parent_run_id = $2 AND status NOT IN ('completed', 'failed', 'cancelled')`,
      [tenantId, parentId],
    );
    return rows.map(({ id }) => id);
  }

  /** Executions that name one of these as parent, oldest first. */
  async childrenOf(tenantId: string, parentIds: readonly string[], limit: number): Promise<ExecutionRecord[]> {
    if (parentIds.length === 0) return [];
    return this.db.query<ExecutionRecord[]>(
      `SELECT ${COLUMNS} FROM execution e WHERE e.tenant_id = $1 AND e.parent_execution_id = ANY($2::text[]) ORDER BY e.id LIMIT $3`,
      [tenantId, parentIds, limit],
    );
  }
}

interface Narrowed {
  readonly conditions: string[];
  readonly values: unknown[];
  /** Adds a condition on a value, which stands in it as a parameter; null adds none. */
  when(value: unknown, condition: (parameter: string) => string): void;
}

function narrowed(tenantId: string, filter: ExecutionFilter): Narrowed {
  const conditions: string[] = [];
  const values: unknown[] = [];
  const when: Narrowed['when'] = (value, condition) => {
    if (value !== null) conditions.push(condition(`$${values.push(value)}`));
  };
  const time = (value: number | null): Date | null => (value === null ? null : new Date(value));
  when(tenantId, (tenant) => `e.tenant_id = ${tenant}`);
  when(filter.ids.length > 0 ? filter.ids : null, (ids) => `e.id = ANY(${ids}::bigint[])`);
  when(filter.path, (path) => `e.path = ${path}`);
  when(filter.version, (version) => `(e.version = ${version} OR e.shown_version = ${version})`);
  // One by one, so that a single status finds the index of those that are not completed.
  if (filter.statuses.length > 0) conditions.push(`e.status IN (${filter.statuses.map((status) => `$${values.push(status)}`).join(', ')})`);
  when(filter.executionType, (type) => `e.execution_type = ${type}`);
  when(filter.parentExecutionId, (parent) => `e.parent_execution_id = ${parent}`);
  when(filter.metadata && JSON.stringify(filter.metadata), (metadata) => `e.metadata @> ${metadata}::jsonb`);
  when(time(filter.startedFrom), (from) => `e.created_at >= ${from}`);
  when(time(filter.startedTo), (to) => `e.created_at < ${to}`);
  when(time(filter.endedFrom), (from) => `e.ended_at >= ${from}`);
  when(time(filter.endedTo), (to) => `e.ended_at < ${to}`);
  return { conditions, values, when };
}

interface PayloadRow {
  readonly parameters: JsonObject | null;
  readonly result: Json;
  readonly resultOmitted: boolean | null;
}

/**
 * A time as epoch milliseconds, a double and therefore a number for the driver: as a date it would take longer than all other columns of a row together.
 * Exact, since the columns have whole milliseconds: up to the year 9999 the seconds are off by less than a twentieth of one.
 */
const epochMs = (column: string): string => `round(date_part('epoch', e.${column}) * 1000)`;

const LISTED = `e.id, e.catalog_id AS "catalogId", e.path, e.playbook_name AS "playbookName", e.shown_version AS "shownVersion",
  e.requested_version AS "requestedVersion", e.execution_type AS "executionType", e.digest, e.metadata, e.parent_execution_id AS "parentExecutionId",
  e.parent_event_id AS "parentEventId", e.parent_step AS "parentStep", e.forked_from AS "forkedFrom", e.priority, ${epochMs('start_at')} AS "startAt",
  ${epochMs('expires_at')} AS "expiresAt", ${epochMs('timeout_at')} AS "timeoutAt", e.status, e.progress, e.current_step AS "currentStep",
  e.waiting_for AS "waitingFor", e.error, ${epochMs('created_at')} AS "createdAt", ${epochMs('updated_at')} AS "updatedAt", ${epochMs('ended_at')} AS "endedAt"`;

const COLUMNS = `${LISTED}, e.tenant_id AS "tenantId", e.version, e.merge, ${epochMs('cancel_requested_at')} AS "cancelRequestedAt",
  ${epochMs('pause_requested_at')} AS "pauseRequestedAt", e.last_seq AS "lastSeq"`;

const BY_ID = `SELECT ${COLUMNS} FROM execution e WHERE e.id = $1 AND e.tenant_id = $2`;

/**
 * The payload is addressed by the parameter, not by e.id: then all partitions but one are pruned before the plan runs. A result that lies apart is one
 * that is too large to be shown.
 */
const WITH_PAYLOAD = `
  SELECT ${COLUMNS},
    (SELECT p.parameters FROM execution_payload p WHERE p.execution_id = $1 AND p.part = 0) AS parameters,
    CASE WHEN octet_length(r.result::text) > $3 THEN NULL ELSE r.result END AS result,
    r.result_seq IS NOT NULL OR octet_length(r.result::text) > $3 AS "resultOmitted"
  FROM execution e
  LEFT JOIN LATERAL (
    SELECT p.result, p.result_seq FROM execution_payload p WHERE p.execution_id = $1 AND (p.result IS NOT NULL OR p.result_seq IS NOT NULL)
    ORDER BY p.part DESC LIMIT 1
  ) r ON true
  WHERE e.id = $1 AND e.tenant_id = $2`;
