import { randomUUID } from 'node:crypto';
import { type DataSource } from 'typeorm';
import { ID_EPOCH_MS, NODE_NUMBERS, type NodeNumber } from '../ids.js';
import { type Log } from '../log.js';

const LEASE_MS = 60_000;
const RENEW_EVERY_MS = 20_000;
/** After a failure: ids must not stay out for longer than the database does. */
const RETRY_AFTER_MS = 1_000;
/** Fixed number of the lock that serialises acquiring; "nodenum" in ASCII. */
const ACQUIRE_LOCK = '31085240988333421';

interface Leased extends NodeNumber {
  readonly token: string;
  /** Monotonic time from which the number may belong to somebody else; counted from when the statement was sent (D13). */
  readonly deadline: number;
}

/**
 * The node number of this process, leased in table `node`. Its row keeps a high-water mark that no owner ever minted above, and the next owner
 * starts above it; so ids stay unique over crashes and clock steps (D35).
 */
export class NodeNumberLease {
  private leased: Leased | null = null;
  private timer: NodeJS.Timeout | null = null;
  private renewing: Promise<void> | null = null;
  private stopped = false;
  /** Counts `forget`: what was asked for before belongs to another database. */
  private forgotten = 0;

  constructor(
    private readonly db: DataSource,
    private readonly log: Log,
    private readonly now: () => number = Date.now,
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** Takes a number and keeps it until `stop`. Rejects where the database cannot be asked or all numbers are taken. */
  async start(): Promise<void> {
    await this.take();
    this.renewAfter(RENEW_EVERY_MS);
  }

  /** The database is another one: there the number may be anybody's. Another is taken as soon as it answers; until then no id is minted. */
  forget(): void {
    this.forgotten += 1;
    if (this.leased === null && this.renewing === null) return;
    this.leased = null;
    this.renewAfter(0);
  }

  /** The number, or null once the lease could have gone elsewhere. */
  readonly current = (): NodeNumber | null => (this.leased !== null && this.monotonic() < this.leased.deadline ? this.leased : null);

  /** Extends the lease, or takes another number where this one was lost. */
  async renew(): Promise<void> {
    const mine = this.leased;
    if (mine === null) return await this.take();
    const sent = this.monotonic();
    const limit = this.limitFrom(mine.highWater);
    const [rows] = await this.db.query<[unknown[], number]>(
      `UPDATE node SET lease_until = clock_timestamp() + $3 * interval '1 millisecond', high_water = greatest(high_water, $4)
       WHERE number = $1 AND lease_token = $2 AND lease_until > clock_timestamp() RETURNING number`,
      [mine.number, mine.token, LEASE_MS, limit],
    );
    if (this.leased !== mine) return await this.take();
    if (rows.length === 1) {
      this.leased = { ...mine, limit, deadline: sent + LEASE_MS };
    } else {
      this.log.warn({ nodeNumber: mine.number }, 'the node number was lost; taking another');
      this.leased = null;
      await this.take();
    }
  }

  private async take(): Promise<void> {
    const { forgotten } = this;
    const taken = await this.acquire();
    if (forgotten !== this.forgotten) throw new Error('the node number was taken in a database that was left meanwhile');
    this.leased = taken;
  }

  /** Gives the number back. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
    await this.renewing;
    const mine = this.leased;
    this.leased = null;
    if (mine === null) return;
    await this.db.query(`UPDATE node SET lease_until = clock_timestamp() WHERE number = $1 AND lease_token = $2`, [
      mine.number,
      mine.token,
    ]);
  }

  private renewAfter(delayMs: number): void {
    if (this.stopped) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      // One after the other: a forgotten one may still be under way.
      this.renewing = Promise.resolve(this.renewing)
        .then(() => this.renew())
        .then(
          () => this.renewAfter(this.leased === null ? RETRY_AFTER_MS : RENEW_EVERY_MS),
          (error: unknown) => {
            this.log.warn({ err: error }, 'the node number could not be renewed');
            this.renewAfter(RETRY_AFTER_MS);
          },
        );
    }, delayMs);
    this.timer.unref();
  }

  private async acquire(): Promise<Leased> {
    const token = randomUUID();
    return await this.db.transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock(${ACQUIRE_LOCK})`);
      const sent = this.monotonic();
      // The lowest mark first: a number taken again at once would push the ids into the future by its margin.
      const found = await tx.query<{ number: number; high_water: string }[]>(
        `SELECT n AS number, coalesce(node.high_water, 0) AS high_water
         FROM generate_series(0, ${NODE_NUMBERS - 1}) n LEFT JOIN node ON node.number = n
         WHERE node.number IS NULL OR node.lease_until <= clock_timestamp()
         ORDER BY high_water, n LIMIT 1`,
      );
      const free = found[0];
      if (free === undefined) throw new Error(`all ${NODE_NUMBERS} node numbers are taken`);
      const highWater = Number(free.high_water);
      const limit = this.limitFrom(highWater);
      await tx.query(
        `INSERT INTO node (number, lease_token, lease_until, high_water) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond', $4)
         ON CONFLICT (number) DO UPDATE SET lease_token = excluded.lease_token, lease_until = excluded.lease_until, high_water = excluded.high_water`,
        [free.number, token, LEASE_MS, limit],
      );
      return { number: free.number, highWater, limit, token, deadline: sent + LEASE_MS };
    });
  }

  /** How far this lease may mint: twice its length past the later of clock and mark, so that a renewal always comes in time. */
  private limitFrom(highWater: number): number {
    return Math.max(this.now() - ID_EPOCH_MS, highWater) + 2 * LEASE_MS;
  }
}
