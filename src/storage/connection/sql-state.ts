import { DatabaseError } from 'pg';

/** The five-character SQLSTATE of a failed statement, also where TypeORM wrapped the error; null where the server did not answer at all. */
export function sqlStateOf(error: unknown): string | null {
  if (error instanceof DatabaseError) return error.code ?? null;
  const driverError = (error as { driverError?: unknown } | null)?.driverError;
  return driverError instanceof DatabaseError ? (driverError.code ?? null) : null;
}

/** idle_in_transaction_session_timeout and transaction_timeout: the server has ended the session. */
const STOOD_STILL: readonly string[] = ['25P03', '25P04'];

/**
 * True where the same statement may pass later (D8): connection (08), insufficient resources (53), serialisation, deadlock, lock and statement
 * time-outs, shutdown (57P0x), system errors (58), a read-only server (25006), and a session that the server ended because its transaction stood
 * still for too long (25P03, 25P04: this process did). Everything else says that the data itself is refused.
 */
export function isTransient(state: string): boolean {
  return /^(08|53|58|57P0)/.test(state) || ['40001', '40P01', '55P03', '57014', '25006', ...STOOD_STILL].includes(state);
}

/** The server is going or is not the primary any more: the connection is of no further use. */
export function condemnsConnection(state: string): boolean {
  return state === '25006' || STOOD_STILL.includes(state) || state.startsWith('57P0') || state.startsWith('08');
}
