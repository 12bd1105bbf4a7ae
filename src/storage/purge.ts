import { type DataSource } from 'typeorm';
import { type RunStatus } from '../engine/run/events.js';
import { firstIdAt } from './ids.js';

/** Rows per transaction, so that a purge holds no lock for long (R10). */
const BATCH = 1_000;
const PARTITIONED = ['execution_event', 'execution_payload'] as const;

/** Which finished executions go. */
export interface PurgeSelection {
  /** Ended longer ago than this. */
  readonly olderThanMs: number;
  readonly statuses: readonly Extract<RunStatus, 'completed' | 'failed' | 'cancelled'>[];
  /** Exact path, or everything below it with a trailing `/*`; null = all. */
  readonly path: string | null;
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
    let after = '0';
    for (;;) {
      const removed = await this.db.query<{ id: string }[]>(REMOVE, [...parametersOf(selection), after]);
      if (removed.length === 0) break;
      executions += removed.length;
      after = removed.reduce((last, { id }) => (BigInt(id) > BigInt(last) ? id : last), after);
      yield { executions, partitions: [] };
    }
    yield { executions, partitions: await this.dropEmptyPartitions(Date.now() - selection.olderThanMs) };
  }

  private async dropEmptyPartitions(before: number): Promise<string[]> {
    const dropped: string[] = [];
    for (const table of PARTITIONED) {
      for (const { name, from, to } of await this.partitionsOf(table)) {
        if (to > firstIdAt(before)) continue;
        if (await this.dropIfEmpty(name, from, to)) dropped.push(name);
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

  /** Nothing of the range may be open or retained, seen in the very transaction that drops. */
  private async dropIfEmpty(name: string, from: bigint, to: bigint): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const [found] = await tx.query<{ some: boolean }[]>(`SELECT EXISTS (SELECT FROM execution WHERE id >= $1 AND id < $2) AS some`, [
        String(from),
        String(to),
      ]);
      if (found?.some !== false) return false;
      await tx.query(`DROP TABLE "${name.replaceAll('"', '""')}"`);
      return true;
    });
  }
}

function parametersOf({ olderThanMs, statuses, path, tenantId }: PurgeSelection): unknown[] {
  const below = path?.endsWith('/*') ? path.slice(0, -1) : null;
  return [olderThanMs, statuses, below === null ? path : null, below, tenantId];
}

/** Ids are time-ordered, so the walk goes along the primary key and needs no index on ended_at. */
const CHOSEN = `e.ended_at < clock_timestamp() - $1 * interval '1 millisecond' AND e.status = ANY($2::text[])
  AND ($3::text IS NULL OR e.path = $3) AND ($4::text IS NULL OR starts_with(e.path, $4)) AND ($5::text IS NULL OR e.tenant_id = $5) AND e.id > $6::bigint`;

const REMOVE = `
  WITH doomed AS MATERIALIZED (SELECT e.id, e.status FROM execution e WHERE ${CHOSEN} ORDER BY e.id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED),
  keys AS (UPDATE idempotency_key k SET final_status = d.status FROM doomed d WHERE k.execution_id = d.id),
  events AS (DELETE FROM execution_event x USING doomed d WHERE x.execution_id = d.id),
  payloads AS (DELETE FROM execution_payload x USING doomed d WHERE x.execution_id = d.id),
  inboxes AS (DELETE FROM execution_inbox x USING doomed d WHERE x.execution_id = d.id),
  snapshots AS (DELETE FROM execution_snapshot x USING doomed d WHERE x.execution_id = d.id),
  rows AS (DELETE FROM execution x USING doomed d WHERE x.id = d.id)
  SELECT id FROM doomed`;
