import { type Databases, type SqlPolicy } from '../../engine/database-port.js';
import { type Outbound } from '../../engine/outbound-port.js';
import { defineStep, type StepContext } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { connectionTarget } from '../../sql/connection-config.js';
import { chunksOf } from './transfer.chunks.js';
import { parseTransferConfig } from './transfer.config.js';
import { authOf, loanOf } from './transfer.ends.js';
import { renderTransfer } from './transfer.render.js';
import { type TransferRequest } from './transfer.request.js';
import { httpRows, type RowSource, withQueryRows } from './transfer.source.js';
import { type Transferred, writeChunks } from './transfer.target.js';

/** Streams rows of a query, or of an HTTP answer, into a table: all of them or none. */
const transferStep = (databases: Databases, outbound: Outbound, policy: SqlPolicy) =>
  defineStep({
    kind: 'transfer',
    effect: true,
    defaultTimeoutSeconds: 600,
    parse: parseTransferConfig,

    render: (config, _inputs, scope, rendering): TransferRequest => renderTransfer(config, scope, rendering, policy),

    async execute(request, context) {
      const { source, target, mapping } = request;
      const { rows, chunks } =
        source.type === 'postgres'
          ? await withQueryRows(source, mapping, { databases, context }, (found) => write(found, request, databases, context))
          : await write(await httpRows(source, mapping, outbound, context), request, databases, context);
      const { table, mode } = target;
      return { value: { status: 'success', rows_transferred: rows, chunks, source: source.type, target: 'postgres', table, mode } };
    },
  });

const factory: StepFactory = ({ databases, outbound, sqlPolicy }) => transferStep(databases, outbound, sqlPolicy);
export default factory;

function write(
  rows: RowSource,
  { source, target, chunk_size }: TransferRequest,
  databases: Databases,
  context: StepContext,
): Promise<Transferred> {
  const loan = { ...loanOf(context), besideAnother: source.type === 'postgres' };
  return databases.use(connectionTarget(target.connection, authOf(context, 'target')), loan, (session) =>
    writeChunks(chunksOf(rows, chunk_size), target, session),
  );
}
