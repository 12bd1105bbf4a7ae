import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ApprovalsModule } from './approvals/approvals.module.js';
import { BulkModule } from './bulk/bulk.module.js';
import { CatalogModule } from './catalog/catalog.module.js';
import { Settings } from './config/settings.js';
import { CredentialsModule } from './credentials/credentials.module.js';
import { ExecutionModule } from './execution/execution.module.js';
import { McpServersModule } from './mcp-servers/mcp-servers.module.js';
import { McpModule } from './mcp/mcp.module.js';
import { Readiness } from './observability/readiness.js';
import { RunMetrics } from './observability/run-metrics.js';
import { StatusModule } from './status/status.module.js';
import { StepsModule } from './steps/steps.module.js';
import { DatabaseProbe } from './storage/connection/database-probe.js';
import { DatabaseWatch } from './storage/connection/database-watch.js';
import { LOG, type Log } from './storage/log.js';
import { type DatabaseAddress, StorageModule } from './storage/storage.module.js';
import { WorkerModule } from './worker/worker.module.js';

/** Settings and log, for every constructor. */
@Global()
@Module({})
class BootModule {
  static with(settings: Settings, log: Log): DynamicModule {
    const providers = [
      { provide: Settings, useValue: settings },
      { provide: LOG, useValue: log },
    ];
    return { module: BootModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}

/** The whole service: the one place that lists modules. */
@Module({ providers: [RunMetrics] })
export class AppModule {
  /** Without its database a node wants no traffic (R13). */
  constructor(readiness: Readiness, database: DatabaseProbe, watch: DatabaseWatch) {
    readiness.require(() => database.answers());
    readiness.watchDatabase(() => watch.isSilent());
  }

  static on(database: DatabaseAddress, settings: Settings, log: Log): DynamicModule {
    return {
      module: AppModule,
      imports: [
        BootModule.with(settings, log),
        StorageModule.on(database),
        StepsModule.besides([database.url, database.directUrl]),
        CredentialsModule,
        CatalogModule,
        StatusModule,
        ExecutionModule,
        ApprovalsModule,
        BulkModule,
        McpServersModule,
        McpModule,
        WorkerModule,
      ],
    };
  }
}
