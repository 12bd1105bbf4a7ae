import { type DataSource, type EntityManager } from 'typeorm';
import { type EngineParent, type HeldRun, type NewRun, type RowState, type RunId, type RunSnapshot } from '../../engine/ports.js';
import { type RunEvent } from '../../engine/run/events.js';
import { type JsonObject } from '../../engine/values.js';
import { CODEC } from '../history/event-codec.js';
import { readCancels, readHistories } from '../history/history.js';
import { type LeaseTerm } from '../lease-term.js';
import { readSnapshots } from '../batch/snapshots.js';
import { isTransient, sqlStateOf } from '../connection/sql-state.js';

/** From so many expired leases on a run is a suspect: a node runs one such at a time. */
export const SUSPECT_ATTEMPTS = 2;
/** So many expired leases end a run as poison: three of them as its node's only suspect (D16). */
export const POISON_ATTEMPTS = 5;

/** A negative priority puts a run behind others for so long at most; see NewRun.priority. */
const LONGEST_STANDING_BACK = `interval '100 seconds'`;
/** No holder has recorded anything of it, and from now on it is only ended, as expired. */
const TOO_LATE = `status = 'pending' AND expires_at <= clock_timestamp()`;
const DUE = `lease_token IS NULL AND wake_at <= clock_timestamp() AND (${TOO_LATE}) IS NOT TRUE`;
/** Not due yet for no other reason than their priority, and never claimed before. */
const STANDING_BACK = `lease_token IS NULL AND status = 'pending' AND priority < 0 AND claim_no = 0 AND wake_at <= clock_timestamp() + ${LONGEST_STANDING_BACK}
  AND (start_at IS NULL OR start_at <= clock_timestamp()) AND (${TOO_LATE}) IS NOT TRUE`;

/** Rows of a newer codec are left to nodes that know it (D25), those held here to their runs (D14). */
const claimStatement = (lease: LeaseTerm, chosen: string, orderedBy: 'wake_at' | 'expires_at'): string => `
  UPDATE execution e SET lease_token = gen_random_uuid(), lease_until = ${lease.untilSql},
    claim_no = e.claim_no + 1, wake_at = NULL
  FROM (SELECT id FROM execution WHERE ${chosen} AND codec <= ${CODEC} AND id <> ALL($2::bigint[])
        ORDER BY ${orderedBy} LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) chosen
  WHERE e.id = chosen.id RETURNING e.*`;

const expiredSql = (lease: LeaseTerm): string =>
  `lease_until < clock_timestamp() AND clock_timestamp() > pg_postmaster_start_time() + interval '${lease.ms} milliseconds'`;

/** 1, or 0 where the lease ran out while the database was away: that says nothing about its holder (D16). Null: it was never away. */
const COUNTED = `CASE WHEN lease_until < clock_timestamp() - $4::float8 * interval '1 millisecond' THEN 0 ELSE 1 END`;

/**
 * Rows whose holder let its lease expire: it crashed, or cannot reach the database. Such claims count (D16); a suspect is taken only where
 * this node runs none, and one at a time. Those that are only to be ended go first and alone: whatever else is claimed might crash the node before
 * their end is written. After a restart of the database nothing has expired before its holders had a lease's time to renew.
 */
const sweepStatement = (lease: LeaseTerm): string => `
  WITH expired AS MATERIALIZED (
    SELECT id, attempts + ${COUNTED} >= ${POISON_ATTEMPTS} AS over FROM execution
    WHERE lease_token IS NOT NULL AND ${expiredSql(lease)} AND codec <= ${CODEC} AND id <> ALL($2::bigint[])
      AND (${TOO_LATE}) IS NOT TRUE AND attempts + ${COUNTED} NOT BETWEEN ${SUSPECT_ATTEMPTS} AND ${POISON_ATTEMPTS - 1}
    ORDER BY over DESC, id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED),
  suspect AS MATERIALIZED (
    SELECT id FROM execution WHERE lease_token IS NOT NULL AND ${expiredSql(lease)} AND codec <= ${CODEC} AND id <> ALL($2::bigint[])
      AND (${TOO_LATE}) IS NOT TRUE AND attempts + ${COUNTED} BETWEEN ${SUSPECT_ATTEMPTS} AND ${POISON_ATTEMPTS - 1} AND $3::boolean
      AND NOT EXISTS (SELECT FROM expired WHERE over)
    ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
  UPDATE execution e SET lease_token = gen_random_uuid(), lease_until = ${lease.untilSql},
    claim_no = e.claim_no + 1, attempts = e.attempts + ${COUNTED}, wake_at = NULL
  WHERE e.id IN (SELECT id FROM expired WHERE over OR NOT EXISTS (SELECT FROM expired WHERE over) UNION ALL SELECT id FROM suspect) RETURNING e.*`;

/**
 * Releases claimed runs of which nothing was written. They are due at a time, so nobody's message can be slept through: it needs no fence by
 * inbox, and consumes none. A row that has another holder by now is left alone.
 */
const GIVE_BACK = `
  UPDATE execution e SET lease_token = NULL, lease_until = NULL, attempts = coalesce(mine.attempts, e.attempts),
    wake_at = least(e.wake_at, clock_timestamp() + mine.after_ms * interval '1 millisecond')
  FROM (SELECT x.id, u.after_ms, u.attempts FROM execution x
        JOIN unnest($1::bigint[], $2::uuid[], $3::float8[], $4::smallint[]) u(id, token, after_ms, attempts) ON x.id = u.id AND x.lease_token = u.token
        ORDER BY x.id FOR NO KEY UPDATE OF x) mine
  WHERE e.id = mine.id`;

/** A claimed run that goes back, due again `afterMs` from now. */
export interface GivenBack {
  readonly held: HeldRun;
  readonly afterMs: number;
  /** What its row counts from then on (D16); null: what it counts now. */
  readonly attempts: number | null;
}

interface ClaimedRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly catalog_id: string;
  readonly path: string;
  readonly playbook_name: string;
  readonly version: string;
  readonly shown_version: string;
  readonly requested_version: string;
  readonly execution_type: NewRun['executionType'];
  readonly digest: string;
  readonly merge: boolean;
  readonly metadata: JsonObject | null;
  readonly parent_execution_id: string | null;
  readonly parent_event_id: string | null;
  readonly parent_step: string | null;
  readonly parent_run_id: string | null;
  readonly parent_wave: number | null;
  readonly parent_item: string | null;
  readonly lineage: readonly string[] | null;
  readonly forked_from: string | null;
  readonly priority: number;
  readonly start_at: Date | null;
  readonly expires_at: Date | null;
  readonly timeout_at: Date | null;
  readonly status: RowState['status'];
  readonly progress: number;
  readonly current_step: string | null;
  readonly waiting_for: RowState['waitingFor'];
  readonly error: RowState['error'];
  readonly created_at: Date;
  readonly lease_token: string;
  readonly claim_no: number;
  readonly last_seq: number;
  readonly inbox_consumed: number;
  readonly inbox_seq: number;
  readonly attempts: number;
}

/**
 * Claims due rows, longest due first, and where there are too few, those that stand back for others. Reads what a holder needs in the same
 * transaction: where reading fails, nothing is claimed.
 * @param limit at most so many
 * @param excluded ids whose former run is still held here (D14)
 * @param sending called right before what leases them is sent: until then the connection may have been long in coming (D13)
 */
export async function claimDue(
  db: DataSource,
  lease: LeaseTerm,
  limit: number,
  excluded: readonly RunId[],
  sending?: () => void,
): Promise<HeldRun[]> {
  const statements = [claimStatement(lease, DUE, 'wake_at'), claimStatement(lease, STANDING_BACK, 'wake_at')];
  return await claimRows(db, limit, excluded, statements, [], sending);
}

/** Claims rows that it is too late to begin: their holder must end them. Otherwise as claimDue. */
export async function claimTooLate(
  db: DataSource,
  lease: LeaseTerm,
  limit: number,
  excluded: readonly RunId[],
  sending?: () => void,
): Promise<HeldRun[]> {
  const free = `(lease_token IS NULL OR ${expiredSql(lease)})`;
  return await claimRows(db, limit, excluded, [claimStatement(lease, `${TOO_LATE} AND ${free}`, 'expires_at')], [], sending);
}

/**
 * As claimDue, for rows whose leases have expired.
 * @param suspectToo whether a run that was with several crashed holders may be among them
 * @param excusedBeforeMs leases that ran out longer ago than this are not counted against their runs; null: every one is
 */
export async function claimExpired(
  db: DataSource,
  lease: LeaseTerm,
  limit: number,
  excluded: readonly RunId[],
  suspectToo: boolean,
  excusedBeforeMs: number | null = null,
  sending?: () => void,
): Promise<HeldRun[]> {
  return await claimRows(db, limit, excluded, [sweepStatement(lease)], [suspectToo, excusedBeforeMs], sending);
}

/** Rows were claimed, and something of them cannot be read; nothing of the claim was kept. */
export class UnreadableClaim extends Error {
  constructor(
    readonly ids: readonly RunId[],
    options: ErrorOptions,
  ) {
    super('what belongs to claimed executions cannot be read', options);
  }
}

/**
 * @param statements each is asked for what those before it left of `limit`
 * @throws UnreadableClaim where it is the rows and not the database that fails
 */
async function claimRows(
  db: DataSource,
  limit: number,
  excluded: readonly RunId[],
  statements: readonly string[],
  parameters: readonly unknown[],
  sending?: () => void,
): Promise<HeldRun[]> {
  return await db.transaction(async (tx) => {
    sending?.();
    const rows: ClaimedRow[] = [];
    for (const statement of statements) {
      if (rows.length >= limit) break;
      const [more] = await tx.query<[ClaimedRow[], number]>(statement, [limit - rows.length, excluded, ...parameters]);
      rows.push(...more);
    }
    if (rows.length === 0) return [];
    try {
      return await readClaimed(tx, rows);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === null ? await isLost(tx) : isTransient(state)) throw error;
      throw new UnreadableClaim(
        rows.map((row) => row.id),
        { cause: error },
      );
    }
  });
}

/** Whether an error that is none of the server's is that of a connection which is gone: then it says nothing about the rows. */
async function isLost(tx: EntityManager): Promise<boolean> {
  return await tx.query('SELECT 1').then(
    () => false,
    (error: unknown) => sqlStateOf(error) === null,
  );
}

/**
 * Of suspects the snapshot is not believed: their events say the same, and a broken one must not cost the run. Of those that are only to be
 * ended nothing is read that may be what their holders failed on.
 */
async function readClaimed(tx: EntityManager, rows: readonly ClaimedRow[]): Promise<HeldRun[]> {
  const idsOf = (some: readonly ClaimedRow[]): RunId[] => some.map((row) => row.id);
  const [going, over] = [rows.filter((row) => row.attempts < POISON_ATTEMPTS), rows.filter((row) => row.attempts >= POISON_ATTEMPTS)];
  const snapshots = await readSnapshots(
    tx,
    going.filter((row) => row.attempts < SUSPECT_ATTEMPTS),
  );
  const events = await readHistories(tx, idsOf(going), snapshots);
  const cancels = await readCancels(tx, idsOf(over));
  const payloads = await tx.query<{ execution_id: string; parameters: JsonObject; workload: JsonObject | null }[]>(
    `SELECT execution_id, parameters, workload FROM execution_payload WHERE execution_id = ANY($1::bigint[]) AND part = 0`,
    [idsOf(going)],
  );
  const payloadOf = new Map(payloads.map((payload) => [payload.execution_id, payload]));
  return rows.map((row) =>
    row.attempts < POISON_ATTEMPTS
      ? heldRun(row, payloadOf.get(row.id), snapshots.get(row.id) ?? null, events.get(row.id) ?? [])
      : heldRun({ ...row, ...NO_TIMES }, undefined, null, cancels.get(row.id) ?? []),
  );
}

/** What stands for the times of a run that is only to be ended: they may be what cannot be read. */
const NO_TIMES = { created_at: new Date(0), start_at: null, expires_at: null, timeout_at: null } as const;

/** Counts that nobody could read a run: it stays due, and whoever claims it after so many times only ends it (D16). */
export async function countUnreadable(db: DataSource, lease: LeaseTerm, id: RunId): Promise<void> {
  await db.query(
    `UPDATE execution SET attempts = least(attempts + 1, ${POISON_ATTEMPTS}) WHERE id = $1 AND (lease_token IS NULL OR ${expiredSql(lease)})`,
    [id],
  );
}

/** Gives claimed runs back; those that have another holder by now are left alone. */
export async function giveBack(db: DataSource, some: readonly GivenBack[]): Promise<void> {
  await db.query(GIVE_BACK, [
    some.map(({ held }) => held.run.id),
    some.map(({ held }) => held.token),
    some.map(({ afterMs }) => afterMs),
    some.map(({ attempts }) => attempts),
  ]);
}

function heldRun(
  row: ClaimedRow,
  payload: { parameters: JsonObject; workload: JsonObject | null } | undefined,
  snapshot: RunSnapshot | null,
  events: readonly RunEvent[],
): HeldRun {
  return {
    run: {
      id: row.id,
      tenantId: row.tenant_id,
      catalogId: row.catalog_id,
      path: row.path,
      playbookName: row.playbook_name,
      version: row.version,
      shownVersion: row.shown_version,
      requestedVersion: row.requested_version,
      executionType: row.execution_type,
      digest: row.digest,
      parameters: payload?.parameters ?? {},
      merge: row.merge,
      workload: payload?.workload ?? null,
      metadata: row.metadata ?? {},
      parentExecutionId: row.parent_execution_id,
      parentEventId: row.parent_event_id,
      parentStep: row.parent_step,
      parent: parentOf(row),
      forkedFrom: row.forked_from,
      kept: [],
      priority: row.priority,
      startAt: row.start_at?.getTime() ?? null,
      expiresAt: row.expires_at?.getTime() ?? null,
      timeoutAt: row.timeout_at?.getTime() ?? null,
      idempotency: null,
    },
    token: row.lease_token,
    claimNo: row.claim_no,
    history: {
      snapshot,
      events,
      lastSeq: row.last_seq,
      row: { status: row.status, progress: row.progress, currentStep: row.current_step, waitingFor: row.waiting_for, error: row.error },
      inboxConsumed: row.inbox_consumed,
      inboxSeq: row.inbox_seq,
      createdAt: row.created_at.getTime(),
      attempts: row.attempts,
    },
  };
}

/** Null for every run that no engine made. */
function parentOf({
  parent_run_id: runId,
  parent_step: step,
  parent_wave: wave,
  parent_item: item,
  lineage,
}: ClaimedRow): EngineParent | null {
  if (runId === null || step === null || wave === null) return null;
  return { runId, step, wave, item, depth: lineage?.length ?? 1, lineage: lineage ?? [] };
}
