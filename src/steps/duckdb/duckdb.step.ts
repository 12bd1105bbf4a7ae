import { type SqlPolicy, type StatementOutcome } from '../../engine/database-port.js';
import { type DuckDb, type DuckDbOutcome, type DuckDbStatement } from '../../engine/duckdb-port.js';
import { defineStep, type StepContext, StepFailure } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { type JsonObject } from '../../engine/values.js';
import { tablesThereInDuckDb } from '../../sql/asserted-tables.js';
import { databaseName, duckDbStatement } from '../../sql/duckdb-statement.js';
import { ofLastRows } from '../../sql/run-statements.js';
import { tableStatements } from '../../sql/table-writes.js';
import { filesOf, isTrue, parseDuckDbConfig } from './duckdb.config.js';
import { type DuckDbRequest } from './duckdb.request.js';
import { duckDbSave } from './duckdb.save.js';
import { secretsOf } from './duckdb.secrets.js';

/** Runs SQL on a DuckDB database of the execution, or on a named one; saves rows there. */
const duckDbStep = (duckdb: DuckDb, policy: SqlPolicy) =>
  defineStep({
    kind: 'duckdb',
    effect: true,
    defaultTimeoutSeconds: 60,
    valueAliases: {
      rows: ofLastRows('rows'),
      row_count: ofLastRows('row_count'),
      columns: ofLastRows('columns'),
    },
    parse: parseDuckDbConfig,
    save: duckDbSave(policy),

    render(config, _inputs, scope, rendering): DuckDbRequest {
      return {
        does: 'statements',
        database: databaseName(config.database.render(scope, rendering)),
        files: filesOf(config.files.render(scope, rendering)),
        statements: config.command.render(scope, rendering, config.parameters.render(scope, rendering), policy),
        transaction: isTrue(config.transaction.render(scope, rendering)),
        ...(config.tables.length > 0 ? { tables: [...config.tables] } : {}),
      };
    },

    async execute(request, context) {
      const statements = statementsOf(request);
      const tables = request.does === 'save_rows' ? undefined : request.tables;
      const outcome = await duckdb.run({
        tenantId: context.tenantId,
        executionId: context.executionId,
        database: request.database,
        files: request.does === 'save_rows' ? {} : request.files,
        statements: tables ? [...statements, tablesThereInDuckDb(tables)] : statements,
        transaction: request.does === 'save_rows' || request.transaction,
        secrets: secretsOf(context.auth),
        maxRows: request.does === 'statements' ? policy.maxRows : 0,
        signal: context.signal,
      });
      if (!outcome.ok) throw failureOf(outcome, statements.length, context);
      const value = valueOf(request, outcome.results.slice(0, statements.length), statements);
      return tables ? { value, tables: outcome.results.at(-1)!.rows.map(({ name }) => String(name)) } : { value };
    },
  });

const factory: StepFactory = ({ duckdb, sqlPolicy }) => duckDbStep(duckdb, sqlPolicy);
export default factory;

function statementsOf(request: DuckDbRequest): DuckDbStatement[] {
  return request.does === 'save_rows' ? [...tableStatements(request, 'duckdb')] : request.statements.map(duckDbStatement);
}

function valueOf(request: DuckDbRequest, results: readonly StatementOutcome[], statements: readonly DuckDbStatement[]): JsonObject {
  const changed = results.reduce(
    (sum, { rowCount }, index) => sum + (statements[index]!.text.startsWith('DELETE') ? 0 : (rowCount ?? 0)),
    0,
  );
  if (request.does === 'save_rows') return { table: request.table, row_count: changed };
  const value = Object.fromEntries(results.map((result, index) => [`command_${index}`, commandValue(result)]));
  return request.does === 'statements' ? value : { ...value, table: null, row_count: changed };
}

/** `{status, rows, row_count, columns}` of what returns rows, else `{status, row_count, message}`. */
function commandValue({ columns, rows, rowCount, truncated, message }: StatementOutcome): JsonObject {
  if (columns === null) return { status: 'success', row_count: rowCount ?? 0, message };
  return { status: 'success', rows: [...rows], row_count: rows.length, columns: [...columns], ...(truncated ? { truncated: true } : {}) };
}

function failureOf(failed: DuckDbOutcome & { ok: false }, of: number, { claimNo }: StepContext): StepFailure {
  if (failed.at < 0) return new StepFailure(failed.code, `The database could not be opened: ${failed.message}`);
  const undone = failed.undone ? '; nothing of its transaction was kept' : '';
  const elsewhere =
    failed.fresh && claimNo > 1 && failed.message.startsWith('Catalog Error')
      ? '; another node began this execution, and its private database is there'
      : '';
  const number = Math.min(failed.at + 1, of);
  return new StepFailure(failed.code, `Statement ${number} of ${of} failed: ${failed.message}${undone}${elsewhere}`, {
    cause: { statement: number },
    retryable: failed.code === 'sql_error',
  });
}
