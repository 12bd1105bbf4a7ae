import { type ClientConfig } from 'pg';

export const CONNECT_TIMEOUT_MS = 3_000;
export const ACQUIRE_TIMEOUT_MS = 5_000;
/** PostgreSQL's own defaults are "none" (R6). lock and idle stay below lease/6 and lease/2 of the 15 s lease (D11). */
const STATEMENT_TIMEOUT_MS = 30_000;
const LOCK_TIMEOUT_MS = 2_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000;

/**
 * How every connection of this service reaches the database: bounded in every wait, found dead by keepalive.
 * @param role what the connection is for; shown in pg_stat_activity as `showrunner:<role>`
 */
export function connectionOptions(url: string, role: string): ClientConfig {
  return {
    connectionString: url,
    application_name: `showrunner:${role}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}
