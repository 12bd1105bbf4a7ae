import { fallsToCancel } from '../../engine/births.js';
import { plainArray } from './array-parameters.js';
import { type EventRow } from '../history/event-codec.js';
import { type Connection } from '../connection/own-connection.js';
import { MODE, nextSeqOf, type PendingUnit } from './pending-unit.js';

/** What became of a unit, once no transaction that could still store it is under way. */
export type Fate =
  | { readonly kind: 'committed'; readonly at: number; readonly cancelUnread?: true }
  | { readonly kind: 'lost' }
  /** Not stored, and the row would take it: send it again. */
  | { readonly kind: 'not_stored' }
  /** Not stored, and the row is still ours: something else than token and last_seq held it off. */
  | { readonly kind: 'inbox_moved' }
  | { readonly kind: 'refused'; readonly reason: string };

interface StoredRow {
  readonly id: string;
  readonly lease_token: string | null;
  readonly last_seq: number;
  readonly inbox_seq: number;
  readonly cancelling: boolean;
  readonly at: number;
  /** What stands where the unit's events would stand; null where nothing does. */
  readonly events: readonly string[] | null;
}

const LOCK_ROWS = `SELECT FROM execution WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE`;

/** An insert of an id waits for any transaction that inserted the same; a plain read would come too early. Undone in any case. */
const PROBE_CREATES = `
  INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest, status, created_at, updated_at)
  SELECT id, '', 0, '', '', '', '', '', '', '', 'pending', now(), now() FROM unnest($1::bigint[]) id ORDER BY id
  ON CONFLICT (id) DO NOTHING RETURNING id`;

/** In its own statement: the one that waits for locks keeps its old view of other tables. */
const READ_ROWS = `
  SELECT e.id, e.lease_token, e.last_seq, e.inbox_seq, e.cancel_requested_at IS NOT NULL AS cancelling,
    (extract(epoch FROM coalesce(v.at, e.updated_at)) * 1000)::float8 AS at, v.events
  FROM unnest($1::bigint[], $2::int[], $3::int[]) u(id, expected, next) JOIN execution e ON e.id = u.id
  CROSS JOIN LATERAL (
    SELECT max(x.at) AS at, array_agg(concat_ws(chr(31), x.event_type, x.step, x.body::text) ORDER BY x.seq) AS events
    FROM execution_event x WHERE x.execution_id = u.id AND x.seq > u.expected AND x.seq <= u.next) v`;

/**
 * Asks the database what became of units: those whose connection broke (D9), and those a fence held off (D6). Takes the rows' locks first, so
 * that a transaction of a lost connection is over when the answer is read. What is found stored counts only after a commit of our own: with a
 * synchronous standby it waits until that one has everything before it. Rejects like any statement; ask again then.
 */
export async function resolveFates(connection: Connection, units: readonly PendingUnit[]): Promise<Map<PendingUnit, Fate>> {
  const ids = plainArray(units.map((p) => p.unit.runId));
  const creates = units.filter((p) => p.unit.create !== null);
  await connection.query({ text: 'BEGIN' });
  const absent = new Set<string>();
  if (creates.length > 0) {
    await connection.query({ text: 'SAVEPOINT probe' });
    const probed = await connection.query<{ id: string }>({ text: PROBE_CREATES, values: [plainArray(creates.map((p) => p.unit.runId))] });
    for (const { id } of probed) absent.add(id);
    await connection.query({ text: 'ROLLBACK TO SAVEPOINT probe' });
  }
  await connection.query({ text: LOCK_ROWS, values: [ids] });
  const rows = await connection.query<StoredRow>({
    text: READ_ROWS,
    values: [ids, plainArray(units.map((p) => p.unit.expectedSeq)), plainArray(units.map((p) => nextSeqOf(p.unit)))],
  });
  await connection.query({ text: units.some((p) => p.unsure) ? 'COMMIT' : 'ROLLBACK' });
  const warning = connection.lastWarning();
  if (warning?.replication) throw new Error(warning.message);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return new Map(units.map((p) => [p, absent.has(p.unit.runId) ? NOT_STORED : fateOf(p, byId.get(p.unit.runId))]));
}

const NOT_STORED: Fate = { kind: 'not_stored' };

function fateOf(pending: PendingUnit, row: StoredRow | undefined): Fate {
  const { unit } = pending;
  if (row === undefined) return unit.create === null ? { kind: 'lost' } : NOT_STORED;
  if (pending.unsure && isStored(pending, row)) {
    const cancelUnread = row.cancelling && row.inbox_seq > unit.seenInbox;
    return { kind: 'committed', at: Math.round(row.at), ...(cancelUnread ? { cancelUnread } : {}) };
  }
  // Where the connection broke, the row can only be ours, and by now another node has claimed it.
  if (unit.create !== null) return pending.unsure ? { kind: 'lost' } : { kind: 'refused', reason: 'an execution with this id exists' };
  if (row.lease_token !== unit.token || row.last_seq !== unit.expectedSeq) return { kind: 'lost' };
  const calls = fallsToCancel(unit.children);
  if (pending.mode === MODE.held && !(calls && row.cancelling)) return NOT_STORED;
  if (row.inbox_seq !== unit.seenInbox) return { kind: 'inbox_moved' };
  if (pending.mode === MODE.ended && row.cancelling && unit.row.status !== 'cancelled') {
    return { kind: 'refused', reason: 'its cancel was acknowledged: nothing but CANCELLED may end it' };
  }
  if (calls && row.cancelling) return { kind: 'refused', reason: 'its cancel was acknowledged: it may call nothing any more' };
  return NOT_STORED;
}

/**
 * The token alone does not tell: an end or release takes it away. The unit's events do, all of them and to the letter: another holder that took
 * over may well have ended alike after another way, and one that wrote the very same has the same result. A unit without events changed nothing that could be told apart, except that it let go.
 */
function isStored(pending: PendingUnit, row: StoredRow): boolean {
  const { events } = pending;
  if (events.length === 0) return pending.mode !== MODE.held && row.lease_token === null && row.last_seq === pending.unit.expectedSeq;
  const stillOurs = pending.mode !== MODE.held || row.lease_token === pending.unit.token;
  return stillOurs && events.length === row.events?.length && events.every((event, at) => textOf(event) === row.events?.[at]);
}

/** As the statement gives an event: its separator is never in JSON text. */
const textOf = ({ type, step, body }: EventRow): string => (step === null ? [type, body] : [type, step, body]).join('\x1f');
