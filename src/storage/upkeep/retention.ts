import { setTimeout as delay } from 'node:timers/promises';
import { type DataSource, type EntityManager } from 'typeorm';
import { type RetentionRule } from '../../config/retention-rules.js';
import { type Log } from '../log.js';
import { Purge, type PurgeSelection } from './purge.js';

const EVERY_MS = 10 * 60_000;
/** Between two batches, so that the writers of executions come first. */
const PAUSE_MS = 50;
const BATCH = 1_000;
/** Partitions younger than this may still get rows. */
const PARTITION_REST_MS = 24 * 3_600_000;
/** Bulk operations are kept so long after their end. */
const BULK_KEPT_DAYS = 90;
/** Fixed number of the lock that one remover holds; "retentn" in ASCII. */
export const RETENTION_LOCK = '32199697937364078';

/** What a round removed. */
export interface RetentionReport {
  readonly executions: number;
  readonly idempotencyKeys: number;
  readonly bulkOperations: number;
  readonly partitions: readonly string[];
}

/**
 * Removes by itself what is kept no longer: finished executions by the rules of RETENTION, partitions of which nothing is left, expired
 * idempotency keys (until then they outlive their executions) and old bulk operations. In committed batches, on one node at a time (D36, R10).
 */
export class Retention {
  private readonly purge: Purge;
  private readonly selections: readonly PurgeSelection[];
  private readonly stopped = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: DataSource,
    rules: readonly RetentionRule[],
    private readonly log: Log,
  ) {
    this.purge = new Purge(db);
    this.selections = selectionsOf(rules);
  }

  /** A round now, in the background, and one every ten minutes. */
  start(): void {
    const begin = (): void => {
      this.round = this.round.then(() => this.tidy());
    };
    this.timer = setInterval(begin, EVERY_MS);
    this.timer.unref();
    begin();
  }

  /** Resolves when the batch under way is done. */
  async stop(): Promise<void> {
    this.stopped.abort();
    if (this.timer !== null) clearInterval(this.timer);
    await this.round;
  }

  /** One round; ends early where another node is at it. */
  async apply(): Promise<RetentionReport> {
    let executions = 0;
    for (const selection of this.selections) {
      for await (const removed of this.purge.batches(selection, (remove) => this.inTurn(remove))) {
        executions += removed;
        await this.pause();
      }
    }
    const idempotencyKeys = await this.removeAll(EXPIRED_KEYS);
    const bulkOperations = await this.removeAll(OLD_BULK_OPERATIONS);
    const mayDrop = this.selections.length > 0 && !this.stopped.signal.aborted;
    const partitions = mayDrop ? await this.purge.dropEmptyPartitions(Date.now() - PARTITION_REST_MS) : [];
    return { executions, idempotencyKeys, bulkOperations, partitions };
  }

  private async tidy(): Promise<void> {
    if (this.stopped.signal.aborted) return;
    try {
      const report = await this.apply();
      const { executions, idempotencyKeys, bulkOperations, partitions } = report;
      if (executions + idempotencyKeys + bulkOperations + partitions.length > 0)
        this.log.info(report, 'what is kept no longer was removed');
    } catch (error) {
      this.log.error({ err: error }, 'what is kept no longer could not be removed; it is tried again later');
    }
  }

  private async removeAll(statement: string): Promise<number> {
    for (let removed = 0; ;) {
      const rows = await this.inTurn((tx) => tx.query<{ one: number }[]>(statement));
      removed += rows?.length ?? 0;
      if (rows === null || rows.length < BATCH) return removed;
      await this.pause();
    }
  }

  /** A transaction under the lock; a session's lock would be lost behind a transaction pooler. null: another node's turn, or the end. */
  private async inTurn<Result>(work: (tx: EntityManager) => Promise<Result>): Promise<Result | null> {
    if (this.stopped.signal.aborted) return null;
    return await this.db.transaction(async (tx) => {
      const [lock] = await tx.query<{ mine: boolean }[]>(`SELECT pg_try_advisory_xact_lock(${RETENTION_LOCK}) AS mine`);
      return lock?.mine === true ? await work(tx) : null;
    });
  }

  private async pause(): Promise<void> {
    await delay(PAUSE_MS, undefined, { signal: this.stopped.signal }).catch(() => undefined);
  }
}

/** Each rule removes what no rule with a more specific path decides. */
export function selectionsOf(rules: readonly RetentionRule[]): PurgeSelection[] {
  return rules.flatMap(({ path, status, keptMs }) => {
    if (keptMs === null) return [];
    const exceptPaths = rules.flatMap((other) => (other.status === status && isWithin(other.path, path) ? (other.path ?? []) : []));
    return [{ olderThanMs: keptMs, statuses: [status], path, exceptPaths, tenantId: null }];
  });
}

/** True where a rule's path is another one's below `path`, and so more specific. */
function isWithin(other: string | null, path: string | null): boolean {
  if (other === null || other === path) return false;
  return path === null || (path.endsWith('/*') && other.startsWith(path.slice(0, -1)));
}

const EXPIRED_KEYS = `
  WITH expired AS MATERIALIZED (SELECT tenant_id, key FROM idempotency_key WHERE expires_at <= clock_timestamp()
    ORDER BY expires_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED),
  gone AS (DELETE FROM idempotency_key k USING expired x WHERE k.tenant_id = x.tenant_id AND k.key = x.key RETURNING 1 AS one)
  SELECT one FROM gone`;

const OLD_BULK_OPERATIONS = `
  WITH old AS MATERIALIZED (SELECT id FROM bulk_operation WHERE ended_at < clock_timestamp() - interval '${BULK_KEPT_DAYS} days'
    ORDER BY ended_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED),
  gone AS (DELETE FROM bulk_operation b USING old x WHERE b.id = x.id RETURNING 1 AS one)
  SELECT one FROM gone`;
