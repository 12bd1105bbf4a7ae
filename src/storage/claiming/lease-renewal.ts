import { type QueryResultRow } from 'pg';
import { plainArray } from '../batch/array-parameters.js';
import { type CommitSignals } from '../commit-signals.js';
import { type DatabaseHistory } from '../connection/database-history.js';
import { type HeldRuns, type Hold } from './held-runs.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';
import { type Connection, OwnConnection } from '../connection/own-connection.js';
import { PROCESS_TIMING, type Timing } from '../timing.js';

/** Inboxes are asked for so often at least, and several times within a lease. */
const INBOX_POLL_MS = 1_000;
const POLLS_PER_LEASE = 6;

const renewStatement = (lease: LeaseTerm): string => `
  UPDATE execution e SET lease_until = ${lease.untilSql}
  FROM (SELECT x.id FROM execution x JOIN unnest($1::bigint[], $2::uuid[]) u(id, token) ON x.id = u.id AND x.lease_token = u.token
        ORDER BY x.id FOR NO KEY UPDATE OF x SKIP LOCKED) r
  WHERE e.id = r.id RETURNING e.id, e.inbox_seq`;

interface InboxRow {
  readonly id: string;
  readonly inbox_seq: number;
}

/**
 * Keeps the leases of all runs held here, and asks for their inboxes where a notification may have been lost (D5, D11). On a connection of its
 * own: neither a busy pool nor a slow writer may cost a lease.
 */
export class LeaseRenewal {
  /** Leases renewed here so far. */
  renewals = 0;
  private stops: (() => void)[] = [];
  private renewing = false;
  private polling = false;
  private readonly statement: string;
  private lastAnswer: Promise<unknown> = Promise.resolve();

  constructor(
    url: string,
    private readonly lease: LeaseTerm,
    private readonly held: HeldRuns,
    private readonly signals: CommitSignals,
    history: DatabaseHistory,
    private readonly log: Log,
    private readonly timing: Timing = PROCESS_TIMING,
    private readonly connection: Connection = new OwnConnection({
      url,
      role: 'leases',
      lease,
      history,
      log,
      answerWithinMs: lease.renewEveryMs,
    }),
  ) {
    this.statement = renewStatement(lease);
  }

  start(): void {
    this.stops = [
      this.timing.every(this.lease.renewEveryMs, () => void this.renew()),
      this.timing.every(Math.min(INBOX_POLL_MS, this.lease.ms / POLLS_PER_LEASE), () => void this.pollInboxes()),
    ];
  }

  /** No lease is renewed any more. */
  async stop(): Promise<void> {
    for (const stop of this.stops) stop();
    await this.lastAnswer;
    await this.connection.close().catch(() => undefined);
  }

  /** One statement for all holds; a row that is locked just now is being renewed by its own unit, or is tried again in time. */
  async renew(): Promise<void> {
    const holds = this.held.stored();
    if (this.renewing || holds.length === 0) return;
    this.renewing = true;
    try {
      let sent = 0;
      const rows = await this.ask<InboxRow>(this.statement, [idsOf(holds), plainArray(holds.map((hold) => hold.token))], () => {
        sent = this.timing.monotonic();
      });
      this.renewals += rows.length;
      const renewed = new Set(rows.map((row) => row.id));
      for (const hold of holds) if (renewed.has(hold.runId)) this.held.renewed(hold, sent);
      this.tell(holds, rows);
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
      const rows = await this.ask<InboxRow>(`SELECT id, inbox_seq FROM execution WHERE id = ANY($1::bigint[])`, [idsOf(holds)]);
      this.tell(holds, rows);
    } catch (error) {
      this.log.warn({ err: error }, 'inboxes could not be polled');
    } finally {
      this.polling = false;
    }
  }

  private tell(holds: readonly Hold[], rows: readonly InboxRow[]): void {
    const inboxes = new Map(rows.map((row) => [row.id, row.inbox_seq]));
    for (const hold of holds) if ((inboxes.get(hold.runId) ?? 0) > hold.seenInbox) this.signals.inboxMoved(hold.runId);
  }

  /** One statement after the other on the one connection; dropped after a failure, so that the next one begins anew. */
  private ask<Row extends QueryResultRow>(text: string, values: string[], sending?: () => void): Promise<Row[]> {
    const answer = this.lastAnswer.then(async () => {
      await this.connection.open();
      sending?.();
      try {
        return await this.connection.query<Row>({ text, values });
      } catch (error) {
        this.connection.drop();
        throw error;
      }
    });
    this.lastAnswer = answer.catch(() => undefined);
    return answer;
  }
}

const idsOf = (holds: readonly Hold[]): string => plainArray(holds.map((hold) => hold.runId));
