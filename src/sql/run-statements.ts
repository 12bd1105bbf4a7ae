import { DatabaseError, type DatabaseSession, type StatementOutcome } from '../engine/database-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { type Json, type JsonObject, own } from '../engine/values.js';
import { type SqlStatement } from './sql-statement.js';
import { planTransactions } from './transactions.js';
import { writeStatement } from './write-statement.js';

/** Of all rows of a step together: more could not be stored as its value. */
const MAX_BYTES = 16 * 1_048_576;

/**
 * Performs statements in order and stops at the first that fails; what shares its transaction is then undone.
 * @returns `{command_0, command_1, …}`, one per statement
 * @throws StepFailure `sql_error` with the number of the statement and its SQLSTATE, without any value
 */
export async function runStatements(
  session: DatabaseSession,
  statements: readonly SqlStatement[],
  { transaction, maxRows }: { readonly transaction: boolean; readonly maxRows: number },
): Promise<JsonObject> {
  const value: JsonObject = {};
  const plan = planTransactions(statements, transaction);
  let maxBytes = MAX_BYTES;
  for (const [index, { statement, inTransaction }] of plan.entries()) {
    const place = { number: index + 1, of: statements.length };
    const before = plan[index - 1]?.inTransaction ?? false;
    if (inTransaction && !before) await session.control('BEGIN');
    try {
      const written = writeStatement(statement, { dialect: 'postgres', backslashEscapes: session.backslashEscapes });
      const outcome = await session.run(written, { maxRows, maxBytes });
      const result = resultOf(outcome);
      maxBytes -= outcome.rows.length === 0 ? 0 : JSON.stringify(result).length;
      value[`command_${index}`] = result;
      if (inTransaction && !(plan[index + 1]?.inTransaction ?? false)) await session.control('COMMIT');
    } catch (error) {
      throw error instanceof DatabaseError ? statementFailure(error, place, inTransaction) : error;
    }
  }
  if (session.isInTransaction) {
    await session.control('ROLLBACK');
    throw new StepFailure('sql_error', 'The SQL ends with its own transaction open: it was rolled back', { retryable: false });
  }
  return value;
}

/** `{status, rows, row_count, columns}` of what returns rows, else `{status, row_count, message}`. */
function resultOf({ columns, rows, rowCount, truncated, message }: StatementOutcome): JsonObject {
  if (columns === null) return { status: 'success', row_count: rowCount ?? 0, message };
  return { status: 'success', rows: [...rows], row_count: rows.length, columns: [...columns], ...(truncated ? { truncated: true } : {}) };
}

/** A failure of one statement, as the step reports it. */
export function statementFailure(
  error: DatabaseError,
  place: { readonly number: number; readonly of: number },
  undone: boolean,
): StepFailure {
  const { sqlState, about, message } = error;
  const kept = undone ? '; nothing of its transaction was kept' : '';
  const text = `Statement ${place.number} of ${place.of} failed: ${message} (${sqlState})${kept}`;
  const cause = { sqlstate: sqlState, statement: place.number, ...about };
  // Nobody of ours cancelled it: the server kept the time. (A COPY that gets no data ends with the same state.)
  const isLate = sqlState === '57014' && !message.includes('COPY');
  return new StepFailure(isLate ? 'timeout' : 'sql_error', text, { cause });
}

/** The part of a value that the last statement with rows has under this name (playbook language §6.4). */
export function ofLastRows(name: 'rows' | 'row_count' | 'columns'): (value: Json) => Json | undefined {
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const results = Object.entries(value).filter(([key]) => /^command_\d+$/.test(key));
    const last = results.map(([, result]) => result as JsonObject).findLast((result) => own(result, 'rows') !== undefined);
    return last && own(last, name);
  };
}
