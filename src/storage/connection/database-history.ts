import { type Log } from '../log.js';
import { sqlStateOf } from './sql-state.js';

/**
 * Whose history it is: the system identifier is made with the cluster, the timeline changes with every promotion of a standby, and both stay
 * through restarts and crashes. The timeline is the one that is written to now; the control file has it only after the next checkpoint. A server
 * in recovery writes none. Any role may ask all of this unless its operator took that away.
 */
const IDENTITY = `
  SELECT system_identifier::text AS system,
    CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
  FROM pg_control_system()`;

/** SQLSTATEs of servers that refuse to answer, or do not know the functions. */
const UNANSWERABLE = new Set(['42501', '42883', '0A000']);

interface Identity {
  readonly system: string;
  readonly timeline: string | null;
}

/** What can ask the database something. */
export interface Asking {
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>;
}

/** The connection reaches another history than this process knew: whatever was to be done on it must be thought over. */
export class OtherHistory extends Error {
  constructor() {
    super('the database has another history than before');
  }
}

/**
 * Notices that the database is another one than before (D19): a standby that was promoted, a backup that was restored, another server behind the
 * same address. What was read from the former one (runs, leases, numbers, caches) then says nothing any more.
 */
export class DatabaseHistory {
  private known: Identity | null = null;
  private changes = 0;
  private toldOfSilence = false;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly log: Log) {}

  /** Counts the changes: what was read under another number belongs to another history. */
  get number(): number {
    return this.changes;
  }

  /** Hears of a change, before anything is done on the new history's connection. Must not throw. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Asks a new connection, before it is used, which history it reaches. Rejects where the database does not answer.
   * @returns false where it is another than before; everybody who listens has then been told
   */
  async isSame(connection: Asking): Promise<boolean> {
    const found = await this.ask(connection);
    if (found === null) return true;
    const before = this.known;
    this.known = { ...found, timeline: found.timeline ?? (before?.system === found.system ? before.timeline : null) };
    if (before === null || !differ(before, found)) return true;
    this.changes += 1;
    this.log.error(
      { before, now: found },
      'the database has another history than before (failover or restore): all executions held here are dropped and claimed anew',
    );
    for (const tell of this.listeners) tell();
    return false;
  }

  private async ask(connection: Asking): Promise<Identity | null> {
    try {
      const { rows } = await connection.query(IDENTITY);
      return rows[0] as Identity;
    } catch (error) {
      if (!UNANSWERABLE.has(sqlStateOf(error) ?? '')) throw error;
      if (!this.toldOfSilence) this.log.warn({ err: error }, 'the database does not tell its identity; a failover cannot be noticed');
      this.toldOfSilence = true;
      return null;
    }
  }
}

const differ = (a: Identity, b: Identity): boolean =>
  a.system !== b.system || (a.timeline !== null && b.timeline !== null && a.timeline !== b.timeline);
