import {
  type DynamicModule,
  Global,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
  type Type,
} from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Settings } from '../config/settings.js';
import { BatchWriter } from './batch-writer.js';
import { CATALOG_CHANGES, CATALOG_CHANNEL, type CatalogChanges, parseChange } from './catalog-changes.js';
import { CommitSignals } from './commit-signals.js';
import { CompiledPlaybooks } from './compiled-playbooks.js';
import { createDataSource } from './data-source.js';
import { DatabaseProbe } from './database-probe.js';
import { EphemeralRuns } from './ephemeral-runs.js';
import { HeldRuns } from './held-runs.js';
import { IdMint } from './ids.js';
import { Inbox } from './inbox.js';
import { LeaseRenewal } from './lease-renewal.js';
import { LeaseTerm } from './lease-term.js';
import { LOG, type Log } from './log.js';
import { NodeNumberLease } from './node-number.js';
import { Notifications } from './notifications.js';
import { Partitions } from './partitions.js';
import { Prepared } from './prepared.js';
import { ExecutionEventRepository } from './repositories/execution-event.repository.js';
import { ExecutionRepository } from './repositories/execution.repository.js';
import { IdempotencyKeyRepository } from './repositories/idempotency-key.repository.js';
import { PlaybookListingRepository } from './repositories/playbook-listing.repository.js';
import { PlaybookTagRepository } from './repositories/playbook-tag.repository.js';
import { PlaybookRepository } from './repositories/playbook.repository.js';
import { QueueDepth } from './queue-depth.js';
import { RunQueue } from './run-queue.js';
import { PostgresRunStore } from './run-store.js';
import { RunWaits } from './run-waits.js';

/** Batches in flight at once. */
const WRITER_CONNECTIONS = 1;
const WRITER_CLOSE_MS = 5_000;

/** Where the database is. */
export interface DatabaseAddress {
  readonly url: string;
  /** For LISTEN; the same unless a transaction pooler stands between. */
  readonly directUrl: string;
}
const ADDRESS = Symbol('ADDRESS');

const provide = <T>(type: Type<T>, inject: Provider[] | unknown[], useFactory: (...args: never[]) => T | Promise<T>): Provider => ({
  provide: type,
  inject: inject as never[],
  useFactory: useFactory as (...args: unknown[]) => T | Promise<T>,
});

const REPOSITORIES = [
  PlaybookRepository,
  PlaybookListingRepository,
  PlaybookTagRepository,
  ExecutionRepository,
  ExecutionEventRepository,
  IdempotencyKeyRepository,
];

const PROVIDERS: Provider[] = [
  provide(LeaseTerm, [Settings], (settings: Settings) => new LeaseTerm(settings.leaseSeconds * 1_000)),
  provide(DataSource, [ADDRESS, Settings, LeaseTerm, LOG], ({ url }: DatabaseAddress, settings: Settings, lease: LeaseTerm, log: Log) =>
    createDataSource(url, { poolSize: settings.databasePool, poolWaiters: settings.databasePoolWaiters, lease, log }).initialize(),
  ),
  ...REPOSITORIES,
  DatabaseProbe,
  Prepared,
  CommitSignals,
  CompiledPlaybooks,
  EphemeralRuns,
  provide(Notifications, [ADDRESS, LOG], ({ directUrl }: DatabaseAddress, log: Log) => new Notifications(directUrl, log)),
  provide(HeldRuns, [CommitSignals, LeaseTerm], (signals: CommitSignals, lease: LeaseTerm) => new HeldRuns(signals, lease)),
  provide(
    BatchWriter,
    [ADDRESS, LeaseTerm, CommitSignals, LOG],
    ({ url }: DatabaseAddress, lease: LeaseTerm, signals: CommitSignals, log: Log) =>
      new BatchWriter({ url, connections: WRITER_CONNECTIONS, lease, log }, signals),
  ),
  provide(PostgresRunStore, [DataSource, BatchWriter], (db: DataSource, writer: BatchWriter) => new PostgresRunStore(db, writer)),
  provide(
    QueueDepth,
    [DataSource, Settings, LOG],
    (db: DataSource, settings: Settings, log: Log) => new QueueDepth(db, settings.queue, log),
  ),
  provide(
    RunQueue,
    [DataSource, PostgresRunStore, HeldRuns, CommitSignals, Notifications, LeaseTerm, QueueDepth, LOG],
    (
      db: DataSource,
      store: PostgresRunStore,
      held: HeldRuns,
      signals: CommitSignals,
      notifications: Notifications,
      lease: LeaseTerm,
      depth: QueueDepth,
      log: Log,
    ) => new RunQueue(db, store, held, signals, notifications, lease, depth, log),
  ),
  provide(
    Inbox,
    [DataSource, CommitSignals, Notifications, RunQueue],
    (db: DataSource, signals: CommitSignals, notifications: Notifications, queue: RunQueue) =>
      new Inbox(db, signals, notifications, queue.wake),
  ),
  provide(
    LeaseRenewal,
    [ADDRESS, LeaseTerm, HeldRuns, CommitSignals, LOG],
    ({ url }: DatabaseAddress, lease: LeaseTerm, held: HeldRuns, signals: CommitSignals, log: Log) =>
      new LeaseRenewal(url, lease, held, signals, log),
  ),
  provide(Partitions, [DataSource, LOG], (db: DataSource, log: Log) => new Partitions(db, log)),
  provide(NodeNumberLease, [DataSource, LOG], async (db: DataSource, log: Log) => {
    const lease = new NodeNumberLease(db, log);
    await lease.start();
    return lease;
  }),
  provide(IdMint, [NodeNumberLease], (lease: NodeNumberLease) => new IdMint(lease.current)),
  {
    provide: CATALOG_CHANGES,
    inject: [Notifications],
    useFactory: (notifications: Notifications): CatalogChanges => ({
      subscribe: (changed) => {
        const stops = [
          notifications.listen(CATALOG_CHANNEL, (payload) => changed(parseChange(payload))),
          notifications.onReconnect(() => changed(null)),
        ];
        return () => stops.forEach((stop) => stop());
      },
    }),
  },
  provide(
    RunWaits,
    [CommitSignals, HeldRuns, ExecutionRepository, Settings],
    (signals: CommitSignals, held: HeldRuns, executions: ExecutionRepository, settings: Settings) =>
      new RunWaits(signals, held, executions, settings.limits.waitingRequests),
  ),
];

/** Everything that knows tables, and the background work that belongs to it. */
@Global()
@Module({})
export class StorageModule implements OnModuleInit, OnApplicationShutdown {
  /** The database must be migrated before. */
  static on(address: DatabaseAddress): DynamicModule {
    const providers = [{ provide: ADDRESS, useValue: address }, ...PROVIDERS];
    return {
      module: StorageModule,
      providers,
      exports: PROVIDERS.map((provider) => ('provide' in provider ? provider.provide : provider)),
    };
  }

  constructor(
    private readonly db: DataSource,
    private readonly notifications: Notifications,
    private readonly writer: BatchWriter,
    private readonly queue: RunQueue,
    private readonly leases: LeaseRenewal,
    private readonly partitions: Partitions,
    private readonly nodeNumber: NodeNumberLease,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.partitions.start();
    await this.notifications.start();
    this.queue.start();
    this.leases.start();
  }

  /** After the last request is answered and the worker has drained: what is decided is written, then every connection is closed. */
  async onApplicationShutdown(): Promise<void> {
    await this.queue.stop();
    await this.writer.close(WRITER_CLOSE_MS);
    await this.leases.stop();
    this.partitions.stop();
    await this.notifications.close();
    await this.nodeNumber.stop().catch((error: unknown) => this.log.warn({ err: error }, 'the node number was not given back'));
    await this.db.destroy();
  }
}
