import { Controller, Get, Inject, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { HttpRefusal } from '../common/http-refusal.js';
import { Public } from '../common/policy.js';
import { type Scope, SCOPES } from '../common/principal.js';
import { MCP_SCOPES, mcpResources } from '../common/mcp-resource.js';
import { type TokenSettings } from './authentication-settings.js';

export const TOKEN_SETTINGS = Symbol('TOKEN_SETTINGS');

/** OAuth 2.0 Protected Resource Metadata (RFC 9728). */
interface ResourceMetadata {
  readonly resource: string;
  readonly resource_name: string;
  readonly authorization_servers: readonly string[];
  readonly scopes_supported: readonly Scope[];
  readonly bearer_methods_supported: readonly string[];
}

/**
 * Tells clients where tokens for this service come from. Open to everybody, and there only where tokens are asked for. Not part of the OpenAPI document:
 * RFC 9728 describes it.
 */
@ApiExcludeController()
@Controller('.well-known/oauth-protected-resource')
export class ProtectedResourceController {
  constructor(@Inject(TOKEN_SETTINGS) private readonly settings: TokenSettings | null) {}

  @Get()
  @Public()
  service(@Res({ passthrough: true }) reply: FastifyReply): ResourceMetadata {
    return this.metadata('', SCOPES, reply);
  }

  @Get('mcp')
  @Public()
  mcp(@Res({ passthrough: true }) reply: FastifyReply): ResourceMetadata {
    return this.metadata('/mcp', MCP_SCOPES, reply);
  }

  @Get('mcp/:toolset')
  @Public()
  toolset(@Param('toolset') name: string, @Res({ passthrough: true }) reply: FastifyReply): ResourceMetadata {
    const [path = ''] = mcpResources(name);
    if (path !== `/mcp/${name}`) throw new HttpRefusal(404, 'not_found', 'There is no such toolset.');
    return this.metadata(path, MCP_SCOPES, reply);
  }

  private metadata(path: string, scopes: readonly Scope[], reply: FastifyReply): ResourceMetadata {
    if (this.settings === null) throw new HttpRefusal(404, 'not_found', 'This service asks nobody for a token.');
    void reply.header('cache-control', 'max-age=300');
    return {
      resource: `${this.settings.publicUrl}${path}`,
      resource_name: 'Showrunner',
      authorization_servers: this.settings.issuers.map(({ issuer }) => issuer),
      scopes_supported: scopes,
      bearer_methods_supported: ['header'],
    };
  }
}
