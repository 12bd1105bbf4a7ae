import { type ClientConfig } from 'pg';
import { type LeaseTerm, STANDARD_LEASE } from '../lease-term.js';

export const CONNECT_TIMEOUT_MS = 3_000;
/** For a connection and for an answer to what a request asks: it is answered within 5 s, whatever the database does. */
export const REQUEST_ANSWER_MS = 4_000;
/** PostgreSQL's own defaults are "none" (R6). */
const STATEMENT_TIMEOUT_MS = 30_000;
/** For the work behind the requests: it fires where the server does not end the statement by itself. */
export const PATIENT_ANSWER_MS = STATEMENT_TIMEOUT_MS + 5_000;

/**
 * How every connection of this service reaches the database: bounded in every wait, found dead by keepalive.
 * @param role what the connection is for; shown in pg_stat_activity as `showrunner:<role>`
 * @param lease bounds how long it may wait for locks, and sit in a transaction
 */
export function connectionOptions(url: string, role: string, lease: LeaseTerm = STANDARD_LEASE): ClientConfig {
  return {
    connectionString: url,
    application_name: `showrunner:${role}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: lease.lockTimeoutMs,
    idle_in_transaction_session_timeout: lease.idleInTransactionMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}
