import { jsonList, plainArray, textArray } from './array-parameters.js';
import { type PendingUnit } from './pending-unit.js';

/**
 * What the batch statement has besides where units open or close approvals: rows that come with the wait of their step, and are closed with the end of it,
 * each under the fence of its unit. What a decision or its time has closed before stays as it is. Rows of approvals are locked after those of their
 * executions, here and wherever decisions are taken.
 * @param first number of the first of the nine parameters that `approvalParameters` makes
 */
export const approvalParts = (first: number): string => `,
opened AS (
  INSERT INTO approval (id, tenant_id, execution_id, step, wave, path, version, title, message, data, form, scopes, subjects, quorum, requested_by,
    created_at, expires_at)
  SELECT x.id, x.tenant, x.execution, x.request ->> 'step', (x.request ->> 'wave')::int, x.request ->> 'path', x.request ->> 'version',
    x.request ->> 'title', x.request ->> 'message', x.request -> 'data', x.request -> 'form',
    ARRAY(SELECT json_array_elements_text(x.request -> 'approvers' -> 'scopes')),
    ARRAY(SELECT json_array_elements_text(x.request -> 'approvers' -> 'subjects')),
    (x.request ->> 'quorum')::smallint, ARRAY(SELECT json_array_elements_text(x.request -> 'requesters')),
    (SELECT now FROM clock), to_timestamp((x.request ->> 'expiresAt')::float8 / 1000)
  FROM (SELECT u.id, u.tenant, u.execution, u.request::json AS request, u.ord
    FROM unnest($${first}::bigint[], $${first + 1}::text[], $${first + 2}::bigint[], string_to_array($${first + 3}::text, chr(31), ''), $${first + 4}::int[])
      AS u(id, tenant, execution, request, ord)) x
  WHERE (x.ord IS NULL AND x.execution NOT IN (SELECT id FROM denied)) OR x.ord IN (SELECT ord FROM fenced)),
closed AS (
  UPDATE approval a SET state = 'cancelled', closed_at = (SELECT now FROM clock)
  FROM unnest($${first + 5}::bigint[], $${first + 6}::text[], $${first + 7}::int[], $${first + 8}::int[])
    AS x(ended, ended_step, ended_wave, ord)
  WHERE a.execution_id = x.ended AND (x.ended_step IS NULL OR (a.step = x.ended_step AND a.wave = x.ended_wave)) AND a.state = 'open'
    AND (x.ord IN (SELECT ord FROM fenced)) IS TRUE)`;

/** The parameters of these parts. @param units a unit's ordinal is its index */
export function approvalParameters(units: readonly PendingUnit[]): string[] {
  const opens = units.flatMap(({ unit, approvals }, index) =>
    (approvals?.opens ?? []).map((request) => ({ ...request, unit, ordinal: unit.create === null ? index : null })),
  );
  const closes = units.flatMap(({ unit, approvals }, ordinal) => {
    if (!approvals || unit.create !== null) return [];
    const all = approvals.closesAll ? [{ step: null, wave: null }] : approvals.closes;
    return all.map(({ step, wave }) => ({ id: unit.runId, step, wave, ordinal }));
  });
  return [
    plainArray(opens.map(({ id }) => id)),
    textArray(opens.map(({ unit }) => unit.tenantId)),
    plainArray(opens.map(({ unit }) => unit.runId)),
    jsonList(opens.map(({ json }) => json)),
    plainArray(opens.map(({ ordinal }) => ordinal)),
    plainArray(closes.map(({ id }) => id)),
    textArray(closes.map(({ step }) => step)),
    plainArray(closes.map(({ wave }) => wave)),
    plainArray(closes.map(({ ordinal }) => ordinal)),
  ];
}
