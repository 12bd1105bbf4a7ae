import { type EntityManager } from 'typeorm';
import { type RunId } from '../../engine/ports.js';
import { type RunEvent } from '../../engine/run/events.js';
import { type Json } from '../../engine/values.js';
import { rememberPlace } from './blob-places.js';
import { type BlobPart, blobSizesOf, decodeEvent } from './event-codec.js';

/** A value that lies apart is gone: its execution is being removed, or was by somebody else. */
export class ValueMissing extends Error {}

type Reading = Pick<EntityManager, 'query'>;

/** An event as its row has it. */
export interface HistoryRow {
  readonly execution_id: RunId;
  readonly seq: number;
  readonly event_type: string;
  readonly step: string | null;
  readonly body: object;
}

/**
 * Histories in order, with the values that lie apart: what a holder goes on from.
 * @param after of these, which are few and long, only the events behind this seq
 */
export async function readHistories(
  tx: Reading,
  ids: readonly RunId[],
  after: ReadonlyMap<RunId, { readonly seq: number }> = new Map(),
): Promise<Map<RunId, RunEvent[]>> {
  const rows: HistoryRow[] = [];
  const whole = ids.filter((id) => !after.has(id));
  if (whole.length > 0) {
    rows.push(...(await tx.query<HistoryRow[]>(`${SELECT} WHERE execution_id = ANY($1::bigint[]) ORDER BY execution_id, seq`, [whole])));
  }
  for (const [id, { seq }] of after) {
    rows.push(...(await tx.query<HistoryRow[]>(`${SELECT} WHERE execution_id = $1 AND seq > $2 ORDER BY seq`, [id, seq])));
  }
  const events = await wholeEvents(tx, rows);
  const histories = new Map<RunId, RunEvent[]>();
  rows.forEach(({ execution_id: id }, index) => {
    const history = histories.get(id);
    if (history === undefined) histories.set(id, [events[index]!]);
    else history.push(events[index]!);
  });
  return histories;
}

/** Of histories that nobody goes on from only the cancels that were heard: whatever else they hold may be what nobody can read. */
export async function readCancels(tx: Reading, ids: readonly RunId[]): Promise<Map<RunId, RunEvent[]>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.query<HistoryRow[]>(
    `${SELECT} WHERE execution_id = ANY($1::bigint[]) AND event_type = 'cancel_requested' ORDER BY execution_id, seq`,
    [ids],
  );
  return Map.groupBy(await wholeEvents(tx, rows), (_, index) => rows[index]!.execution_id);
}

const SELECT = `SELECT execution_id, seq, event_type, step, body FROM execution_event`;

/** The events of rows, in the same order, with the values that lie apart. @throws ValueMissing */
export async function wholeEvents(tx: Reading, rows: readonly HistoryRow[]): Promise<RunEvent[]> {
  const large = rows.filter(({ body }) => blobSizesOf(body) !== null);
  const blobs = large.length === 0 ? new Map<string, Json>() : await readBlobs(tx, large);
  return rows.map(({ execution_id: id, seq, event_type: type, step, body }) =>
    decodeEvent(type, step, body, (part) => {
      const value = blobs.get(keyOf(id, seq, part));
      if (value === undefined) throw new ValueMissing(`the ${part} of event ${seq} of execution ${id} is missing`);
      rememberPlace(value, { runId: id, seq, part, bytes: blobSizesOf(body)![part]! });
      return value;
    }),
  );
}

async function readBlobs(tx: Reading, of: readonly HistoryRow[]): Promise<ReadonlyMap<string, Json>> {
  const rows = await tx.query<{ execution_id: RunId; seq: number; part: BlobPart; body: Json }[]>(
    `SELECT execution_id, seq, part, body FROM execution_blob WHERE execution_id = ANY($1::bigint[]) AND seq = ANY($2::int[])`,
    [[...new Set(of.map((row) => row.execution_id))], [...new Set(of.map((row) => row.seq))]],
  );
  return new Map(rows.map(({ execution_id: id, seq, part, body }) => [keyOf(id, seq, part), body]));
}

const keyOf = (id: RunId, seq: number, part: BlobPart): string => `${id} ${seq} ${part}`;
