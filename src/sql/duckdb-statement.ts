import { type DuckDbStatement } from '../engine/duckdb-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { isObject, type Json } from '../engine/values.js';
import { type SqlStatement } from './sql-statement.js';
import { writeStatement } from './write-statement.js';

/** A statement as it is sent: bound values keep their types, as DuckDB makes no number of a text where it calculates. */
export function duckDbStatement(statement: SqlStatement): DuckDbStatement {
  const { text, ownText } = writeStatement(statement, { dialect: 'duckdb' });
  const binds = statement.parts.flatMap((part) => (isObject(part) && (part.as === 'bind' || part.as === 'bind_array') ? [part.value] : []));
  return { text, ownText, values: binds };
}

/** The name of a kept database, or null for the one of the execution. Throws StepFailure. */
export function databaseName(rendered: Json): string | null {
  if (rendered === null || rendered === '' || rendered === ':memory:') return null;
  if (typeof rendered === 'string') return rendered;
  throw new StepFailure('invalid_parameters', 'database must be the name of a file', { retryable: false });
}
