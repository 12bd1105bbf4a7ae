import { type McpDirectory, type StdioMcpServer } from '../mcp-client/mcp-server.js';
import { type ToolDefinition } from '../mcp-client/tool-definition.js';
import { type McpServerRepository } from '../storage/repositories/mcp-server.repository.js';
import { type McpToolRepository } from '../storage/repositories/mcp-tool.repository.js';

/** The servers that calls may name: those of the configuration, and those that were registered. */
export function mcpDirectory(configured: readonly StdioMcpServer[], servers: McpServerRepository, tools: McpToolRepository): McpDirectory {
  const byName = new Map(configured.map((server) => [server.name, server]));
  return {
    async server(tenantId, name) {
      const local = byName.get(name);
      if (local) return local;
      const record = await servers.byName(tenantId, name);
      if (!record) return null;
      const { id, version, url, headers, auth } = record;
      return { kind: 'http', name, version: `${id}.${version}`, url, headers, auth };
    },
    async definitions(tenantId, server, tool) {
      const records = await tools.definitions(tenantId, server, tool);
      return records.map(({ digest, status, definition }) => ({
        digest,
        approved: status === 'approved',
        definition: definition as ToolDefinition,
      }));
    },
  };
}
