import { type DatabaseLoan } from '../../engine/database-port.js';
import { type JsonObject } from '../../engine/values.js';
import { type ResolvedCredential, type StepContext } from '../../engine/step-executor.js';

export type DatabaseEnd = 'source' | 'target';

/** The server gives up a little later than the engine, so that the engine is the one who says why. */
const SERVER_GRACE_MS = 5_000;

/** The credential of one side: its alias is the side (src/engine/playbook/normalise-transfer.ts). */
export function authOf({ auth }: StepContext, side: DatabaseEnd): ReadonlyMap<string, ResolvedCredential> {
  const credential = auth.get(side);
  return credential ? new Map([[side, credential]]) : new Map();
}

export function loanOf({ tenantId, signal, timeoutMs }: StepContext): DatabaseLoan {
  return { tenantId, signal, statementTimeoutMs: timeoutMs === null ? null : timeoutMs + SERVER_GRACE_MS };
}

/** A message with the SQLSTATE of it, which DuckDB has none of. */
export const withState = (message: string, sqlState: string): string => (sqlState === '' ? message : `${message} (${sqlState})`);
export const stateOf = (sqlState: string): JsonObject => (sqlState === '' ? {} : { sqlstate: sqlState });
