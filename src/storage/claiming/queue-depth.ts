import { type DataSource } from 'typeorm';
import { EngineError } from '../../engine/engine-error.js';
import { type Log } from '../log.js';

/** Executions that may be stored and not begun. */
export interface QueueLimits {
  readonly perTenant: number;
  readonly total: number;
}

const COUNT_EVERY_MS = 1_000;
/** Counting takes this share of the time at most: a long queue is counted less often. */
const COUNTING_SHARE = 1 / 20;
/** A refusal rests on a count no older than this. */
const STALE_MS = 5_000;

const COUNT = `
  SELECT tenant_id AS tenant, count(*) AS queued
  FROM (SELECT tenant_id FROM execution WHERE status = 'pending' LIMIT $1) q GROUP BY tenant_id`;

/**
 * Bounds the queue: how many executions wait for somebody to begin them. Counted in the database about once a second while something is queued
 * here, plus what this node has queued since; so several nodes together may go beyond a limit by what they queue between two counts.
 */
export class QueueDepth {
  /** Queued executions by tenant, as counted last. */
  private counted = new Tally();
  private added = new Tally();
  /** Monotonic time at which the last count that succeeded began. */
  private countedAt = -Infinity;
  private nextCountAt = -Infinity;
  private counting: Promise<void> | null = null;

  constructor(
    private readonly db: DataSource,
    private readonly limits: QueueLimits,
    private readonly log: Log,
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** Takes a place in the queue. @throws EngineError queue_full */
  async enter(tenantId: string): Promise<void> {
    const now = this.monotonic();
    if (now >= this.nextCountAt) void this.count();
    if (this.fullFor(tenantId) !== null && now - this.countedAt > STALE_MS) await this.count();
    const full = this.fullFor(tenantId);
    if (full !== null) throw queueFull(full);
    this.added.add(tenantId, 1);
  }

  /**
   * Refuses where the queue is full by a count that is not old, and asks nothing of the database for it.
   * @throws EngineError queue_full
   */
  refuseIfFull(tenantId: string): void {
    const now = this.monotonic();
    if (now >= this.nextCountAt) void this.count();
    const full = this.fullFor(tenantId);
    if (full !== null && now - this.countedAt <= STALE_MS) throw queueFull(full);
  }

  /** Runs took places that nobody refuses: those that admitted ones call. */
  note(tenantId: string, runs: number): void {
    this.added.add(tenantId, runs);
  }

  /** The limit that is reached; null where there is room. */
  private fullFor(tenantId: string): number | null {
    const { perTenant, total } = this.limits;
    if (this.counted.of(tenantId) + this.added.of(tenantId) >= perTenant) return perTenant;
    return this.counted.total + this.added.total >= total ? total : null;
  }

  /** Resolves with the count that is under way, or begins one; a failure leaves what is known. */
  private count(): Promise<void> {
    this.counting ??= this.ask().finally(() => (this.counting = null));
    return this.counting;
  }

  private async ask(): Promise<void> {
    const began = this.monotonic();
    // What is queued from here on may or may not be seen: it counts in any case.
    this.counted.addAll(this.added);
    this.added = new Tally();
    try {
      const rows = await this.db.query<{ tenant: string; queued: string }[]>(COUNT, [this.limits.total]);
      this.counted = new Tally();
      for (const { tenant, queued } of rows) this.counted.add(tenant, Number(queued));
      this.countedAt = began;
    } catch (error) {
      this.log.warn({ err: error }, 'queued executions could not be counted');
    }
    const ended = this.monotonic();
    this.nextCountAt = Math.max(began + COUNT_EVERY_MS, ended + (ended - began) / COUNTING_SHARE);
  }
}

const queueFull = (limit: number): EngineError =>
  new EngineError('too_many', 'queue_full', `${limit} executions wait to be begun, which is the limit; nothing was started.`);

class Tally {
  total = 0;
  private readonly byTenant = new Map<string, number>();

  of(tenant: string): number {
    return this.byTenant.get(tenant) ?? 0;
  }

  add(tenant: string, count: number): void {
    this.byTenant.set(tenant, this.of(tenant) + count);
    this.total += count;
  }

  addAll(other: Tally): void {
    for (const [tenant, count] of other.byTenant) this.add(tenant, count);
  }
}
