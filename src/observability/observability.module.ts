import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Registry } from 'prom-client';
import { EventLoopMonitor } from './event-loop.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { measureProcess } from './process-metrics.js';
import { Readiness } from './readiness.js';

@Global()
@Module({ controllers: [HealthController, MetricsController], providers: [EventLoopMonitor], exports: [EventLoopMonitor] })
export class ObservabilityModule {
  constructor(registry: Registry, eventLoop: EventLoopMonitor) {
    measureProcess(registry, eventLoop);
  }

  /** Both are made before the application: its hooks use them from the first request on. */
  static with(readiness: Readiness, registry: Registry): DynamicModule {
    const providers = [
      { provide: Readiness, useValue: readiness },
      { provide: Registry, useValue: registry },
    ];
    return { module: ObservabilityModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}
