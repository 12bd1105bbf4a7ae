import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { LeaseTerm } from '../../src/storage/lease-term.js';

/** Longer than any test stands in the way. The statement time-outs of the sessions remain. */
const PATIENCE_MS = 20_000;

/** A lease under which no session gives up waiting, or is given up, while a test makes up its mind. */
export class PatientLease extends LeaseTerm {
  override readonly lockTimeoutMs = PATIENCE_MS;
  override readonly idleInTransactionMs = PATIENCE_MS;
}

/** Somebody else on the database: stands in the way of others in a transaction of its own, and sees who waits. */
export class Bystander {
  private constructor(
    private readonly holder: pg.Client,
    private readonly observer: pg.Client,
    /** Of the server's process that holds. */
    private readonly pid: number,
  ) {}

  static async of(url: string): Promise<Bystander> {
    const [holder, observer] = [new pg.Client(url), new pg.Client(url)];
    await holder.connect();
    await observer.connect();
    const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return new Bystander(holder, observer, rows[0]?.pid ?? NaN);
  }

  /** Begins a transaction and does this in it; `end` ends it. */
  async begin(statement: string, values: readonly unknown[] = []): Promise<void> {
    await this.holder.query('BEGIN');
    await this.holder.query(statement, [...values]);
  }

  /** Begins a transaction that locks the rows of these executions. */
  async lock(...ids: readonly string[]): Promise<void> {
    await this.begin('SELECT FROM execution WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE', [ids]);
  }

  async end(how: 'COMMIT' | 'ROLLBACK' = 'COMMIT'): Promise<void> {
    await this.holder.query(how);
  }

  /** Waits until at least so many sessions of this database wait for locks. */
  async untilWaiting(sessions: number): Promise<void> {
    for (let found = -1; found < sessions;) {
      if (found >= 0) await sleep(5);
      const { rowCount } = await this.observer.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      found = rowCount ?? 0;
    }
  }

  /** Waits until the server has been up for so long. */
  async untilUpFor(ms: number): Promise<void> {
    await this.observer.query(
      `SELECT pg_sleep(greatest(0, $1::float8 / 1000 - extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) + 0.01))`,
      [ms],
    );
  }

  /** Ends the sessions that wait for the transaction held here. */
  async terminateWaiting(): Promise<void> {
    await this.observer.query(
      `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.datname = current_database() AND $1 = ANY (pg_blocking_pids(a.pid))`,
      [this.pid],
    );
  }

  /** Ids of those executions whose rows nobody has locked now. */
  async free(...ids: readonly string[]): Promise<string[]> {
    const { rows } = await this.observer.query<{ id: string }>(
      'SELECT id FROM execution WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED',
      [ids],
    );
    return rows.map(({ id }) => id);
  }

  async close(): Promise<void> {
    await this.holder.end();
    await this.observer.end();
  }
}
