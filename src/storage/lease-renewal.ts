import { type DataSource } from 'typeorm';
import { LEASE_MS } from './batch-statement.js';
import { type CommitSignals } from './commit-signals.js';
import { type HeldRuns } from './held-runs.js';
import { type Log } from './log.js';

const INBOX_POLL_MS = 1_000;
const RENEW_EVERY_MS = LEASE_MS / 3;

const RENEW = `
  UPDATE execution e SET lease_until = clock_timestamp() + interval '${LEASE_MS} milliseconds'
  FROM (SELECT x.id FROM execution x JOIN unnest($1::bigint[], $2::uuid[]) u(id, token) ON x.id = u.id AND x.lease_token = u.token
        ORDER BY x.id FOR NO KEY UPDATE OF x SKIP LOCKED) r
  WHERE e.id = r.id RETURNING e.id`;

/** Keeps the leases of all runs held here, and asks for their inboxes where a notification may have been lost (D5, D11). */
export class LeaseRenewal {
  private timers: NodeJS.Timeout[] = [];
  private renewing = false;
  private polling = false;

  constructor(
    private readonly db: DataSource,
    private readonly held: HeldRuns,
    private readonly signals: CommitSignals,
    private readonly log: Log,
  ) {}

  start(): void {
    this.timers = [setInterval(() => void this.renew(), RENEW_EVERY_MS), setInterval(() => void this.pollInboxes(), INBOX_POLL_MS)];
    for (const timer of this.timers) timer.unref();
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  /** One statement for all holds; a row that is locked just now is being renewed by its own unit, or is tried again in time. */
  async renew(): Promise<void> {
    const holds = this.held.stored();
    if (this.renewing || holds.length === 0) return;
    this.renewing = true;
    const sent = performance.now();
    try {
      const [rows] = await this.db.query<[{ id: string }[], number]>(RENEW, [
        holds.map((hold) => hold.runId),
        holds.map((hold) => hold.token),
      ]);
      const renewed = new Set(rows.map((row) => row.id));
      for (const hold of holds) if (renewed.has(hold.runId)) hold.deadline = sent + LEASE_MS;
    } catch (error) {
      this.log.warn({ err: error, runs: holds.length }, 'leases could not be renewed');
    } finally {
      this.renewing = false;
    }
  }

  /** Tells of every held run whose inbox is ahead of what it has seen. */
  async pollInboxes(): Promise<void> {
    const holds = this.held.stored();
    if (this.polling || holds.length === 0) return;
    this.polling = true;
    try {
      const rows = await this.db.query<{ id: string; inbox_seq: number }[]>(
        `SELECT id, inbox_seq FROM execution WHERE id = ANY($1::bigint[])`,
        [holds.map((hold) => hold.runId)],
      );
      const inboxes = new Map(rows.map((row) => [row.id, row.inbox_seq]));
      for (const hold of holds) if ((inboxes.get(hold.runId) ?? 0) > hold.seenInbox) this.signals.inboxMoved(hold.runId);
    } catch (error) {
      this.log.warn({ err: error }, 'inboxes could not be polled');
    } finally {
      this.polling = false;
    }
  }
}
