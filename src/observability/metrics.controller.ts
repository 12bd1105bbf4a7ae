import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Registry } from 'prom-client';
import { Policy, Produces } from '../common/policy.js';

/** Figures of this node, as Prometheus reads them (text format 0.0.4). For operators; not part of the API. */
@ApiExcludeController()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly registry: Registry) {}

  @Get()
  @Policy('admin')
  @Produces('text/plain')
  metrics(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.type(this.registry.contentType);
    return this.registry.metrics();
  }
}
