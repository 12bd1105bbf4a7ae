import { createHash } from 'node:crypto';
import { type EntityManager } from 'typeorm';
import { type RunId, type RunSnapshot } from '../../engine/ports.js';
import { SNAPSHOT_EVERY, SNAPSHOT_FORM } from '../../engine/run/snapshot.js';
import { type Json } from '../../engine/values.js';
import { jsonList, plainArray, textArray } from './array-parameters.js';
import { CODEC } from '../history/event-codec.js';
import { MODE, type PendingUnit } from './pending-unit.js';

/** Tag of the snapshots this build writes and reads; nodes of another build ignore them, and fold all events instead (D25). */
export const ENGINE_DIGEST = createHash('sha256').update(SNAPSHOT_FORM).digest('hex');

/**
 * Parts of the batch statement: a snapshot is stored with its unit, in place of all older ones, and all go with the end of the run (R10). Runs
 * shorter than any with a snapshot are not looked up.
 * @param first number of the first of the three parameters that `snapshotParameters` makes
 */
export const snapshotParts = (first: number): string => `
snapshots AS (
  INSERT INTO execution_snapshot (execution_id, seq, tenant_id, codec, engine_digest, state)
  SELECT f.id, f.next_seq, x.tenant, ${CODEC}, '${ENGINE_DIGEST}', x.state::json
  FROM unnest($${first}::int[], $${first + 1}::text[], string_to_array($${first + 2}::text, chr(31), '')) AS x(ord, tenant, state)
  JOIN fenced f ON f.ord = x.ord
  ON CONFLICT (execution_id, seq) DO UPDATE SET codec = excluded.codec, engine_digest = excluded.engine_digest, state = excluded.state),
outdated AS (
  DELETE FROM execution_snapshot s
  WHERE s.execution_id = ANY (ARRAY(
      SELECT id FROM fenced WHERE ord = ANY ($${first}::int[]) OR (mode = ${MODE.ended} AND expected >= ${SNAPSHOT_EVERY})))
    AND s.seq < (SELECT CASE f.mode WHEN ${MODE.ended} THEN f.next_seq + 1 ELSE f.next_seq END FROM fenced f WHERE f.id = s.execution_id))`;

/** @param units a unit's ordinal is its index */
export function snapshotParameters(units: readonly PendingUnit[]): string[] {
  const ords: number[] = [];
  const tenants: string[] = [];
  const states: string[] = [];
  units.forEach(({ unit, snapshot }, ordinal) => {
    // The row that a snapshot belongs to is there already.
    if (snapshot === null || unit.create !== null) return;
    ords.push(ordinal);
    tenants.push(unit.tenantId);
    states.push(snapshot);
  });
  return [plainArray(ords), textArray(tenants), jsonList(states)];
}

/** The newest snapshots that this build can read. @param rows executions under the reader's lock */
export async function readSnapshots(
  tx: EntityManager,
  rows: readonly { readonly id: RunId; readonly last_seq: number }[],
): Promise<Map<RunId, RunSnapshot>> {
  const ids = rows.filter(({ last_seq }) => last_seq >= SNAPSHOT_EVERY).map(({ id }) => id);
  if (ids.length === 0) return new Map();
  const found = await tx.query<{ execution_id: string; seq: number; state: Json }[]>(
    `SELECT execution_id, seq, state FROM execution_snapshot
     WHERE execution_id = ANY($1::bigint[]) AND codec = ${CODEC} AND engine_digest = $2 ORDER BY execution_id, seq`,
    [ids, ENGINE_DIGEST],
  );
  return new Map(found.map(({ execution_id, seq, state }) => [execution_id, { seq, state }]));
}
