import { All, Controller, Param, Query, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller } from '../common/caller.js';
import { HttpRefusal } from '../common/http-refusal.js';
import { Policy, Produces } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { Settings } from '../config/settings.js';
import { EngineError } from '../engine/engine-error.js';
import { McpEndpoint } from './mcp-endpoint.js';
import { type ToolList } from './mcp-caller.js';
import { namesOfHost, refusalOfOrigin } from './request-origin.js';

const TOOLSET = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/**
 * The endpoints for MCP clients. The guard that every route has says who asks; each handler then asks for the scopes that its method needs.
 * Not part of the OpenAPI document: the protocol describes itself.
 */
@ApiExcludeController()
@Controller('mcp')
export class McpController {
  private readonly rules = {
    hosts: [...namesOfHost(this.settings.host), ...this.settings.mcp.allowedHosts],
    origins: this.settings.mcp.allowedOrigins,
  };

  constructor(
    private readonly settings: Settings,
    private readonly endpoint: McpEndpoint,
  ) {}

  @All()
  @Policy('catalog:read')
  @Produces('application/json', 'text/event-stream')
  async all(
    @Caller() principal: Principal,
    @Query('all') everything: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.answer(principal, everything === undefined ? { kind: 'pinned' } : { kind: 'all' }, request, reply);
  }

  @All(':toolset')
  @Policy('catalog:read')
  @Produces('application/json', 'text/event-stream')
  async toolset(
    @Caller() principal: Principal,
    @Param('toolset') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (!TOOLSET.test(name)) throw new HttpRefusal(404, 'not_found', 'There is no such toolset.');
    await this.answer(principal, { kind: 'set', name }, request, reply);
  }

  private async answer(principal: Principal, list: ToolList, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const refusal = refusalOfOrigin(request.headers.host, request.headers.origin, this.rules);
    if (refusal !== null) throw new EngineError('forbidden', 'forbidden', refusal);
    await this.endpoint.answer({ principal, list }, request, reply);
  }
}
