import { type Databases, type SqlPolicy } from '../../engine/database-port.js';
import { type DuckDb, type DuckDbSession } from '../../engine/duckdb-port.js';
import { type Outbound } from '../../engine/outbound-port.js';
import { defineStep, type StepContext } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { connectionTarget } from '../../sql/connection-config.js';
import { chunksOf } from './transfer.chunks.js';
import { parseTransferConfig } from './transfer.config.js';
import { DuckDbWriter } from './transfer.duckdb.js';
import { authOf, loanOf } from './transfer.ends.js';
import { PostgresQuery, PostgresTable } from './transfer.postgres.js';
import { renderTransfer } from './transfer.render.js';
import { type TransferRequest } from './transfer.request.js';
import { duckDbRows, httpRows, type RowSource, withQueryRows } from './transfer.source.js';
import { type Transferred, writeChunks } from './transfer.target.js';

interface Services {
  readonly databases: Databases;
  readonly duckdb: DuckDb;
  readonly outbound: Outbound;
}

/** Streams rows of a query, or of an HTTP answer, into a table: all of them or none. */
const transferStep = (services: Services, policy: SqlPolicy) =>
  defineStep({
    kind: 'transfer',
    effect: true,
    defaultTimeoutSeconds: 600,
    parse: parseTransferConfig,

    render: (config, _inputs, scope, rendering): TransferRequest => renderTransfer(config, scope, rendering, policy),

    async execute(request, context) {
      const { source, target } = request;
      const { rows, chunks } = await withDuckDb(request, services.duckdb, context, (session) => moved(request, services, context, session));
      const into = target.into === 'table' ? { table: target.table, mode: target.mode } : { table: null, mode: 'query' };
      return { value: { status: 'success', rows_transferred: rows, chunks, source: source.type, target: target.type, ...into } };
    },
  });

const factory: StepFactory = ({ databases, duckdb, outbound, sqlPolicy }) => transferStep({ databases, duckdb, outbound }, sqlPolicy);
export default factory;

/**
 * Opens what is in DuckDB, both sides in one process, before any connection is taken: so nobody who holds a connection waits for a process, while
 * those who hold a process wait for connections.
 */
function withDuckDb<Result>(
  { source, target }: TransferRequest,
  duckdb: DuckDb,
  { tenantId, executionId, signal }: StepContext,
  work: (session: DuckDbSession | null) => Promise<Result>,
): Promise<Result> {
  if (source.type !== 'duckdb' && target.type !== 'duckdb') return work(null);
  const read = source.type === 'duckdb' ? { read: source.database } : {};
  const write = target.type === 'duckdb' ? { write: target.database } : {};
  return duckdb.use({ tenantId, executionId, signal, ...read, ...write }, work);
}

async function moved(
  request: TransferRequest,
  services: Services,
  context: StepContext,
  session: DuckDbSession | null,
): Promise<Transferred> {
  const { source, mapping } = request;
  const into = (rows: RowSource): Promise<Transferred> => write(rows, request, services.databases, context, session);
  switch (source.type) {
    case 'postgres':
      return withQueryRows(source, mapping, { databases: services.databases, context }, into);
    case 'duckdb': {
      const transferred = await into(await duckDbRows(source, mapping, session!));
      if (request.target.type !== 'duckdb') await session!.commit(); // else with what was written
      return transferred;
    }
    case 'http':
      return into(await httpRows(source, mapping, services.outbound, context));
  }
}

function write(
  rows: RowSource,
  { source, target, chunk_size }: TransferRequest,
  databases: Databases,
  context: StepContext,
  session: DuckDbSession | null,
): Promise<Transferred> {
  const chunks = chunksOf(rows, chunk_size);
  if (target.type === 'duckdb') return writeChunks(chunks, target, new DuckDbWriter(session!, target));
  const loan = { ...loanOf(context), besideAnother: source.type !== 'http' };
  return databases.use(connectionTarget(target.connection, authOf(context, 'target')), loan, (connection) =>
    writeChunks(chunks, target, target.into === 'table' ? new PostgresTable(connection, target) : new PostgresQuery(connection, target)),
  );
}
