import { All, Controller, Param, Query, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Authentication } from '../common/authentication.js';
import { Caller } from '../common/caller.js';
import { HttpRefusal } from '../common/http-refusal.js';
import { MCP_SCOPES, mcpResources, TOOLSET } from '../common/mcp-resource.js';
import { Policy, Produces, type ProtectedResource, Protects } from '../common/policy.js';
import { type Principal } from '../common/principal.js';
import { drained } from '../common/slow-reader.js';
import { Settings } from '../config/settings.js';
import { EngineError } from '../engine/engine-error.js';
import { McpEndpoint } from './mcp-endpoint.js';
import { type ToolList } from './mcp-caller.js';
import { scopesOfMessage } from './message-scopes.js';
import { namesOfHost, namesOfUrl, refusalOfOrigin } from './request-origin.js';

const MCP: ProtectedResource = { paths: ({ toolset }) => mcpResources(toolset), scopes: MCP_SCOPES };

/**
 * The endpoints for MCP clients. The guard that every route has says who asks; each handler then asks for the scopes that its method needs.
 * Not part of the OpenAPI document: the protocol describes itself.
 */
@ApiExcludeController()
@Controller('mcp')
export class McpController {
  private readonly rules = {
    hosts: [...namesOfHost(this.settings.host), ...namesOfUrl(this.settings.publicUrl), ...this.settings.mcp.allowedHosts],
    origins: this.settings.mcp.allowedOrigins,
  };

  constructor(
    private readonly settings: Settings,
    private readonly endpoint: McpEndpoint,
    private readonly authentication: Authentication,
  ) {}

  @All()
  @Policy('catalog:read')
  @Protects(MCP)
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
  @Protects(MCP)
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
    this.requireScopes(principal, request);
    await this.endpoint.answer({ principal, list, taken: () => drained(reply.raw) }, request, reply);
  }
  /**
   * A client whose token lacks a scope is told so by HTTP, which is where it can do something about that; it is to ask for what it had as well. Handlers
   * ask once more.
   */
  private requireScopes({ scopes }: Principal, { body, demand }: FastifyRequest): void {
    const needed = scopesOfMessage(body).filter((scope) => !scopes.has(scope));
    if (needed.length === 0) return;
    const message = `The scope ${needed.join(' ')} is needed.`;
    const had = MCP_SCOPES.filter((scope) => scopes.has(scope));
    const refusal = { error: 'insufficient_scope', description: message, needed: [...had, ...needed] } as const;
    throw new HttpRefusal(403, 'forbidden', message, demand ? this.authentication.challenge(demand, refusal) : {});
  }
}
