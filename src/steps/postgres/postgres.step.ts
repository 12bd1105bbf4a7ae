import { type Databases, DatabaseError, type DatabaseSession, type SqlPolicy } from '../../engine/database-port.js';
import { defineStep } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { isObject, type Json, type JsonObject } from '../../engine/values.js';
import { tablesThere } from '../../sql/asserted-tables.js';
import { connectionTarget, renderConnection } from '../../sql/connection-config.js';
import { ofLastRows, runStatements, statementFailure } from '../../sql/run-statements.js';
import { tableStatements } from '../../sql/table-writes.js';
import { parsePostgresConfig } from './postgres.config.js';
import { type PostgresRequest } from './postgres.request.js';
import { postgresSave } from './postgres.save.js';

/** The server gives up a little later than the engine, so that the engine is the one who says why. */
const SERVER_GRACE_MS = 5_000;

/** Runs SQL on a PostgreSQL database, statement by statement and by default in one transaction; saves rows there. */
const postgresStep = (databases: Databases, policy: SqlPolicy) =>
  defineStep({
    kind: 'postgres',
    effect: true,
    defaultTimeoutSeconds: 60,
    valueAliases: { rows: ofLastRows('rows'), row_count: ofLastRows('row_count'), columns: ofLastRows('columns') },
    parse: parsePostgresConfig,
    save: postgresSave(policy),

    render(config, inputs, scope, rendering): PostgresRequest {
      return {
        does: 'statements',
        connection: renderConnection(config.connection, inputs, scope, rendering),
        statements: config.command.render(scope, rendering, config.parameters.render(scope, rendering), policy),
        transaction: isTrue(config.transaction.render(scope, rendering)),
        ...(config.tables.length > 0 ? { tables: [...config.tables] } : {}),
      };
    },

    async execute(request, context) {
      const loan = {
        tenantId: context.tenantId,
        signal: context.signal,
        statementTimeoutMs: context.timeoutMs === null ? null : context.timeoutMs + SERVER_GRACE_MS,
      };
      return databases.use(connectionTarget(request.connection, context.auth), loan, async (session) => {
        const value = await perform(request, session, policy);
        if (request.does === 'save_rows' || !request.tables) return { value };
        return { value, tables: await tablesThere(session, request.tables) };
      });
    },
  });

const factory: StepFactory = ({ databases, sqlPolicy }) => postgresStep(databases, sqlPolicy);
export default factory;

async function perform(request: PostgresRequest, session: DatabaseSession, { maxRows }: SqlPolicy): Promise<JsonObject> {
  if (request.does === 'save_rows') return saveRows(request, session);
  const value = await runStatements(session, request.statements, { transaction: request.transaction, maxRows });
  if (request.does === 'statements') return value;
  const counts = Object.values(value).map((result) => (isObject(result) ? Number(result['row_count']) : 0));
  return { ...value, table: null, row_count: counts.reduce((sum, count) => sum + count, 0) };
}

async function saveRows(request: PostgresRequest & { does: 'save_rows' }, session: DatabaseSession): Promise<JsonObject> {
  const statements = [...tableStatements(request, 'postgres')];
  const inTransaction = statements.length > 1;
  let rowCount = 0;
  if (inTransaction) await session.control('BEGIN');
  for (const [index, statement] of statements.entries()) {
    const outcome = await session.run(statement, { maxRows: 0, maxBytes: 0 }).catch((error: unknown): never => {
      if (!(error instanceof DatabaseError)) throw error;
      throw statementFailure(error, { number: index + 1, of: statements.length }, inTransaction);
    });
    if (!statement.text.startsWith('DELETE')) rowCount += outcome.rowCount ?? 0;
  }
  if (inTransaction) await session.control('COMMIT');
  return { table: request.table, row_count: rowCount };
}

function isTrue(rendered: Json): boolean {
  if (typeof rendered === 'string') return !['false', 'no', 'off', 'n', '0', ''].includes(rendered.trim().toLowerCase());
  return rendered !== false && rendered !== 0 && rendered !== null;
}
