import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { AuthenticationModule } from './authentication/authentication.module.js';
import { type AuthenticationSettings } from './authentication/authentication-settings.js';
import { CommonModule } from './common/common.module.js';
import { doorOptions, installDoor } from './common/door.js';
import { ProblemFilter } from './common/problem.filter.js';
import { RouteTable } from './common/route-table.js';
import { type RequestLimits } from './config/request-limits.js';
import { countRequests } from './observability/http-metrics.js';
import { type Logger } from './observability/logger.js';
import { NestLog } from './observability/nest-log.js';
import { ObservabilityModule } from './observability/observability.module.js';
import { Readiness } from './observability/readiness.js';
import { logRequests } from './observability/request-log.js';
import { OpenApi } from './openapi/open-api.js';
import { OpenApiModule } from './openapi/open-api.module.js';

export interface HttpAppSettings {
  readonly limits: RequestLimits;
  /** How callers are known; null or left out: they are not asked. */
  readonly authentication?: AuthenticationSettings | null;
}

@Module({})
class HttpAppModule {}

/**
 * The HTTP application around a module with controllers: door, guard, filter, health, docs. Initialised, not listening.
 * Used by main and by tests alike; `close` answers what was accepted before it ends.
 */
export async function createHttpApp(
  module: Type | DynamicModule,
  settings: HttpAppSettings,
  logger: Logger,
): Promise<NestFastifyApplication> {
  const filter = new ProblemFilter();
  const adapter = new FastifyAdapter({ ...doorOptions(settings.limits, filter), skipMiddie: true });
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  const readiness = new Readiness();
  const routes = installDoor(fastify, settings.limits, filter, readiness);
  logRequests(fastify, logger);
  const registry = new Registry();
  countRequests(fastify, registry);
  const root: DynamicModule = {
    module: HttpAppModule,
    imports: [
      AuthenticationModule.with(settings.authentication ?? null),
      CommonModule,
      ObservabilityModule.with(readiness, registry),
      OpenApiModule,
      module,
    ],
    providers: [{ provide: RouteTable, useValue: routes }],
  };
  const app = await NestFactory.create<NestFastifyApplication>(root, adapter, {
    bodyParser: false,
    logger: new NestLog(logger),
    abortOnError: false,
  });
  await app.init();
  app.get(OpenApi, { strict: false }).describe(app);
  await fastify.ready();
  return app;
}
