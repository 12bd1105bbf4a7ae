import { SNAPSHOT_EVERY } from '../../engine/run/snapshot.js';
import { type BatchParameter, mixedJsonList, plainArray, textArray } from './array-parameters.js';
import { CALLS, type CreatedUnit } from './call-parts.js';
import { MODE, type PendingUnit } from './pending-unit.js';
import { snapshotParameters, snapshotParts } from './snapshots.js';
import { type JsonText } from '../history/storability.js';

/** How long a key is remembered at least (C2). */
const KEY_RETENTION = `interval '24 hours'`;

/**
 * What the batch statement has besides where creates have idempotency keys: such a create is stored only where its key is new or expired, in one with
 * the key (D31); `denied` names the others. No key may be in a batch twice. A key that is the create's own already was stored by a batch of a broken
 * connection after it was asked for: then the primary key of the execution refuses this one, and the question is asked again (D9).
 */
export const keyParts = (calls: boolean): string => `keys AS (
  INSERT INTO idempotency_key AS k (tenant_id, key, fingerprint, execution_id, expires_at)
  SELECT x.tenant, x.key, x.fingerprint, x.id, clock_timestamp() + ${KEY_RETENTION}
  FROM unnest($58::bigint[], $59::text[], $60::text[], $61::text[]) AS x(id, tenant, key, fingerprint) ORDER BY x.tenant, x.key
  ON CONFLICT (tenant_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, execution_id = excluded.execution_id,
    created_at = clock_timestamp(), expires_at = excluded.expires_at, final_status = NULL
  WHERE k.expires_at <= clock_timestamp() OR k.execution_id = excluded.execution_id
  RETURNING execution_id),
denied AS MATERIALIZED (SELECT id FROM unnest($58::bigint[]) id WHERE id NOT IN (SELECT execution_id FROM keys)${calls ? CALLS.denied : ''}),
`;

/**
 * The same for units that have read messages, for snapshots, for values that lie apart from their events, and for results that are such a value.
 * Messages go with the unit that consumed them (R10); the array makes it a look-up by key whatever the planner thinks of the table's size.
 */
export const seldomParts = `,
consumed AS (
  DELETE FROM execution_inbox i WHERE i.execution_id = ANY (ARRAY(SELECT id FROM fenced WHERE seen > consumed))
    AND i.inbox_seq <= (SELECT f.seen FROM fenced f WHERE f.id = i.execution_id)),${snapshotParts(62)},
blobs AS (
  INSERT INTO execution_blob (execution_id, seq, part, tenant_id, body)
  SELECT x.id, x.seq, x.part, x.tenant, x.body::json
  FROM unnest($65::bigint[], $66::int[], $67::text[], $68::text[], string_to_array($69::text, chr(31), ''), $70::int[])
    AS x(id, seq, part, tenant, body, ord)
  WHERE (x.ord IS NULL AND x.id NOT IN (SELECT id FROM denied)) OR x.ord IN (SELECT ord FROM fenced)),
placed AS (
  INSERT INTO execution_payload (execution_id, part, tenant_id, result_seq, result_part)
  SELECT x.id, 1, x.tenant, x.seq, x.part
  FROM unnest($71::bigint[], $72::text[], $73::int[], $74::text[], $75::int[]) AS x(id, tenant, seq, part, ord)
  WHERE (x.ord IS NULL AND x.id NOT IN (SELECT id FROM denied)) OR x.ord IN (SELECT ord FROM fenced))`;

/**
 * Whether these units, none of which calls a run, have anything for these parts. One that may have has: whoever was told something before, and the end
 * of a run that may have a snapshot.
 */
export function hasSeldom(units: readonly PendingUnit[]): boolean {
  return units.some(
    ({ unit, mode, snapshot, events, resultPlace }) =>
      unit.seenInbox > 0 ||
      snapshot !== null ||
      resultPlace !== null ||
      (mode === MODE.ended && unit.expectedSeq >= SNAPSHOT_EVERY) ||
      (unit.create !== null && unit.create.idempotency !== null) ||
      events.some(({ blobs }) => blobs.length > 0),
  );
}

/** The parameters of these parts. @param units a unit's ordinal is its index */
export function seldomParameters(units: readonly PendingUnit[], creates: readonly CreatedUnit[]): BatchParameter[] {
  const keyed = creates.flatMap(({ run }) => (run.idempotency ? [{ run, claim: run.idempotency }] : []));
  const ordinalOf = ({ unit }: PendingUnit, index: number): number | null => (unit.create === null ? index : null);
  const blobs = units.flatMap((pending, index) =>
    [pending, ...pending.children].flatMap((each) => blobsOf(each, ordinalOf(pending, index))),
  );
  const placed = units.flatMap((pending, index) =>
    pending.resultPlace === null ? [] : [{ place: pending.resultPlace, tenant: pending.unit.tenantId, ordinal: ordinalOf(pending, index) }],
  );
  return [
    plainArray(keyed.map(({ run }) => run.id)),
    textArray(keyed.map(({ run }) => run.tenantId)),
    textArray(keyed.map(({ claim }) => claim.key)),
    textArray(keyed.map(({ claim }) => claim.fingerprint)),
    ...snapshotParameters(units),
    plainArray(blobs.map(({ id }) => id)),
    plainArray(blobs.map(({ seq }) => seq)),
    plainArray(blobs.map(({ part }) => part)),
    textArray(blobs.map(({ tenant }) => tenant)),
    mixedJsonList(blobs.map(({ body }) => body)),
    plainArray(blobs.map(({ ordinal }) => ordinal)),
    plainArray(placed.map(({ place }) => place.runId)),
    textArray(placed.map(({ tenant }) => tenant)),
    plainArray(placed.map(({ place }) => place.seq)),
    plainArray(placed.map(({ place }) => place.part)),
    plainArray(placed.map(({ ordinal }) => ordinal)),
  ];
}

interface Blob {
  readonly id: string;
  readonly seq: number;
  readonly part: string;
  readonly tenant: string;
  readonly body: JsonText;
  readonly ordinal: number | null;
}

function blobsOf({ unit, events }: PendingUnit, ordinal: number | null): Blob[] {
  return events.flatMap(({ blobs }, index) =>
    blobs.map(({ part, body }) => ({ id: unit.runId, seq: unit.expectedSeq + 1 + index, part, tenant: unit.tenantId, body, ordinal })),
  );
}
