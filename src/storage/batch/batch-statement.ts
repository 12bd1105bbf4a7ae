import { type NewRun } from '../../engine/ports.js';
import { approvalParameters, approvalParts } from './approval-parts.js';
import { type BatchParameter, jsonList, mixedJsonList, plainArray, textArray } from './array-parameters.js';
import { callParameters, CALLS, callParts, type CreatedUnit } from './call-parts.js';
import { CODEC } from '../history/event-codec.js';
import { type LeaseTerm } from '../lease-term.js';
import { MODE, nextSeqOf, type PendingUnit } from './pending-unit.js';
import { hasSeldom, keyParts, seldomParameters, seldomParts } from './seldom-parts.js';

/** Which of the parts that many batches do without a statement has; each has all that are named before it as well. */
interface BatchParts {
  readonly creates: boolean;
  readonly seldom: boolean;
  readonly calls: boolean;
  readonly approvals: boolean;
}

/** A statement for batches of one kind. */
export interface BatchForm {
  readonly name: string;
  readonly text: string;
}

/** So many parameters has the statement for units of runs that have rows already. */
export const UNIT_PARAMETERS = 27;
/** So many has the one that makes rows too; those of the rows come after the others, and only there. */
export const PLAIN_PARAMETERS = 57;
/** So many has the one with the seldom parts (seldom-parts.ts); those of the calls come after them, and only there. */
export const SELDOM_PARAMETERS = 75;
/** So many has the one with calls; those of approvals come after them, and only there. */
export const CALL_PARAMETERS = 86;

/** The statements of batches, told apart by the number of their parameters: what a batch has nothing for costs it nothing. */
export function batchForms(lease: LeaseTerm): (parameters: readonly BatchParameter[]) => BatchForm {
  const form = (name: string, creates: boolean, seldom: boolean, calls: boolean, approvals: boolean): BatchForm => ({
    name,
    text: batchStatement(lease, { creates, seldom, calls, approvals }),
  });
  const units = form('batch of units', false, false, false, false);
  const plain = form('batch', true, false, false, false);
  const seldom = form('batch with seldom parts', true, true, false, false);
  const calls = form('batch with calls', true, true, true, false);
  const approvals = form('batch with approvals', true, true, true, true);
  return ({ length }) => {
    if (length <= UNIT_PARAMETERS) return units;
    if (length <= PLAIN_PARAMETERS) return plain;
    if (length <= SELDOM_PARAMETERS) return seldom;
    return length <= CALL_PARAMETERS ? calls : approvals;
  };
}

/**
 * One statement stores a whole batch, in one round trip and one commit (docs/architecture.md, "Durability").
 * - `fenced` takes the row locks in id order and keeps the units whose token and last_seq still hold, and, where they end or release, whose
 *   inbox is read (D1, D2); nothing but CANCELLED may end a run once its cancel was acknowledged (D28).
 * - Every other part joins the fence by the unit's ordinal, never by id: two units of one id with different tokens must not ride on each
 *   other's fence. An ordinal that is missing in the answer met a fence that held it off. Rows of creates have no ordinal.
 * - Messages that were read, idempotency keys, snapshots, large values and results that are such have parts of their own (seldom-parts.ts), which most
 *   batches do without.
 * - A create without a holder is due at its start, or now: priority is an offset in time, so that nothing waits for ever.
 * - Every committed unit of a held run renews its lease (D11), and `unheard` tells it of a cancel that it has not read (D28): hints may be lost.
 * - Where units call runs, or end called ones, the statement has more parts (call-parts.ts); without them nothing is to be paid for those.
 * - Where units open or close approvals, it has those parts and more (approval-parts.ts).
 * - One time for the whole batch, but never before the last event of a run (D18): where the clock went back, `late` has the runs whose own
 *   time is ahead of it. As a rule it is empty, which makes asking it cheap.
 */
function batchStatement(lease: LeaseTerm, has: BatchParts): string {
  const { creates, seldom, calls, approvals } = has;
  const mayBeStored = seldom ? 'x.id NOT IN (SELECT id FROM denied)' : 'true';
  const ofCreate = seldom ? `(x.ord IS NULL AND ${mayBeStored})` : 'x.ord IS NULL';
  return `
WITH clock AS MATERIALIZED (SELECT clock_timestamp()::timestamptz(3) AS now),
fenced AS MATERIALIZED (
  SELECT u.*, e.inbox_consumed AS consumed, e.cancel_requested_at IS NOT NULL AND e.inbox_seq > u.seen AS unheard, greatest((SELECT now FROM clock), e.updated_at) AS at
  FROM unnest($1::bigint[], $2::uuid[], $3::int[], $4::int[], $5::text[], $6::smallint[], $7::text[],
    string_to_array($8::text, chr(31), ''), string_to_array($9::text, chr(31), ''), $10::smallint[], $11::int[], $12::boolean[], $13::float8[], $14::int[])
    AS u(id, token, expected, next_seq, status, progress, step, waiting_for, error, mode, seen, recorded, wake_ms, ord)
  JOIN execution e ON e.id = u.id
  WHERE e.lease_token = u.token AND e.last_seq = u.expected AND (u.mode = ${MODE.held} OR e.inbox_seq = u.seen)
    AND (u.mode <> ${MODE.ended} OR u.status = 'cancelled' OR e.cancel_requested_at IS NULL)${calls ? CALLS.fence : ''}
  ORDER BY e.id FOR NO KEY UPDATE OF e),
late AS MATERIALIZED (SELECT ord, at FROM fenced WHERE at > (SELECT now FROM clock)${calls ? CALLS.aUnit : ''}),
updated AS (
  UPDATE execution e SET last_seq = u.next_seq, status = u.status, progress = u.progress, current_step = u.step,
    waiting_for = u.waiting_for::json, error = u.error::json, updated_at = u.at,
    ended_at = CASE WHEN u.mode = ${MODE.ended} THEN u.at END,
    lease_token = CASE WHEN u.mode = ${MODE.held} THEN e.lease_token END,
    lease_until = CASE WHEN u.mode = ${MODE.held} THEN ${lease.untilSql} END,
    wake_at = CASE u.mode WHEN ${MODE.held} THEN e.wake_at WHEN ${MODE.released} THEN to_timestamp(u.wake_ms / 1000) END,
    inbox_consumed = u.seen, attempts = CASE WHEN u.recorded OR u.mode <> ${MODE.held} THEN 0 ELSE e.attempts END, codec = ${CODEC}
  FROM fenced u WHERE e.id = u.id${calls ? CALLS.aUnit : ''}),
${seldom ? keyParts(calls) : ''}${creates ? createdPart(lease, mayBeStored, calls) : ''}payloads AS (
  INSERT INTO execution_payload (execution_id, part, tenant_id, parameters, workload, result)
  SELECT x.id, CASE WHEN x.parameters IS NULL THEN 1 ELSE 0 END, x.tenant, x.parameters::json, x.workload::json, x.result::json
  FROM unnest($15::bigint[], $16::text[], string_to_array($17::text, chr(31), ''), string_to_array($18::text, chr(31), ''),
    string_to_array($19::text, chr(31), ''), $20::int[]) AS x(id, tenant, parameters, workload, result, ord)
  WHERE ${ofCreate} OR x.ord IN (SELECT ord FROM fenced)),
events AS (
  INSERT INTO execution_event (execution_id, seq, tenant_id, event_type, step, at, body)
  SELECT x.id, x.seq, x.tenant, x.type, x.step, coalesce((SELECT l.at FROM late l WHERE l.ord = x.ord), (SELECT now FROM clock)), x.body::json
  FROM unnest($21::bigint[], $22::int[], $23::text[], $24::text[], $25::text[], string_to_array($26::text, chr(31), ''), $27::int[])
    AS x(id, seq, tenant, type, step, body, ord)
  WHERE ${ofCreate} OR x.ord IN (SELECT ord FROM fenced))${seldom ? seldomParts : ''}${calls ? callParts : ''}${approvals ? approvalParts(CALL_PARAMETERS + 1) : ''}
SELECT (SELECT array_agg(ord) FROM fenced) AS passed, (SELECT array_agg(ord) FROM fenced WHERE unheard) AS unheard, ${seldom ? '(SELECT array_agg(id) FROM denied)' : 'NULL::bigint[]'} AS denied,
  (extract(epoch FROM (SELECT now FROM clock)) * 1000)::float8 AS at,
  (SELECT json_object_agg(ord, extract(epoch FROM at) * 1000) FROM late) AS late_at`;
}

/** The rows of starts, and of runs that are called. */
const createdPart = (lease: LeaseTerm, mayBeStored: string, calls: boolean): string => `created AS (
  INSERT INTO execution (id, tenant_id, catalog_id, path, playbook_name, version, shown_version, requested_version, execution_type, digest,
    merge, metadata, parent_execution_id, parent_event_id, parent_step, forked_from, status, progress, current_step, waiting_for, error,
    created_at, updated_at, ended_at, lease_token, lease_until, claim_no, last_seq, inbox_consumed, wake_at, codec,
    priority, start_at, expires_at, timeout_at${calls ? CALLS.columns : ''})
  SELECT x.id, x.tenant, x.catalog, x.path, x.name, x.version, x.shown, x.requested, x.type, x.digest,
    x.merge, x.metadata::jsonb, x.parent, x.parent_event, x.parent_step, x.forked, x.status, x.progress, x.step, x.waiting_for::json, x.error::json,
    c.now, c.now, CASE WHEN x.mode = ${MODE.ended} THEN c.now END, CASE WHEN x.mode = ${MODE.held} THEN x.token END,
    CASE WHEN x.mode = ${MODE.held} THEN ${lease.untilSql} END,
    CASE WHEN x.mode = ${MODE.unleased} THEN 0 ELSE 1 END, x.next_seq, x.seen,
    CASE x.mode WHEN ${MODE.released} THEN to_timestamp(x.wake_ms / 1000) WHEN ${MODE.unleased} THEN
      CASE WHEN x.start_ms > extract(epoch FROM c.now) * 1000 THEN to_timestamp(x.start_ms / 1000) ELSE c.now - x.priority * interval '1 second' END END,
    ${CODEC}, x.priority, to_timestamp(x.start_ms / 1000), to_timestamp(x.expires_ms / 1000), to_timestamp(x.timeout_ms / 1000)${calls ? CALLS.values : ''}
  FROM clock c, unnest($28::bigint[], $29::text[], $30::bigint[], $31::text[], $32::text[], $33::text[], $34::text[], $35::text[], $36::text[], $37::text[],
    $38::boolean[], string_to_array($39::text, chr(31), ''), $40::text[], $41::text[], $42::text[], $43::bigint[], $44::text[], $45::smallint[], $46::text[],
    string_to_array($47::text, chr(31), ''), string_to_array($48::text, chr(31), ''), $49::uuid[], $50::smallint[], $51::int[], $52::int[], $53::float8[],
    $54::smallint[], $55::float8[], $56::float8[], $57::float8[]${calls ? CALLS.arrays : ''})
    AS x(id, tenant, catalog, path, name, version, shown, requested, type, digest, merge, metadata, parent, parent_event, parent_step, forked,
      status, progress, step, waiting_for, error, token, mode, next_seq, seen, wake_ms, priority, start_ms, expires_ms, timeout_ms${calls ? CALLS.names : ''})
  WHERE ${mayBeStored}${calls ? CALLS.born : ''}),
`;

/** What the statement answers: ordinals that passed the fence, and the epoch milliseconds of the events, in `late_at` those of runs with a time of their own. */
export interface BatchAnswer {
  readonly passed: readonly number[] | null;
  /** Those of them whose runs were asked to cancel, and have not read it. */
  readonly unheard: readonly number[] | null;
  /** Creates whose idempotency key belongs to another execution; nothing of them was stored. */
  readonly denied: readonly string[] | null;
  readonly at: number;
  readonly late_at: Readonly<Record<number, number>> | null;
}

/**
 * The statement's parameters; a unit's ordinal is its index in `units`. No id may be named twice (D3), and no unit may be together with the end
 * of a run that it called: the caller sees to it.
 */
export function batchParameters(units: readonly PendingUnit[]): BatchParameter[] {
  const appends: PendingUnit[] = [];
  const ordinals: number[] = [];
  const creates: CreatedUnit[] = [];
  const payloads: { pending: PendingUnit; ordinal: number | null }[] = [];
  const events = new EventColumns();
  let calls = false;
  let approvals = false;
  units.forEach((pending, index) => {
    const run = pending.unit.create;
    const ordinal = run === null ? index : null;
    if (run === null) {
      appends.push(pending);
      ordinals.push(index);
    } else {
      creates.push({ ...pending, run, caller: null });
    }
    if (run !== null || (pending.mode === MODE.ended && pending.resultPlace === null)) payloads.push({ pending, ordinal });
    events.add(pending, ordinal);
    for (const child of pending.children) {
      creates.push({ ...child, run: child.unit.create!, caller: { ordinal, unit: pending.unit } });
      payloads.push({ pending: child, ordinal });
      events.add(child, ordinal);
    }
    approvals ||= pending.approvals !== null;
    calls ||= approvals || pending.children.length > 0 || pending.tells !== null;
  });
  const seldom = calls || hasSeldom(units);
  const toldIds = calls ? new Set(units.flatMap(({ tells }) => tells?.parentId ?? [])) : NOBODY;
  return [
    ...fenceParameters(appends, [...toldIds]),
    plainArray([...ordinals, ...Array.from(toldIds, () => null)]),
    plainArray(payloads.map((p) => p.pending.unit.runId)),
    textArray(payloads.map((p) => p.pending.unit.tenantId)),
    jsonList(payloads.map((p) => p.pending.parameters)),
    jsonList(payloads.map((p) => p.pending.workload)),
    mixedJsonList(payloads.map((p) => p.pending.result)),
    plainArray(payloads.map((p) => p.ordinal)),
    ...events.parameters(),
    ...(creates.length > 0 || seldom ? [...createParameters(creates), ...startParameters(creates)] : []),
    ...(seldom ? seldomParameters(units, creates) : []),
    ...(calls ? callParameters(units, creates) : []),
    ...(approvals ? approvalParameters(units) : []),
  ];
}

const NOBODY: ReadonlySet<string> = new Set();

function startParameters(creates: readonly { readonly run: NewRun }[]): string[] {
  return [
    plainArray(creates.map(({ run }) => run.priority)),
    plainArray(creates.map(({ run }) => run.startAt)),
    plainArray(creates.map(({ run }) => run.expiresAt)),
    plainArray(creates.map(({ run }) => run.timeoutAt)),
  ];
}

/** @param toldIds rows that are only locked, to be told something: the columns of a unit say nothing there */
function fenceParameters(units: readonly PendingUnit[], toldIds: readonly string[]): string[] {
  const plain = (column: (p: PendingUnit) => string | number | boolean | null, told: number | null): string =>
    plainArray(toldIds.length === 0 ? units.map(column) : [...units.map(column), ...toldIds.map(() => told)]);
  const pad = (texts: (string | null)[]): (string | null)[] => (toldIds.length === 0 ? texts : [...texts, ...toldIds.map(() => null)]);
  return [
    plainArray([...units.map((p) => p.unit.runId), ...toldIds]),
    plain((p) => p.unit.token, null),
    plain((p) => p.unit.expectedSeq, null),
    plain((p) => nextSeqOf(p.unit), null),
    plain((p) => p.unit.row.status, null),
    plain((p) => p.unit.row.progress, null),
    textArray(pad(units.map((p) => p.unit.row.currentStep))),
    jsonList(pad(units.map((p) => p.waitingFor))),
    jsonList(pad(units.map((p) => p.error))),
    plain((p) => p.mode, MODE.told),
    plain((p) => p.unit.seenInbox, null),
    plain((p) => p.unit.recordsProgress, null),
    plain((p) => p.unit.release?.wakeAt ?? null, null),
  ];
}

function createParameters(creates: readonly CreatedUnit[]): string[] {
  const texts = (column: (run: NewRun) => string | null): string => textArray(creates.map((p) => column(p.run)));
  const plain = (column: (p: CreatedUnit) => string | number | boolean | null): string => plainArray(creates.map(column));
  return [
    plain((p) => p.unit.runId),
    texts((run) => run.tenantId),
    plain((p) => p.run.catalogId),
    texts((run) => run.path),
    texts((run) => run.playbookName),
    texts((run) => run.version),
    texts((run) => run.shownVersion),
    texts((run) => run.requestedVersion),
    texts((run) => run.executionType),
    texts((run) => run.digest),
    plain((p) => p.run.merge),
    jsonList(creates.map((p) => p.metadata)),
    texts((run) => run.parentExecutionId),
    texts((run) => run.parentEventId),
    texts((run) => run.parentStep),
    plain((p) => p.run.forkedFrom),
    plain((p) => p.unit.row.status),
    plain((p) => p.unit.row.progress),
    textArray(creates.map((p) => p.unit.row.currentStep)),
    jsonList(creates.map((p) => p.waitingFor)),
    jsonList(creates.map((p) => p.error)),
    plain((p) => p.unit.token),
    plain((p) => p.mode),
    plain((p) => nextSeqOf(p.unit)),
    plain((p) => p.unit.seenInbox),
    plain((p) => p.unit.release?.wakeAt ?? null),
  ];
}

class EventColumns {
  private readonly ids: string[] = [];
  private readonly seqs: number[] = [];
  private readonly tenants: string[] = [];
  private readonly types: string[] = [];
  private readonly steps: (string | null)[] = [];
  private readonly bodies: string[] = [];
  private readonly ordinals: (number | null)[] = [];

  add(pending: PendingUnit, ordinal: number | null): void {
    pending.events.forEach((event, index) => {
      this.ids.push(pending.unit.runId);
      this.seqs.push(pending.unit.expectedSeq + 1 + index);
      this.tenants.push(pending.unit.tenantId);
      this.types.push(event.type);
      this.steps.push(event.step);
      this.bodies.push(event.body);
      this.ordinals.push(ordinal);
    });
  }

  parameters(): string[] {
    return [
      plainArray(this.ids),
      plainArray(this.seqs),
      textArray(this.tenants),
      plainArray(this.types),
      textArray(this.steps),
      jsonList(this.bodies),
      plainArray(this.ordinals),
    ];
  }
}
