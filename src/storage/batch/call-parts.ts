import { fallsToCancel } from '../../engine/births.js';
import { type NewRun, type Unit } from '../../engine/ports.js';
import { jsonList, plainArray, textArray } from './array-parameters.js';
import { MODE, type PendingUnit } from './pending-unit.js';

/** A row that a batch makes: a start, or a run that a unit of the batch calls. */
export type CreatedUnit = PendingUnit & {
  readonly run: NewRun;
  /** The unit it is born with; `ordinal` null where that one makes its own row as well. */
  readonly caller: { readonly ordinal: number | null; readonly unit: Unit } | null;
};

/**
 * What the batch statement has besides where units call runs, or end called ones (D29).
 * - A called run is a row like a start's, on condition that the unit it is born with passes its fence, and that fence holds also where a cancel was
 *   acknowledged, unless all that are born with it have ended already, or undo what their caller did. Where the caller's own row is made in the same unit, the called ones share its fate by `heirs`: denied with it.
 * - Callers that are to be told of an end are locked with all other rows, in id order (D2), as rows of `fenced` with a mode of their own, without
 *   an ordinal: no other part takes them for units. One that is over is left alone.
 * - The messages are numbered from what the row says under its lock; it is made due only where nobody holds it, because a holder can neither
 *   release nor end it before it has read them. All of that depends on the called run's own fence: told exactly once.
 */
export const CALLS = {
  fence: ` AND (e.cancel_requested_at IS NULL OR u.ord <> ALL ($81::int[]))
    OR u.mode = ${MODE.told} AND e.status NOT IN ('completed', 'failed', 'cancelled')`,
  aUnit: ` AND ord IS NOT NULL`,
  denied: `
  UNION ALL SELECT h.id FROM unnest($82::bigint[], $83::bigint[]) AS h(id, caller) WHERE h.caller NOT IN (SELECT execution_id FROM keys)`,
  columns: `, parent_run_id, parent_wave, parent_item, lineage`,
  values: `, x.parent_run, x.parent_wave, x.parent_item, x.lineage::json`,
  arrays: `,
    $76::bigint[], $77::int[], $78::text[], string_to_array($79::text, chr(31), ''), $80::int[]`,
  names: `, parent_run, parent_wave, parent_item, lineage, ord`,
  born: ` AND (x.ord IS NULL OR x.ord IN (SELECT ord FROM fenced))`,
} as const;

/** What is in IS TRUE is looked up by hash; as plain conditions these would be joins, each row with each (see the settings of the writer's session). */
export const callParts = `,
told AS MATERIALIZED (
  SELECT t.* FROM unnest($84::bigint[], $85::int[], string_to_array($86::text, chr(31), '')) AS t(parent, ord, payload)
  WHERE (t.ord IN (SELECT ord FROM fenced)) IS TRUE AND (t.parent IN (SELECT id FROM fenced WHERE mode = ${MODE.told})) IS TRUE),
bumped AS (
  UPDATE execution e SET inbox_seq = e.inbox_seq + cardinality(t.payloads),
    wake_at = CASE WHEN e.lease_token IS NULL THEN least(coalesce(e.wake_at, clock_timestamp()), clock_timestamp()) ELSE e.wake_at END
  FROM (SELECT parent, array_agg(payload ORDER BY ord) AS payloads FROM told GROUP BY parent) t WHERE e.id = t.parent
  RETURNING e.id, e.tenant_id, e.inbox_seq - cardinality(t.payloads) AS before, t.payloads),
messages AS (
  INSERT INTO execution_inbox (execution_id, inbox_seq, tenant_id, kind, payload)
  SELECT b.id, b.before + m.number, b.tenant_id, 'child_ended', m.payload::json
  FROM bumped b, unnest(b.payloads) WITH ORDINALITY AS m(payload, number))`;

/** The parameters of these parts. @param units a unit's ordinal is its index */
export function callParameters(units: readonly PendingUnit[], creates: readonly CreatedUnit[]): string[] {
  const plain = (column: (created: CreatedUnit) => string | number | null): string => plainArray(creates.map(column));
  const calling = units.flatMap(({ unit }, ordinal) => (fallsToCancel(unit.children) && unit.create === null ? [ordinal] : []));
  const heirs = creates.filter(({ caller }) => caller?.unit.create?.idempotency);
  const telling = units.flatMap(({ tells }, ordinal) => (tells === null ? [] : [{ ...tells, ordinal }]));
  return [
    plain(({ run }) => run.parent?.runId ?? null),
    plain(({ run }) => run.parent?.wave ?? null),
    textArray(creates.map(({ run }) => run.parent?.item ?? null)),
    jsonList(creates.map(({ run }) => run.parent && JSON.stringify(run.parent.lineage))),
    plain(({ caller }) => caller?.ordinal ?? null),
    plainArray(calling),
    plainArray(heirs.map(({ run }) => run.id)),
    plainArray(heirs.map(({ caller }) => caller!.unit.runId)),
    plainArray(telling.map(({ parentId }) => parentId)),
    plainArray(telling.map(({ ordinal }) => ordinal)),
    jsonList(telling.map(({ payload }) => payload)),
  ];
}
