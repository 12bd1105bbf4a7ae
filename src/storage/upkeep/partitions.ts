import { type DataSource, type EntityManager } from 'typeorm';
import { firstIdAt } from '../ids.js';
import { type Log } from '../log.js';
import { sqlStateOf } from '../connection/sql-state.js';

const WEEK_MS = 7 * 24 * 3_600_000;
const CHECK_EVERY_MS = 3_600_000;
/** Where somebody reads history for long, as a backup does. */
const RETRY_AFTER_MS = 5 * 60_000;
/** How long readers and writers of history may be held up by a partition that is made while somebody reads. */
const LONGEST_WAIT_MS = 200;
const LOCK_NOT_AVAILABLE = '55P03';
/** This week's and two ahead. */
const WEEKS = 3;
const TABLES = ['execution_event', 'execution_payload', 'execution_blob'];
/** Fixed number of the lock that one maker holds; "partitn" in ASCII. */
const LOCK = '31640494105551982';

/** Makes the weekly partitions of history and payloads, by ranges of the time-ordered ids (D36). */
export class Partitions {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly db: DataSource,
    private readonly log: Log,
    private readonly now: () => number = Date.now,
  ) {}

  /** Makes what is missing now and every hour. Rejects only at the first time, and not where somebody reads just now: the next weeks are there already. */
  async start(): Promise<void> {
    this.after((await this.made()) ? CHECK_EVERY_MS : RETRY_AFTER_MS);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private after(waitMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      void this.made()
        .catch((error: unknown) => {
          this.log.error({ err: error }, 'partitions could not be made');
          return false;
        })
        .then((made) => this.after(made ? CHECK_EVERY_MS : RETRY_AFTER_MS));
    }, waitMs);
    this.timer.unref();
  }

  /** False where somebody holds what it needs. */
  private async made(): Promise<boolean> {
    try {
      await this.ensure();
      return true;
    } catch (error) {
      if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
      this.log.warn({}, 'partitions are made later: somebody reads history for long');
      return false;
    }
  }

  /** @returns the names of the partitions made here; none where another node is at it */
  async ensure(): Promise<string[]> {
    const made = await this.db.transaction(async (tx) => {
      const [lock] = await tx.query<{ mine: boolean }[]>(`SELECT pg_try_advisory_xact_lock(${LOCK}) AS mine`);
      if (lock?.mine !== true) return null;
      await tx.query(`SET LOCAL lock_timeout = ${LONGEST_WAIT_MS}`);
      const names: string[] = [];
      const thisWeek = Math.floor(this.now() / WEEK_MS);
      for (let week = thisWeek; week < thisWeek + WEEKS; week++) {
        for (const table of TABLES) {
          const name = await makePartition(tx, table, week * WEEK_MS);
          if (name !== null) names.push(name);
        }
      }
      return names;
    });
    if (made === null) return [];
    if (made.length > 0) this.log.info({ partitions: made }, 'partitions made');
    for (const table of TABLES) {
      const [found] = await this.db.query<{ some: boolean }[]>(`SELECT EXISTS (SELECT FROM ${table}_default) AS some`);
      if (found?.some === true)
        this.log.error({ table: `${table}_default` }, 'rows fell into the DEFAULT partition: their ids are outside of all ranges');
    }
    return made;
  }
}

async function makePartition(tx: EntityManager, table: string, fromMs: number): Promise<string | null> {
  const name = `${table}_${new Date(fromMs).toISOString().slice(0, 10).replaceAll('-', '')}`;
  const [found] = await tx.query<{ exists: boolean }[]>(`SELECT to_regclass($1) IS NOT NULL AS exists`, [name]);
  if (found?.exists === true) return null;
  const [from, to] = [firstIdAt(fromMs), firstIdAt(fromMs + WEEK_MS)];
  // Rows of this range that DEFAULT caught would refuse the partition for ever: they move along.
  const moved = await tx.query<{ held: boolean }[]>(
    `SELECT EXISTS (SELECT FROM ${table}_default WHERE execution_id >= $1 AND execution_id < $2) AS held`,
    [String(from), String(to)],
  );
  if (moved[0]?.held !== true) {
    await tx.query(`CREATE TABLE ${name} PARTITION OF ${table} FOR VALUES FROM (${from}) TO (${to})`);
    return name;
  }
  await tx.query(`CREATE TABLE ${name} (LIKE ${table} INCLUDING ALL)`);
  await tx.query(
    `WITH moved AS (DELETE FROM ${table}_default WHERE execution_id >= ${from} AND execution_id < ${to} RETURNING *) INSERT INTO ${name} SELECT * FROM moved`,
  );
  await tx.query(`ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM (${from}) TO (${to})`);
  return name;
}
