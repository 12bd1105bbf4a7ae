import { type DataSource } from 'typeorm';
import { type RunId } from '../../engine/ports.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';

/** Messages looked at by one statement. */
const SLICE = 1_000;
/** Slices of one round; the next round goes on where this one stopped. */
const SLICES_PER_ROUND = 20;

/**
 * Messages are deleted with the unit that consumes them, so this small table says which runs have unread ones: neither a scan of all executions
 * nor an index that every message would have to maintain. Locks nothing.
 */
const LOOK = `
  SELECT i.execution_id, i.inbox_seq,
    coalesce(e.lease_token IS NULL AND e.inbox_seq > e.inbox_consumed AND e.status NOT IN ('completed', 'failed', 'cancelled')
      AND (e.wake_at IS NULL OR e.wake_at > clock_timestamp() + $3 * interval '1 millisecond'), false) AS asleep
  FROM (SELECT execution_id, inbox_seq FROM execution_inbox WHERE (execution_id, inbox_seq) > ($1::bigint, $2::int)
        ORDER BY execution_id, inbox_seq LIMIT ${SLICE}) i
  LEFT JOIN execution e ON e.id = i.execution_id
  ORDER BY i.execution_id, i.inbox_seq`;

/** Looks again under the lock: whoever holds it just now is working on the row. */
const WAKE = `
  UPDATE execution e SET wake_at = clock_timestamp()
  FROM (SELECT id FROM execution WHERE id = ANY($1::bigint[]) AND lease_token IS NULL AND inbox_seq > inbox_consumed
          AND (wake_at IS NULL OR wake_at > clock_timestamp() + $2 * interval '1 millisecond')
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) asleep
  WHERE e.id = asleep.id RETURNING e.id`;

interface Seen {
  readonly execution_id: string;
  readonly inbox_seq: number;
  readonly asleep: boolean;
}

/**
 * The net below D5 and D6: wakes executions that nobody holds and nothing makes due within a lease although they have unread messages. By the
 * protocol there are none, so each find is logged as an error; but an execution must not sleep for ever because of one fault (C6).
 */
export class InboxSweep {
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<number> | null = null;
  private stopped = false;
  private after: { readonly id: string; readonly inboxSeq: number } = { id: '0', inboxSeq: 0 };

  constructor(
    private readonly db: DataSource,
    private readonly lease: LeaseTerm,
    /** Told where rows became due. */
    private readonly woken: () => void,
    private readonly log: Log,
  ) {}

  /** Sweeps for as long as this node lives, whatever its role. */
  start(): void {
    this.timer = setInterval(() => void this.sweep(), this.lease.renewEveryMs);
    this.timer.unref();
  }

  /** Resolves once no round is under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer !== null) clearInterval(this.timer);
    await this.round;
  }

  /** One round, or the one under way; resolves with how many executions were woken. Never rejects. */
  sweep(): Promise<number> {
    this.round ??= this.walk()
      .catch((error: unknown) => {
        this.log.warn({ err: error }, 'unread messages could not be looked for');
        return 0;
      })
      .finally(() => (this.round = null));
    return this.round;
  }

  private async walk(): Promise<number> {
    let count = 0;
    for (let slice = 0; slice < SLICES_PER_ROUND && !this.stopped; slice++) {
      const seen = await this.db.query<Seen[]>(LOOK, [this.after.id, this.after.inboxSeq, this.lease.ms]);
      const last = seen.at(-1);
      // Gone on before any row is touched: one that fails must not hold the walk at its place.
      this.after = last && seen.length === SLICE ? { id: last.execution_id, inboxSeq: last.inbox_seq } : { id: '0', inboxSeq: 0 };
      const ids = [...new Set(seen.filter(({ asleep }) => asleep).map((row) => row.execution_id))];
      if (ids.length > 0) count += await this.wakeAll(ids);
      if (seen.length < SLICE) break;
    }
    if (count > 0) this.woken();
    return count;
  }

  private async wakeAll(ids: readonly RunId[]): Promise<number> {
    try {
      return await this.wake(ids);
    } catch (error) {
      if (ids.length === 1) {
        this.log.error({ err: error, runId: ids[0] }, 'an execution with unread messages could not be woken');
        return 0;
      }
      let count = 0;
      for (const id of ids) count += await this.wakeAll([id]);
      return count;
    }
  }

  private async wake(ids: readonly RunId[]): Promise<number> {
    const [rows] = await this.db.query<[{ id: string }[], number]>(WAKE, [ids, this.lease.ms]);
    if (rows.length > 0) {
      this.log.error({ runIds: rows.slice(0, 10).map(({ id }) => id), executions: rows.length }, 'executions slept with unread messages');
    }
    return rows.length;
  }
}
