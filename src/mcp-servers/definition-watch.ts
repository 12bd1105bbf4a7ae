import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ANONYMOUS, type Principal } from '../common/principal.js';
import { type ListedTools } from '../mcp-client/list-tools.js';
import { McpClient } from '../mcp-client/mcp-client.js';
import { LOG, type Log } from '../storage/log.js';
import { ToolImports } from './tool-imports.js';

/** Notes definitions that changed since their import, whoever was the first to see it: the new ones are held until somebody has looked at them. */
@Injectable()
export class DefinitionWatch implements OnModuleInit, OnApplicationShutdown {
  private stop: (() => void) | undefined;
  private readonly noting = new Set<Promise<void>>();

  constructor(
    private readonly client: McpClient,
    private readonly imports: ToolImports,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.stop = this.client.onTools((tenantId, { name }, listed) => {
      const noting = this.note(tenantId, name, listed).finally(() => this.noting.delete(noting));
      this.noting.add(noting);
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.stop?.();
    await Promise.all(this.noting);
  }

  private async note(tenant: string, server: string, listed: ListedTools): Promise<void> {
    const principal: Principal = { ...ANONYMOUS, tenant, subject: `mcp:${server}`, scopes: new Set() };
    try {
      for (const { name, outcome, reason } of await this.imports.changes(principal, server, listed)) {
        this.log.warn(
          { tenant, mcp_server: server, tool: name, outcome, ...(reason === null ? {} : { reason }) },
          'an MCP server changed a tool',
        );
      }
    } catch (error) {
      this.log.error({ err: error, mcp_server: server }, 'a changed tool could not be noted; it is refused all the same');
    }
  }
}
