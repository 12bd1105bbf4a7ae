import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { ApprovalsController } from '../approvals/approvals.controller.js';
import { BulkOperationsController } from '../bulk/bulk-operations.controller.js';
import { CleanupController } from '../bulk/cleanup.controller.js';
import { CatalogEntryController } from '../catalog/catalog-entry.controller.js';
import { CatalogSchemaController } from '../catalog/catalog-schema.controller.js';
import { CatalogTagController } from '../catalog/catalog-tag.controller.js';
import { CatalogController } from '../catalog/catalog.controller.js';
import { PlaybookController } from '../catalog/playbook.controller.js';
import { CredentialsController } from '../credentials/credentials.controller.js';
import { ControlController } from '../execution/control.controller.js';
import { EntryOpenApiController } from '../execution/entry-open-api.controller.js';
import { ExecuteController } from '../execution/execute.controller.js';
import { RestartController } from '../execution/restart.controller.js';
import { RunController } from '../execution/run.controller.js';
import { McpServersController } from '../mcp-servers/mcp-servers.controller.js';
import { EventsController } from '../status/events.controller.js';
import { StatusController } from '../status/status.controller.js';

/** Every controller of the API besides health, in no order: what docs/openapi.json describes. */
export const API_CONTROLLERS: readonly Type[] = [
  RunController,
  ExecuteController,
  ControlController,
  RestartController,
  StatusController,
  EventsController,
  CatalogController,
  CatalogEntryController,
  CatalogSchemaController,
  EntryOpenApiController,
  CatalogTagController,
  PlaybookController,
  ApprovalsController,
  BulkOperationsController,
  CleanupController,
  CredentialsController,
  McpServersController,
];

@Module({})
class DescribedModule {}

/** A module that has the routes and nothing behind them: enough to describe the API without a database. */
export function describedModule(controllers: readonly Type[] = API_CONTROLLERS): DynamicModule {
  const needed = new Set(controllers.flatMap((controller) => (Reflect.getMetadata('design:paramtypes', controller) ?? []) as Type[]));
  return { module: DescribedModule, controllers: [...controllers], providers: [...needed].map((provide) => ({ provide, useValue: {} })) };
}
