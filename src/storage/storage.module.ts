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
import { ApprovalDecisions } from './approval-decisions.js';
import { BatchWriter } from './batch/batch-writer.js';
import { BulkLeases } from './bulk-leases.js';
import { ByteBudget } from './byte-budget.js';
import { CATALOG_CHANGES, CATALOG_CHANNEL, type CatalogChanges, parseChange } from './catalog-changes.js';
import { CommitSignals } from './commit-signals.js';
import { CompiledPlaybooks } from './compiled-playbooks.js';
import { createDataSource } from './connection/data-source.js';
import { DatabaseClock } from './connection/database-clock.js';
import { DatabaseHistory } from './connection/database-history.js';
import { DatabaseProbe } from './connection/database-probe.js';
import { DatabaseWatch } from './connection/database-watch.js';
import { checkDurability } from './connection/durability-check.js';
import { EphemeralRuns } from './ephemeral-runs.js';
import { HeldRuns } from './claiming/held-runs.js';
import { IdMint } from './ids.js';
import { Inbox } from './inbox.js';
import { InboxSweep } from './upkeep/inbox-sweep.js';
import { LargeWork } from './batch/large-work.js';
import { LeaseRenewal } from './claiming/lease-renewal.js';
import { LeaseTerm } from './lease-term.js';
import { LiveMessages } from './live-messages.js';
import { LOG, type Log } from './log.js';
import { NodeNumberLease } from './connection/node-number.js';
import { DUE_CHANNEL, Notifications } from './connection/notifications.js';
import { Partitions } from './upkeep/partitions.js';
import { Prepared } from './connection/prepared.js';
import { ApprovalRepository } from './repositories/approval.repository.js';
import { BulkOperationRepository } from './repositories/bulk-operation.repository.js';
import { CatalogHeadRepository } from './repositories/catalog-head.repository.js';
import { CredentialRepository } from './repositories/credential.repository.js';
import { ExecutionEndsRepository } from './repositories/execution-ends.repository.js';
import { ExecutionEventRepository } from './repositories/execution-event.repository.js';
import { ExecutionRepository } from './repositories/execution.repository.js';
import { IdempotencyKeyRepository } from './repositories/idempotency-key.repository.js';
import { McpServerRepository } from './repositories/mcp-server.repository.js';
import { McpToolRepository } from './repositories/mcp-tool.repository.js';
import { McpAnswerRepository } from './repositories/mcp-answer.repository.js';
import { PlaybookListingRepository } from './repositories/playbook-listing.repository.js';
import { PlaybookTagRepository } from './repositories/playbook-tag.repository.js';
import { PlaybookRepository } from './repositories/playbook.repository.js';
import { Retention } from './upkeep/retention.js';
import { QueueDepth } from './claiming/queue-depth.js';
import { RunQueue } from './claiming/run-queue.js';
import { PostgresRunStore } from './run-store.js';
import { RunWaits } from './run-waits.js';
import { SigningKeys } from './signing-keys.js';
import { PROCESS_TIMING, TIMING, type Timing } from './timing.js';

/** Batches in flight at once. */
const WRITER_CONNECTIONS = 2;
/** For what is done behind the requests: claims, sweeps, inboxes of runs, clocks and retention. */
const BACKGROUND_CONNECTIONS = 4;
const WRITER_CLOSE_MS = 5_000;

/** Where the database is. */
export interface DatabaseAddress {
  readonly url: string;
  /** For LISTEN; the same unless a transaction pooler stands between. */
  readonly directUrl: string;
}
const ADDRESS = Symbol('ADDRESS');
/** A DataSource of its own: it waits as long as the work takes, and neither requests nor it wait for each other's connections. */
const BACKGROUND = Symbol('BACKGROUND');

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
  ExecutionEndsRepository,
  ExecutionEventRepository,
  IdempotencyKeyRepository,
  BulkOperationRepository,
  CredentialRepository,
  McpServerRepository,
  McpToolRepository,
  CatalogHeadRepository,
  McpAnswerRepository,
  ApprovalRepository,
];

const PROVIDERS: Provider[] = [
  provide(LeaseTerm, [Settings], (settings: Settings) => new LeaseTerm(settings.leaseSeconds * 1_000)),
  provide(DatabaseHistory, [LOG], (log: Log) => new DatabaseHistory(log)),
  provide(DatabaseWatch, [], () => new DatabaseWatch()),
  provide(
    DataSource,
    [ADDRESS, Settings, LeaseTerm, DatabaseHistory, LOG, DatabaseWatch],
    ({ url }: DatabaseAddress, settings: Settings, lease: LeaseTerm, history: DatabaseHistory, log: Log, requests: DatabaseWatch) =>
      createDataSource(url, {
        poolSize: settings.databasePool,
        poolWaiters: settings.databasePoolWaiters,
        lease,
        requests,
        history,
        log,
      }).initialize(),
  ),
  {
    provide: BACKGROUND,
    inject: [ADDRESS, LeaseTerm, DatabaseHistory, LOG],
    useFactory: ({ url }: DatabaseAddress, lease: LeaseTerm, history: DatabaseHistory, log: Log): Promise<DataSource> =>
      createDataSource(url, { poolSize: BACKGROUND_CONNECTIONS, lease, history, log }).initialize(),
  },
  ...REPOSITORIES,
  provide(SigningKeys, [DataSource, DatabaseHistory], (db: DataSource, history: DatabaseHistory) => new SigningKeys(db, history)),
  provide(ByteBudget, [], () => new ByteBudget()),
  provide(LargeWork, [], () => new LargeWork()),
  provide(DatabaseClock, [], () => new DatabaseClock(PROCESS_TIMING)),
  // Whatever is due is due by the database's clock (R3).
  {
    provide: TIMING,
    inject: [DatabaseClock],
    useFactory: (clock: DatabaseClock): Timing => ({ ...PROCESS_TIMING, now: () => clock.now() }),
  },
  DatabaseProbe,
  Prepared,
  CommitSignals,
  LiveMessages,
  CompiledPlaybooks,
  EphemeralRuns,
  provide(
    Notifications,
    [ADDRESS, DatabaseHistory, LOG],
    ({ directUrl }: DatabaseAddress, history: DatabaseHistory, log: Log) => new Notifications(directUrl, history, log),
  ),
  provide(HeldRuns, [CommitSignals, LeaseTerm], (signals: CommitSignals, lease: LeaseTerm) => new HeldRuns(signals, lease)),
  provide(
    BatchWriter,
    [ADDRESS, LeaseTerm, CommitSignals, DatabaseHistory, DatabaseClock, LOG, LargeWork],
    (
      { url }: DatabaseAddress,
      lease: LeaseTerm,
      signals: CommitSignals,
      history: DatabaseHistory,
      clock: DatabaseClock,
      log: Log,
      largeWork: LargeWork,
    ) => new BatchWriter({ url, connections: WRITER_CONNECTIONS, lease, history, log, largeWork, heard: (at) => clock.heard(at) }, signals),
  ),
  provide(
    PostgresRunStore,
    [BACKGROUND, BatchWriter],
    (db: DataSource, writer: BatchWriter) => new PostgresRunStore(db, writer, new Prepared(db)),
  ),
  provide(
    QueueDepth,
    [BACKGROUND, Settings, LOG],
    (db: DataSource, settings: Settings, log: Log) => new QueueDepth(db, settings.queue, log),
  ),
  provide(
    RunQueue,
    [BACKGROUND, PostgresRunStore, HeldRuns, CommitSignals, Notifications, LeaseTerm, QueueDepth, LOG],
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
  provide(ApprovalDecisions, [DataSource, Inbox], (db: DataSource, inbox: Inbox) => new ApprovalDecisions(db, inbox)),
  provide(
    InboxSweep,
    [BACKGROUND, LeaseTerm, RunQueue, Notifications, LOG],
    (db: DataSource, lease: LeaseTerm, queue: RunQueue, notifications: Notifications, log: Log) =>
      new InboxSweep(
        db,
        lease,
        () => {
          queue.wake();
          notifications.notify(DUE_CHANNEL, '');
        },
        log,
      ),
  ),
  provide(
    LeaseRenewal,
    [ADDRESS, LeaseTerm, HeldRuns, CommitSignals, DatabaseHistory, LOG],
    ({ url }: DatabaseAddress, lease: LeaseTerm, held: HeldRuns, signals: CommitSignals, history: DatabaseHistory, log: Log) =>
      new LeaseRenewal(url, lease, held, signals, history, log),
  ),
  provide(BulkLeases, [BACKGROUND, LeaseTerm], (db: DataSource, lease: LeaseTerm) => new BulkLeases(db, lease)),
  provide(Partitions, [BACKGROUND, LOG], (db: DataSource, log: Log) => new Partitions(db, log)),
  provide(
    Retention,
    [BACKGROUND, Settings, LOG],
    (db: DataSource, settings: Settings, log: Log) => new Retention(db, settings.retention, log),
  ),
  provide(NodeNumberLease, [BACKGROUND, LOG], async (db: DataSource, log: Log) => {
    const lease = new NodeNumberLease(db, log);
    await lease.start();
    return lease;
  }),
  provide(IdMint, [NodeNumberLease], (lease: NodeNumberLease) => new IdMint(lease.current)),
  {
    provide: CATALOG_CHANGES,
    inject: [Notifications, DatabaseHistory],
    useFactory: (notifications: Notifications, history: DatabaseHistory): CatalogChanges => ({
      subscribe: (changed) => {
        const stops = [
          notifications.listen(CATALOG_CHANNEL, (payload) => changed(parseChange(payload))),
          notifications.onReconnect(() => changed(null)),
          history.onChange(() => changed(null)),
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
  private readonly stopping = new AbortController();
  private repairing: Promise<unknown> = Promise.resolve();

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
    @Inject(BACKGROUND) private readonly background: DataSource,
    private readonly notifications: Notifications,
    private readonly writer: BatchWriter,
    private readonly queue: RunQueue,
    private readonly inboxSweep: InboxSweep,
    private readonly leases: LeaseRenewal,
    private readonly partitions: Partitions,
    private readonly nodeNumber: NodeNumberLease,
    private readonly held: HeldRuns,
    private readonly playbooks: CompiledPlaybooks,
    private readonly history: DatabaseHistory,
    private readonly clock: DatabaseClock,
    private readonly retention: Retention,
    private readonly heads: CatalogHeadRepository,
    private readonly settings: Settings,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async onModuleInit(): Promise<void> {
    this.history.onChange(() => this.beginAnew());
    await checkDurability(this.background, this.log);
    await this.clock.start(this.background);
    await this.partitions.start();
    await this.notifications.start();
    this.queue.start();
    this.leases.start();
    this.inboxSweep.start();
    if (this.settings.role !== 'api') this.retention.start();
    this.repairing = this.repairHeads();
  }

  /** Behind everything else: only lists and searches are short of what it has not reached yet. */
  private async repairHeads(): Promise<void> {
    try {
      const repaired = await this.heads.repair(this.stopping.signal);
      if (repaired > 0) this.log.info({ repaired }, 'catalog paths were listed anew');
    } catch (error) {
      this.log.error({ err: error }, 'catalog paths could not be listed anew');
    }
  }

  /** Another history (D19): nothing that was known holds there. Whoever keeps connections or units of the former one lets go of them itself. */
  private beginAnew(): void {
    this.held.dropAll();
    this.playbooks.forgetAll();
    this.nodeNumber.forget();
    // A turn later, when the pool has noticed that its former connections are gone.
    setTimeout(() => {
      this.queue.wake();
      this.partitions.ensure().catch((error: unknown) => this.log.error({ err: error }, 'partitions could not be made'));
      void checkDurability(this.background, this.log);
    }, 0);
  }

  /** After the last request is answered and the worker has drained: what is decided is written, then every connection is closed. */
  async onApplicationShutdown(): Promise<void> {
    this.clock.stop();
    this.stopping.abort();
    await this.repairing;
    await this.inboxSweep.stop();
    await this.queue.stop();
    await this.writer.close(WRITER_CLOSE_MS);
    await this.leases.stop();
    this.partitions.stop();
    await this.retention.stop();
    await this.notifications.close();
    await this.nodeNumber.stop().catch((error: unknown) => this.log.warn({ err: error }, 'the node number was not given back'));
    await Promise.all([this.db.destroy(), this.background.destroy()]);
  }
}
