import { type DataSource, type EntityManager } from 'typeorm';
import { type RunStatus } from '../../engine/run/events.js';
import { firstIdAt } from '../ids.js';
import { isTransient, sqlStateOf } from '../connection/sql-state.js';

/** Rows per transaction, so that a purge holds no lock for long (R10). */
const BATCH = 1_000;
/** How long writers of history may be held up by each lock of the drop of a partition that somebody reads or writes. */
const LONGEST_DROP_WAIT_MS = 200;
const STATEMENT_TIMED_OUT = '57014';
const NO_SUCH_TABLE = '42P01';
/**
 * Of each table, what is locked before its partitions are looked at: every statement that stores an execution names payloads and events, in this order, and
 * has their locks before it stores anything. So none comes into a range that is seen to be empty then, and none waits here the other way round.
 */
const PARTITIONED = {
  execution_event: ['LOCK TABLE ONLY execution_event IN ACCESS EXCLUSIVE MODE'],
  execution_payload: ['LOCK TABLE ONLY execution_payload IN ACCESS EXCLUSIVE MODE'],
  // Most statements do not name large values.
  execution_blob: [
    'LOCK TABLE ONLY execution_payload IN SHARE ROW EXCLUSIVE MODE',
    'LOCK TABLE ONLY execution_blob IN ACCESS EXCLUSIVE MODE',
  ],
} as const;

/** Which finished executions go. */
export interface PurgeSelection {
  /** Ended longer ago than this. */
  readonly olderThanMs: number;
  readonly statuses: readonly Extract<RunStatus, 'completed' | 'failed' | 'cancelled'>[];
  /** Exact path, or everything below it with a trailing `/*`; null = all. */
  readonly path: string | null;
  /** Paths, exact or with a trailing `/*`, that are left out. */
  readonly exceptPaths?: readonly string[];
  /** null = every tenant. */
  readonly tenantId: string | null;
}

export interface PurgeProgress {
  readonly executions: number;
  readonly partitions: readonly string[];
}

/**
 * Removes finished executions with all that belongs to them, in committed batches; idempotency keys stay and remember how
 * their execution ended. Partitions that hold nothing any more are dropped as a whole (D36).
 */
export class Purge {
  constructor(private readonly db: DataSource) {}

  /** How many executions a run would remove now. */
  async count(selection: PurgeSelection): Promise<number> {
    const [row] = await this.db.query<{ count: string }[]>(`SELECT count(*) AS count FROM execution e WHERE ${CHOSEN}`, [
      ...parametersOf(selection),
      '0',
    ]);
    return Number(row?.count ?? 0);
  }

  /** Removes them; tells of every batch. May be stopped and started again at any time. */
  async *run(selection: PurgeSelection): AsyncGenerator<PurgeProgress> {
    let executions = 0;
    for await (const removed of this.batches(selection, (remove) => remove(this.db))) {
      executions += removed;
      yield { executions, partitions: [] };
    }
    yield { executions, partitions: await this.dropEmptyPartitions(Date.now() - selection.olderThanMs) };
  }

  /**
   * Removes executions batch by batch, each told of by its number of them: those that are old enough when it begins, so that it comes to an end however
   * many fall due meanwhile.
   * @param within runs a batch in a transaction of the caller's; null ends it
   */
  async *batches(
    selection: PurgeSelection,
    within: (remove: (db: Querying) => Promise<string[]>) => Promise<string[] | null>,
  ): AsyncGenerator<number> {
    const begun = performance.now();
    let after = '0';
    let size = BATCH;
    for (;;) {
      const olderThanMs = selection.olderThanMs + Math.ceil(performance.now() - begun);
      const parameters = [...parametersOf({ ...selection, olderThanMs }), after, size];
      let removed: string[] | null;
      try {
        removed = await within(async (db) => (await db.query<{ id: string }[]>(REMOVE, parameters)).map(({ id }) => id));
      } catch (error) {
        // Very long histories: fewer at once.
        if (sqlStateOf(error) !== STATEMENT_TIMED_OUT || size === 1) throw error;
        size = Math.ceil(size / 4);
        continue;
      }
      if (removed === null || removed.length === 0) return;
      after = removed.reduce((last, id) => (BigInt(id) > BigInt(last) ? id : last), after);
      yield removed.length;
    }
  }

  /** Drops partitions of which nothing is left and that end before a moment (epoch milliseconds). @returns their names */
  async dropEmptyPartitions(before: number): Promise<string[]> {
    const dropped: string[] = [];
    for (const [table, locks] of Object.entries(PARTITIONED)) {
      for (const { name, from, to } of await this.partitionsOf(table)) {
        if (to > firstIdAt(before)) continue;
        if (await this.dropIfEmpty(name, [String(from), String(to)], locks)) dropped.push(name);
      }
    }
    return dropped;
  }

  private async partitionsOf(table: string): Promise<{ name: string; from: bigint; to: bigint }[]> {
    const rows = await this.db.query<{ name: string; bounds: string }[]>(
      `SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass ORDER BY 1`,
      [table],
    );
    return rows.flatMap(({ name, bounds }) => {
      const range = /FROM \('(\d+)'\) TO \('(\d+)'\)/.exec(bounds);
      return range ? [{ name, from: BigInt(range[1]!), to: BigInt(range[2]!) }] : [];
    });
  }

  /** Nothing of the range may be open or retained, seen where nobody can store any more. A table that is in use stays until the next time. */
  private async dropIfEmpty(name: string, range: readonly [string, string], locks: readonly string[]): Promise<boolean> {
    try {
      return await this.db.transaction(async (tx) => {
        // Most are in use: nobody has to wait for that answer.
        if (!(await isEmpty(tx, range))) return false;
        // Everybody who writes history waits behind these locks.
        await tx.query(`SET LOCAL lock_timeout = ${LONGEST_DROP_WAIT_MS}`);
        for (const lock of locks) await tx.query(lock);
        // Who was about to store an execution of this range has done it by now.
        if (!(await isEmpty(tx, range))) return false;
        await tx.query(`DROP TABLE "${name.replaceAll('"', '""')}"`);
        return true;
      });
    } catch (error) {
      const state = sqlStateOf(error) ?? '';
      // Without the table another node was faster.
      if (isTransient(state) || state === NO_SUCH_TABLE) return false;
      throw error;
    }
  }
}

async function isEmpty(tx: EntityManager, range: readonly [string, string]): Promise<boolean> {
  const [found] = await tx.query<{ some: boolean }[]>(`SELECT EXISTS (SELECT FROM execution WHERE id >= $1 AND id < $2) AS some`, [
    ...range,
  ]);
  return found?.some === false;
}

/** What runs a statement: the data source, or a transaction. */
type Querying = Pick<DataSource | EntityManager, 'query'>;

function parametersOf({ olderThanMs, statuses, path, exceptPaths = [], tenantId }: PurgeSelection): unknown[] {
  const below = path === null ? null : prefixOf(path);
  return [
    olderThanMs,
    statuses,
    below === null ? path : null,
    below,
    tenantId,
    exceptPaths.filter((except) => prefixOf(except) === null),
    exceptPaths.flatMap((except) => prefixOf(except) ?? []),
    String(firstIdAt(Date.now() - olderThanMs)),
  ];
}

/** `a/` of `a/*`; null for an exact path. */
const prefixOf = (path: string): string | null => (path.endsWith('/*') ? path.slice(0, -1) : null);

/**
 * Ids are time-ordered, so the walk goes along the primary key and needs no index on ended_at; none that is old enough has an id of a later
 * time, so the walk ends before the young ones. A run that a going one called stays, because that one may still ask how it ended; one that called
 * going ones stays with them.
 */
const CHOSEN = `e.ended_at < clock_timestamp() - $1 * interval '1 millisecond' AND e.status = ANY($2::text[])
  AND ($3::text IS NULL OR e.path = $3) AND ($4::text IS NULL OR starts_with(e.path, $4)) AND ($5::text IS NULL OR e.tenant_id = $5)
  AND e.path <> ALL($6::text[]) AND NOT EXISTS (SELECT FROM unnest($7::text[]) x(prefix) WHERE starts_with(e.path, x.prefix))
  AND e.id < $8::bigint AND e.id > $9::bigint
  AND NOT EXISTS (SELECT FROM execution c WHERE c.parent_run_id = e.id AND c.status NOT IN ('completed', 'failed', 'cancelled'))
  AND (e.parent_run_id IS NULL OR NOT EXISTS (
    SELECT FROM execution p WHERE p.id = e.parent_run_id AND p.status NOT IN ('completed', 'failed', 'cancelled')))`;

const REMOVE = `
  WITH doomed AS MATERIALIZED (SELECT e.id, e.status FROM execution e WHERE ${CHOSEN} ORDER BY e.id LIMIT $10 FOR UPDATE SKIP LOCKED),
  keys AS (UPDATE idempotency_key k SET final_status = d.status FROM doomed d WHERE k.execution_id = d.id),
  events AS (DELETE FROM execution_event x USING doomed d WHERE x.execution_id = d.id),
  blobs AS (DELETE FROM execution_blob x USING doomed d WHERE x.execution_id = d.id),
  payloads AS (DELETE FROM execution_payload x USING doomed d WHERE x.execution_id = d.id),
  inboxes AS (DELETE FROM execution_inbox x USING doomed d WHERE x.execution_id = d.id),
  snapshots AS (DELETE FROM execution_snapshot x USING doomed d WHERE x.execution_id = d.id),
  approvals AS (DELETE FROM approval x USING doomed d WHERE x.execution_id = d.id),
  rows AS (DELETE FROM execution x USING doomed d WHERE x.id = d.id)
  SELECT id FROM doomed`;
