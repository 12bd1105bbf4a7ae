import { type DynamicModule, Global, Module } from '@nestjs/common';
import { EventLoopMonitor } from './event-loop.js';
import { HealthController } from './health.controller.js';
import { Readiness } from './readiness.js';

@Global()
@Module({ controllers: [HealthController], providers: [EventLoopMonitor], exports: [EventLoopMonitor] })
export class ObservabilityModule {
  /** The readiness is made before the application: its hooks ask it from the first request on. */
  static with(readiness: Readiness): DynamicModule {
    return { module: ObservabilityModule, providers: [{ provide: Readiness, useValue: readiness }], exports: [Readiness] };
  }
}
