import { Injectable } from '@nestjs/common';
import { DataSource, type SelectQueryBuilder } from 'typeorm';
import { type RunStatus } from '../../engine/run/events.js';
import { type Json, type JsonObject } from '../../engine/values.js';
import { ExecutionEntity } from '../entities/execution.entity.js';
import { type ExecutionRecord } from '../execution-record.js';
import { INLINE_RESULT_BYTES, resultReference } from '../inline-result.js';
import { type CutRow, cutToBytes, type Page, pageOf } from '../page-budget.js';
import { Prepared } from '../prepared.js';

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
    const [row] = await this.prepared.query<ExecutionRow>('execution_by_id', BY_ID, [id, tenantId]);
    return row ? recordOf(row) : null;
  }

  /** One execution with parameters and result, in one round trip. */
  async withPayload(tenantId: string, id: string): Promise<{ record: ExecutionRecord; payload: ExecutionPayload } | null> {
    const [row] = await this.prepared.query<ExecutionRow & PayloadRow>('execution_with_payload', WITH_PAYLOAD, [
      id,
      tenantId,
      INLINE_RESULT_BYTES,
    ]);
    if (!row) return null;
    return {
      record: recordOf(row),
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
      `SELECT result::text AS text FROM execution_payload WHERE execution_id = $1 AND tenant_id = $2 AND result IS NOT NULL ORDER BY part DESC LIMIT 1`,
      [id, tenantId],
    );
    return row?.text ?? null;
  }

  /** A page, newest first: executions with an id below `before`, or `offset` rows further on for old clients; fewer than `limit` where they are large. */
  async list(
    tenantId: string,
    filter: ExecutionFilter,
    page: { before: string | null; offset: number; limit: number },
  ): Promise<Page<ExecutionRecord>> {
    const query = this.db.createQueryBuilder(ExecutionEntity, 'e').where('e.tenant_id = :tenantId', { tenantId });
    narrow(query, filter);
    if (page.before !== null) query.andWhere('e.id < :before', { before: page.before });
    const [sql, parameters] = query
      .orderBy('e.id', 'DESC')
      .limit(page.limit + 1)
      .offset(page.offset)
      .select(COLUMNS)
      .getQueryAndParameters();
    const rows = await this.db.query<(ExecutionRow & CutRow)[]>(cutToBytes(sql, 'id DESC', ['metadata', 'error']), parameters);
    return pageOf(rows, page.limit, recordOf);
  }

  /** How many executions a list would have in all. */
  async count(tenantId: string, filter: ExecutionFilter): Promise<number> {
    const query = this.db.createQueryBuilder(ExecutionEntity, 'e').where('e.tenant_id = :tenantId', { tenantId });
    narrow(query, filter);
    const [sql, parameters] = query.select('count(*)', 'count').getQueryAndParameters();
    const [row] = await this.db.query<{ count: string }[]>(sql, parameters);
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
    const query = this.db
      .createQueryBuilder(ExecutionEntity, 'e')
      .where('e.tenant_id = :tenantId AND e.id > :after AND e.id <= :upTo', { tenantId, after: range.after, upTo: range.upTo })
      .andWhere('e.created_at <= :createdUntil', { createdUntil: new Date(range.createdUntil) });
    narrow(query, filter);
    const [sql, parameters] = query.orderBy('e.id', 'ASC').limit(range.limit).select('e.id', 'id').getQueryAndParameters();
    return (await this.db.query<{ id: string }[]>(sql, parameters)).map(({ id }) => id);
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
    const rows = await this.db.query<ExecutionRow[]>(
      `SELECT ${COLUMNS} FROM execution e WHERE e.tenant_id = $1 AND e.parent_execution_id = ANY($2::text[]) ORDER BY e.id LIMIT $3`,
      [tenantId, parentIds, limit],
    );
    return rows.map(recordOf);
  }
}

function narrow(query: SelectQueryBuilder<ExecutionEntity>, filter: ExecutionFilter): void {
  const when = (value: unknown, condition: string, parameters: Record<string, unknown>): void => {
    if (value !== null) query.andWhere(condition, parameters);
  };
  if (filter.ids.length > 0) query.andWhere('e.id = ANY(:ids::bigint[])', { ids: filter.ids });
  when(filter.path, 'e.path = :path', { path: filter.path });
  when(filter.version, '(e.version = :version OR e.shown_version = :version)', { version: filter.version });
  if (filter.statuses.length > 0) query.andWhere('e.status IN (:...statuses)', { statuses: filter.statuses });
  when(filter.executionType, 'e.execution_type = :type', { type: filter.executionType });
  when(filter.parentExecutionId, 'e.parent_execution_id = :parent', { parent: filter.parentExecutionId });
  when(filter.metadata, 'e.metadata @> :metadata::jsonb', { metadata: JSON.stringify(filter.metadata) });
  const time = (value: number | null): Date | null => (value === null ? null : new Date(value));
  when(filter.startedFrom, 'e.created_at >= :startedFrom', { startedFrom: time(filter.startedFrom) });
  when(filter.startedTo, 'e.created_at < :startedTo', { startedTo: time(filter.startedTo) });
  when(filter.endedFrom, 'e.ended_at >= :endedFrom', { endedFrom: time(filter.endedFrom) });
  when(filter.endedTo, 'e.ended_at < :endedTo', { endedTo: time(filter.endedTo) });
}

type ExecutionRow = Omit<
  ExecutionRecord,
  'startAt' | 'expiresAt' | 'timeoutAt' | 'createdAt' | 'updatedAt' | 'endedAt' | 'cancelRequestedAt' | 'pauseRequestedAt'
> & {
  readonly startAt: string | null;
  readonly expiresAt: string | null;
  readonly timeoutAt: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly endedAt: string | null;
  readonly cancelRequestedAt: string | null;
  readonly pauseRequestedAt: string | null;
};
interface PayloadRow {
  readonly parameters: JsonObject | null;
  readonly result: Json;
  readonly resultOmitted: boolean | null;
}

/** A time as the driver need not parse it: as a date it takes longer than all other columns of a row together. */
const epochMs = (column: string): string => `floor(extract(epoch FROM e.${column}) * 1000)::bigint`;

const COLUMNS = `e.id, e.tenant_id AS "tenantId", e.catalog_id AS "catalogId", e.path, e.playbook_name AS "playbookName", e.version,
  e.shown_version AS "shownVersion", e.requested_version AS "requestedVersion", e.execution_type AS "executionType", e.digest, e.merge, e.metadata,
  e.parent_execution_id AS "parentExecutionId", e.parent_event_id AS "parentEventId", e.parent_step AS "parentStep", e.forked_from AS "forkedFrom",
  e.priority, ${epochMs('start_at')} AS "startAt", ${epochMs('expires_at')} AS "expiresAt", ${epochMs('timeout_at')} AS "timeoutAt", e.status, e.progress,
  e.current_step AS "currentStep", e.waiting_for AS "waitingFor", e.error, ${epochMs('created_at')} AS "createdAt", ${epochMs('updated_at')} AS "updatedAt",
  ${epochMs('ended_at')} AS "endedAt", ${epochMs('cancel_requested_at')} AS "cancelRequestedAt", ${epochMs('pause_requested_at')} AS "pauseRequestedAt", e.last_seq AS "lastSeq"`;

const BY_ID = `SELECT ${COLUMNS} FROM execution e WHERE e.id = $1 AND e.tenant_id = $2`;

/** The payload is addressed by the parameter, not by e.id: then all partitions but one are pruned before the plan runs. */
const WITH_PAYLOAD = `
  SELECT ${COLUMNS},
    (SELECT p.parameters FROM execution_payload p WHERE p.execution_id = $1 AND p.part = 0) AS parameters,
    CASE WHEN octet_length(r.result::text) > $3 THEN NULL ELSE r.result END AS result,
    octet_length(r.result::text) > $3 AS "resultOmitted"
  FROM execution e
  LEFT JOIN LATERAL (
    SELECT p.result FROM execution_payload p WHERE p.execution_id = $1 AND p.result IS NOT NULL ORDER BY p.part DESC LIMIT 1
  ) r ON true
  WHERE e.id = $1 AND e.tenant_id = $2`;

const msOf = (epochMs: string | null): number | null => (epochMs === null ? null : Number(epochMs));

function recordOf(row: ExecutionRow): ExecutionRecord {
  return {
    ...row,
    startAt: msOf(row.startAt),
    expiresAt: msOf(row.expiresAt),
    timeoutAt: msOf(row.timeoutAt),
    createdAt: Number(row.createdAt),
    updatedAt: Number(row.updatedAt),
    endedAt: msOf(row.endedAt),
    cancelRequestedAt: msOf(row.cancelRequestedAt),
    pauseRequestedAt: msOf(row.pauseRequestedAt),
  };
}
