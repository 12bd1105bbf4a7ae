import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type RunEvent } from '../../engine/run/events.js';
import { type Json } from '../../engine/values.js';
import { BLOB_PARTS, type BlobPart, decodeEvent } from '../event-codec.js';
import { type HistoryRow, ValueMissing, wholeEvents } from '../history.js';

/** What the API calls the values of an event. */
export const EVENT_PLACES = ['result', 'raw', 'inputs'] as const;
export type EventPlace = (typeof EVENT_PLACES)[number];
const PLACES: Readonly<Record<BlobPart, EventPlace>> = {
  value: 'result',
  payload: 'result',
  raw: 'raw',
  inputs: 'inputs',
  request: 'inputs',
  // Of parts, items and an action's end: what the views show of them as the result.
  items: 'result',
  parts: 'result',
  acted: 'result',
};

/** An event of a history as readers get it: a value that lies apart is only referred to. */
export interface StoredEvent {
  readonly seq: number;
  /** Database time, epoch ms. */
  readonly at: number;
  readonly event: RunEvent;
}

export interface EventPage {
  /** Only events with seq > after (ascending) or seq < before (descending). */
  readonly after?: number;
  readonly before?: number;
  readonly limit: number;
  readonly offset?: number;
  readonly order: 'ascending' | 'descending';
  /** Event types; empty = all. */
  readonly types: readonly string[];
}

/** Reads histories by position. The tenant is checked with every read. */
@Injectable()
export class ExecutionEventRepository {
  constructor(private readonly db: DataSource) {}

  async page(tenantId: string, executionId: string, page: EventPage): Promise<StoredEvent[]> {
    const rows = await this.db.query<EventRow[]>(
      `SELECT seq, event_type AS type, step, at, body FROM execution_event
       WHERE execution_id = $1 AND tenant_id = $2 AND seq > $3 AND seq < $4 AND ($5::text[] = '{}' OR event_type = ANY($5::text[]))
       ORDER BY seq ${page.order === 'ascending' ? 'ASC' : 'DESC'} LIMIT $6 OFFSET $7`,
      [executionId, tenantId, page.after ?? 0, page.before ?? 2_147_483_647, page.types, page.limit, page.offset ?? 0],
    );
    return rows.map((row) => storedEventOf(executionId, row));
  }

  /**
   * The whole history, oldest first, with the values that lie apart.
   * @param lastSeq what the row said, which another statement has read; the seqs of a history have no gaps
   * @returns null where some of it is gone: the execution was removed meanwhile
   */
  async whole(tenantId: string, executionId: string, lastSeq: number): Promise<RunEvent[] | null> {
    const rows = await this.db.query<HistoryRow[]>(
      `SELECT execution_id, seq, event_type, step, body FROM execution_event WHERE execution_id = $1 AND tenant_id = $2 ORDER BY seq`,
      [executionId, tenantId],
    );
    if (rows.length < lastSeq) return null;
    try {
      return await wholeEvents(this.db, rows);
    } catch (error) {
      if (error instanceof ValueMissing) return null;
      throw error;
    }
  }

  /** The value of a step as it completed last; null where it never did. */
  async lastValueOf(tenantId: string, executionId: string, step: string): Promise<{ readonly value: Json } | null> {
    const rows = await this.db.query<HistoryRow[]>(
      `SELECT execution_id, seq, event_type, step, body FROM execution_event
       WHERE execution_id = $1 AND tenant_id = $2 AND event_type = 'step_completed' AND step = $3 ORDER BY seq DESC LIMIT 1`,
      [executionId, tenantId, step],
    );
    const [event] = await wholeEvents(this.db, rows);
    return event?.type === 'step_completed' ? { value: event.value } : null;
  }

  /** The newest event about a step; null where there is none. */
  async newestOf(tenantId: string, executionId: string, step: string): Promise<RunEvent | null> {
    const rows = await this.db.query<HistoryRow[]>(
      `SELECT execution_id, seq, event_type, step, body FROM execution_event
       WHERE execution_id = $1 AND tenant_id = $2 AND step = $3 ORDER BY seq DESC LIMIT 1`,
      [executionId, tenantId, step],
    );
    const [event] = await wholeEvents(this.db, rows);
    return event ?? null;
  }

  /** How many events of these types there are with seq > after. */
  async count(tenantId: string, executionId: string, after: number, types: readonly string[]): Promise<number> {
    const [row] = await this.db.query<{ count: string }[]>(
      `SELECT count(*) AS count FROM execution_event
       WHERE execution_id = $1 AND tenant_id = $2 AND seq > $3 AND ($4::text[] = '{}' OR event_type = ANY($4::text[]))`,
      [executionId, tenantId, after, types],
    );
    return Number(row?.count ?? 0);
  }

  /** The firings (step and wave) of an execution in the order of their first events, from `after` on, with all events about them, also those of what undoes them. */
  async firings(
    tenantId: string,
    executionId: string,
    after: number,
    limit: number,
  ): Promise<{ firstSeqs: number[]; events: StoredEvent[] }> {
    const rows = await this.db.query<(EventRow & { first: number })[]>(FIRINGS, [executionId, tenantId, after, limit]);
    const firstSeqs = [...new Set(rows.map((row) => row.first))].sort((a, b) => a - b);
    return { firstSeqs, events: rows.map((row) => storedEventOf(executionId, row)) };
  }

  /** The JSON text of a value of an event, wherever it lies; null where there is none. */
  async valueText(tenantId: string, executionId: string, seq: number, place: EventPlace): Promise<string | null> {
    const parts = BLOB_PARTS.filter((part) => part !== 'request' && PLACES[part] === place);
    const [row] = await this.db.query<{ text: string | null }[]>(
      `SELECT coalesce(
         (SELECT b.body::text FROM execution_blob b WHERE b.execution_id = $1 AND b.tenant_id = $2 AND b.seq = $3 AND b.part = ANY($4::text[]) LIMIT 1),
         (SELECT (v.body -> part)::text FROM unnest($4::text[]) part WHERE v.body -> part IS NOT NULL LIMIT 1)) AS text
       FROM execution_event v WHERE v.execution_id = $1 AND v.tenant_id = $2 AND v.seq = $3`,
      [executionId, tenantId, seq, parts],
    );
    if (row?.text != null || place !== 'result') return row?.text ?? null;
    // A step that passes its inputs on has them as its value, which is written once.
    const events = await this.page(tenantId, executionId, {
      after: seq - 1,
      before: seq + 1,
      limit: 1,
      order: 'ascending',
      types: ['step_completed'],
    });
    return events.length === 0 ? null : await this.valueText(tenantId, executionId, seq, 'inputs');
  }

  /** Names of the steps that completed, newest last, `limit` at most. */
  async completedSteps(tenantId: string, executionId: string, limit: number): Promise<string[]> {
    const rows = await this.db.query<{ step: string }[]>(
      `SELECT step FROM execution_event WHERE execution_id = $1 AND tenant_id = $2 AND event_type = 'step_completed' ORDER BY seq DESC LIMIT $3`,
      [executionId, tenantId, limit],
    );
    return rows.map((row) => row.step).reverse();
  }
}

const FIRINGS = `
  WITH about AS (
    SELECT seq, event_type AS type, step, at, body, min(seq) OVER (PARTITION BY split_part(step, '.', 1), coalesce(body ->> 'wave', '1')) AS first
    FROM execution_event WHERE execution_id = $1 AND tenant_id = $2 AND step IS NOT NULL
  ), page AS (
    SELECT DISTINCT first FROM about WHERE first > $3 ORDER BY first LIMIT $4
  )
  SELECT about.* FROM about JOIN page USING (first) ORDER BY first, seq`;

interface EventRow {
  readonly seq: number;
  readonly type: string;
  readonly step: string | null;
  readonly at: Date;
  readonly body: object;
}

function storedEventOf(executionId: string, { seq, at, type, step, body }: EventRow): StoredEvent {
  const reference = (part: BlobPart): Json => ({ $ref: `/executions/${executionId}/events/${seq}/${PLACES[part]}` });
  return { seq, at: at.getTime(), event: decodeEvent(type, step, body, reference) };
}
