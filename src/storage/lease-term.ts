const LONGEST_LOCK_WAIT_MS = 2_000;
const LONGEST_IDLE_TRANSACTION_MS = 5_000;

/** How long a lease lasts, and what follows from it (docs/architecture.md, D11 to D13). Fixed for the life of a process. */
export class LeaseTerm {
  /** Leases are renewed this often where no commit renews them. */
  readonly renewEveryMs: number;
  /** A writer slower than this must not take more on: overload would become the expiry of its own leases. */
  readonly slowCommitMs: number;
  /** Below a sixth of the lease: waiting for a row must not cost the leases of others. */
  readonly lockTimeoutMs: number;
  /** Below half of the lease: a transaction that its process forgot must not outlive the lease. */
  readonly idleInTransactionMs: number;

  /** @param ms length of a lease, in milliseconds */
  constructor(readonly ms: number) {
    this.renewEveryMs = ms / 3;
    this.slowCommitMs = ms / 6;
    this.lockTimeoutMs = Math.min(LONGEST_LOCK_WAIT_MS, Math.floor(ms / 7));
    this.idleInTransactionMs = Math.min(LONGEST_IDLE_TRANSACTION_MS, Math.floor(ms / 3));
  }

  /** SQL of the moment at which a lease taken or renewed by the statement ends, by the database's clock. */
  get untilSql(): string {
    return `clock_timestamp() + interval '${this.ms} milliseconds'`;
  }
}

/** What a lease is where no setting says otherwise. */
export const STANDARD_LEASE = new LeaseTerm(15_000);
