import { type DataSource } from 'typeorm';
import { type Timing } from '../timing.js';

/** Answers older than two of these say nothing any more: the database's clock may have been set, or the database be another. */
const WINDOW_MS = 60_000;
const REFRESH_MS = 20_000;

/**
 * The database's clock, as far as this process can know it without asking: due times are by that clock alone (D18, R3), whatever the clock of this
 * machine says. Every answer that carries the database's time bounds it from below: when it arrives, the database is at least that far. So this
 * clock is never ahead of the database, and behind it by no more than the quickest answer of late took to arrive.
 */
export class DatabaseClock {
  /** Largest difference between the database's time and the monotonic clock, of this window and the one before. */
  private current = -Infinity;
  private former = -Infinity;
  private windowEndsAt = -Infinity;
  private stopRefresh: (() => void) | null = null;

  constructor(private readonly timing: Timing) {}

  /** Asks once, and goes on asking now and then, for when nothing else does. */
  async start(db: DataSource): Promise<void> {
    await this.ask(db);
    // While the database is away the clock goes on by itself.
    this.stopRefresh = this.timing.every(REFRESH_MS, () => void this.ask(db).catch(() => undefined));
  }

  stop(): void {
    this.stopRefresh?.();
  }

  /** An answer has just arrived in which the database said what time it was; epoch milliseconds. */
  heard(databaseMs: number): void {
    const monotonic = this.timing.monotonic();
    if (monotonic >= this.windowEndsAt) {
      // What was heard before a long silence is forgotten with the window it belongs to.
      this.former = monotonic < this.windowEndsAt + WINDOW_MS ? this.current : -Infinity;
      this.current = -Infinity;
      this.windowEndsAt = monotonic + WINDOW_MS;
    }
    this.current = Math.max(this.current, databaseMs - monotonic);
  }

  /** Whole epoch milliseconds; this machine's own clock before the first answer. */
  now(): number {
    const offset = Math.max(this.current, this.former);
    return offset === -Infinity ? this.timing.now() : Math.floor(this.timing.monotonic() + offset);
  }

  private async ask(db: DataSource): Promise<void> {
    const [row] = await db.query<{ at: number }[]>(`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at`);
    if (row) this.heard(row.at);
  }
}
