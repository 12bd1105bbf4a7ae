import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type RunEvent } from '../../engine/run/events.js';
import { type Json } from '../../engine/values.js';
import { BLOB_PARTS, type BlobPart, type BlobSizes, blobSizesOf, decodeEvent } from '../history/event-codec.js';
import { type HistoryRow, ValueMissing, wholeEvents } from '../history/history.js';
import { bytesOf, type CutRow, cutToBytes, measured, type Page, PAGE_BYTES, pageOf } from '../page-budget.js';
import { Prepared } from '../connection/prepared.js';

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
  /** How many items the event has, where they are only referred to. */
  readonly itemCount?: number;
}

export interface EventPage {
  /** Only events with seq > after. */
  readonly after: number;
  readonly limit: number;
  /** How many the events may come to; PAGE_BYTES where left out. */
  readonly bytes?: number;
  /** Event types; empty = all. */
  readonly types: readonly string[];
}

/** A first look at a long page shows how large its events are, and with that how many more fit. */
const FIRST_LOOK = 100;

/** Reads histories by position. The tenant is checked with every read. */
@Injectable()
export class ExecutionEventRepository {
  constructor(
    private readonly db: DataSource,
    private readonly prepared: Prepared,
  ) {}

  /** Events behind a position, oldest first: fewer than `limit` where they are large. */
  async page(
    tenantId: string,
    executionId: string,
    { after, limit, bytes: most = PAGE_BYTES, types }: EventPage,
  ): Promise<Page<StoredEvent>> {
    const items: StoredEvent[] = [];
    for (let [left, look] = [most, Math.min(limit, FIRST_LOOK)]; ;) {
      const values = [executionId, tenantId, items.at(-1)?.seq ?? after, types, look + 1, left];
      const rows = await this.prepared.query<EventRow & CutRow & { bytesBefore: string }>('execution_event_page', EVENT_PAGE, values);
      const found = pageOf(rows, look, (row) => storedEventOf(executionId, row));
      items.push(...found.items);
      const room = limit - items.length;
      if (!found.more || room === 0 || found.items.length < look) return { items, more: found.more };
      const bytes = Number(rows.at(-1)!.bytesBefore);
      left -= bytes;
      if (left <= 0) return { items, more: true };
      // As many as would fill the page twice: those that do not fit are read in vain.
      look = Math.min(room, Math.ceil((2 * left * look) / Math.max(bytes, 1)));
    }
  }

  /** Events behind a position, newest first. However large they are all are there: once the page is full, values of the rest are referred to. */
  async newest(
    tenantId: string,
    executionId: string,
    { after, limit, types }: Omit<EventPage, 'bytes'>,
    offset: number,
  ): Promise<StoredEvent[]> {
    const values = [executionId, tenantId, after, types, limit, offset, PAGE_BYTES, BLOB_PARTS];
    return (await this.db.query<EventRow[]>(NEWEST, values)).map((row) => storedEventOf(executionId, row));
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

  /**
   * The firings (step and wave) of an execution in the order of their first events, from `after` on, with all events about them, also those of what
   * undoes them: fewer than `limit` where they are large. Items of loops are only counted, and of a firing that is too large for a page by itself
   * values are referred to. `next` is the place to go on after, null where there are no more.
   */
  async firings(
    tenantId: string,
    executionId: string,
    after: number,
    limit: number,
  ): Promise<{ next: number | null; events: StoredEvent[] }> {
    const values = [executionId, tenantId, after, limit + 1, PAGE_BYTES, BLOB_PARTS];
    const rows = await this.db.query<(EventRow & { first: number; last: number })[]>(FIRINGS, values);
    const firsts = [...new Set(rows.map((row) => row.first))];
    const kept = firsts.slice(0, limit);
    const next = kept.at(-1) ?? null;
    return {
      next: next === null || next === rows[0]!.last ? null : next,
      events: rows.filter(({ first }) => first <= (next ?? 0)).map((row) => storedEventOf(executionId, row)),
    };
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
    const { items } = await this.page(tenantId, executionId, { after: seq - 1, limit: 1, types: [] });
    const passesOn = items[0]?.seq === seq && items[0].event.type === 'step_completed';
    return passesOn ? await this.valueText(tenantId, executionId, seq, 'inputs') : null;
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

const SELECT = `SELECT seq, event_type AS type, step, at, body FROM execution_event WHERE execution_id = $1 AND tenant_id = $2`;
const NARROWED = `${SELECT} AND seq > $3 AND ($4::text[] = '{}' OR event_type = ANY($4::text[]))`;

const EVENT_PAGE = cutToBytes(`${NARROWED} ORDER BY seq LIMIT $5`, 'seq', ['body'], '$6');

/** A value of fewer bytes is not referred to: that would be hardly shorter. */
const SHORT_VALUE_BYTES = 1_024;

/** `of`, a body or null, without its long values, of which only the sizes are left. @param parts parameter with the names of values */
const referred = (of: string, parts: string): string => `
  LEFT JOIN LATERAL (
    SELECT coalesce(json_object_agg(f.key, f.value) FILTER (WHERE NOT f.long), '{}') AS body, json_object_agg(f.key, f.bytes) FILTER (WHERE f.long) AS sizes
    FROM (
      SELECT key, value, octet_length(value::text) AS bytes, key = ANY(${parts}::text[]) AND octet_length(value::text) > ${SHORT_VALUE_BYTES} AS long
      FROM json_each(${of})
    ) f
  ) r ON true`;

const NEWEST = `
  SELECT n.seq, n.type, n.step, n.at, coalesce(n.whole, r.body) AS body, r.sizes
  FROM (
    SELECT m.*, CASE WHEN "bytesBefore" < $7 THEN body END AS whole, CASE WHEN "bytesBefore" >= $7 THEN body END AS cut
    FROM (${measured(`${NARROWED} ORDER BY seq DESC LIMIT $5 OFFSET $6`, 'seq DESC', ['body'])}) m
  ) n ${referred('n.cut', '$8')} ORDER BY n.seq DESC`;

const IS_LOOP = `type IN ('loop_started', 'loop_iteration')`;
const FIRINGS = `
  WITH about AS (
    SELECT a.*, min(seq) OVER (PARTITION BY split_part(step, '.', 1), coalesce(body ->> 'wave', '1')) AS first
    FROM (${SELECT} AND step IS NOT NULL) a
  ), page AS (
    SELECT DISTINCT first FROM about WHERE first > $3 ORDER BY first LIMIT $4
  ), sized AS (
    SELECT about.*, CASE WHEN ${IS_LOOP} THEN 0 ELSE ${bytesOf('body')} END AS bytes FROM about JOIN page USING (first)
  ), summed AS (
    SELECT s.*, sum(bytes) OVER (ORDER BY first, seq) AS so_far, sum(bytes) OVER (ORDER BY first) AS with_firing FROM sized s
  ), kept AS (
    SELECT k.*, (${IS_LOOP} OR so_far > $5) AS is_cut FROM summed k WHERE with_firing <= $5 OR first = (SELECT min(first) FROM page)
  )
  SELECT k.seq, k.type, k.step, k.at, CASE WHEN is_cut THEN r.body ELSE k.body END AS body, r.sizes, k.first, (SELECT max(first) FROM page) AS last,
    CASE WHEN ${IS_LOOP} THEN coalesce(
      json_array_length(k.body -> 'items'),
      (SELECT json_array_length(b.body) FROM execution_blob b WHERE b.execution_id = $1 AND b.tenant_id = $2 AND b.seq = k.seq AND b.part = 'items')
    ) END AS "itemCount"
  FROM kept k ${referred('CASE WHEN is_cut THEN k.body END', '$6')} ORDER BY k.first, k.seq`;

interface EventRow {
  readonly seq: number;
  readonly type: string;
  readonly step: string | null;
  readonly at: Date;
  readonly body: object;
  /** Bytes of values that the body is without. */
  readonly sizes?: BlobSizes | null;
  readonly itemCount?: number | null;
}

function storedEventOf(executionId: string, { seq, at, type, step, body, sizes, itemCount }: EventRow): StoredEvent {
  const reference = (part: BlobPart): Json => ({ $ref: `/executions/${executionId}/events/${seq}/${PLACES[part]}` });
  const event = decodeEvent(type, step, sizes ? { ...body, blobs: { ...blobSizesOf(body), ...sizes } } : body, reference);
  return { seq, at: at.getTime(), event, ...(itemCount != null && { itemCount }) };
}
