import pg, { type Client } from 'pg';
import { DataSource } from 'typeorm';
import { CreateSchema1795000000000 } from '../../../migrations/1795000000000-create-schema.js';
import { AddQueueIndexes1795100000000 } from '../../../migrations/1795100000000-add-queue-indexes.js';
import { CreateBulkOperation1795605700000 } from '../../../migrations/1795605700000-create-bulk-operation.js';
import { CreateExecutionBlob1795605900000 } from '../../../migrations/1795605900000-create-execution-blob.js';
import { CreateCredential1795606200000 } from '../../../migrations/1795606200000-create-credential.js';
import { AddCalledRuns1795618500000 } from '../../../migrations/1795618500000-add-called-runs.js';
import { CreateCatalogHead1795900000000 } from '../../../migrations/1795900000000-create-catalog-head.js';
import { CreateMcpAnswer1795900100000 } from '../../../migrations/1795900100000-create-mcp-answer.js';
import { CreateMcpServer1795906000000 } from '../../../migrations/1795906000000-create-mcp-server.js';
import { AllowHeldEntries1795906100000 } from '../../../migrations/1795906100000-allow-held-entries.js';
import { CreateApproval1795911000000 } from '../../../migrations/1795911000000-create-approval.js';
import { BoundMetadataFlush1796000000000 } from '../../../migrations/1796000000000-bound-metadata-flush.js';
import { ReferToLargeResults1796100000000 } from '../../../migrations/1796100000000-refer-to-large-results.js';
import { BoundedPool } from './bounded-pool.js';
import { connectionOptions, PATIENT_ANSWER_MS, REQUEST_ANSWER_MS } from './connection-options.js';
import { type DatabaseHistory } from './database-history.js';
import { type DatabaseWatch } from './database-watch.js';
import { ENTITIES } from '../entities/entities.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';

/** In order of their timestamps; a released migration is never edited (house rule), only followed by another. */
export const MIGRATIONS = [
  CreateSchema1795000000000,
  AddQueueIndexes1795100000000,
  CreateBulkOperation1795605700000,
  CreateExecutionBlob1795605900000,
  CreateCredential1795606200000,
  AddCalledRuns1795618500000,
  CreateCatalogHead1795900000000,
  CreateMcpAnswer1795900100000,
  CreateMcpServer1795906000000,
  AllowHeldEntries1795906100000,
  CreateApproval1795911000000,
  BoundMetadataFlush1796000000000,
  ReferToLargeResults1796100000000,
];

/** Less than a request waits for the answer. */
const REQUEST_STATEMENT_MS = REQUEST_ANSWER_MS - 500;

export interface DataSourceSettings {
  /** Connections of the pool. */
  readonly poolSize: number;
  /** How many may wait for one of them; without it as many as want. */
  readonly poolWaiters?: number;
  readonly lease?: LeaseTerm;
  /** Where requests wait for the answers: bounds each of them to what a request may take. */
  readonly requests?: DatabaseWatch;
  /** Told of idle connections that died; the pool replaces them. */
  readonly log?: Log;
  /** Asked of each new connection; on a change the older ones are cut. */
  readonly history?: DatabaseHistory;
}

/**
 * The one TypeORM data source of the application, not yet initialised. bigint arrives as text, timestamptz as Date.
 * The schema is made by migrations alone, never by `synchronize`.
 * @param url postgres:// URL
 */
export function createDataSource(url: string, settings: DataSourceSettings): DataSource {
  return new DataSource({
    type: 'postgres',
    driver: { ...pg, Pool: BoundedPool },
    url,
    entities: [...ENTITIES],
    migrations: MIGRATIONS,
    migrationsTransactionMode: 'all',
    synchronize: false,
    installExtensions: false,
    poolSize: settings.poolSize,
    // The pool's own time-out covers connecting and waiting for a free connection.
    extra: {
      ...connectionOptions(url, settings.requests ? 'requests' : 'app', settings.lease),
      connectionTimeoutMillis: REQUEST_ANSWER_MS,
      answerWithinMs: settings.requests ? REQUEST_ANSWER_MS : PATIENT_ANSWER_MS,
      // The server goes on with what nobody awaits any more, unless it is told before.
      ...(settings.requests && { watch: settings.requests, statement_timeout: REQUEST_STATEMENT_MS }),
      ...(settings.history && historyCheck(settings.history)),
      maxWaiters: settings.poolWaiters ?? Infinity,
    },
    // Without a listener one terminated idle connection would end the process (R6).
    // Its text alone: the driver hangs the whole connection on its errors.
    poolErrorHandler: (error: unknown) =>
      settings.log?.warn({ reason: error instanceof Error ? error.message : String(error) }, 'an idle database connection was lost'),
  });
}

/** The pool's own hook for new connections. Whoever asked for one may use it all the same: what it is about to ask, it asks the new history. */
function historyCheck(history: DatabaseHistory): { readonly onConnect: (client: Client) => Promise<void> } {
  const open = new Set<Client>();
  history.onChange(() => {
    // The former server may still be there and would go on answering from what is over.
    for (const client of open) client.connection.stream.destroy();
    open.clear();
  });
  return {
    onConnect: async (client) => {
      await history.isSame(client);
      open.add(client);
      client.once('end', () => open.delete(client));
    },
  };
}
