import { type Scope } from './principal.js';

/** Names of toolsets, which are segments of the MCP endpoint's address. */
export const TOOLSET = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** What an MCP client asks an authorization server for: all that its requests may need. */
export const MCP_SCOPES: readonly Scope[] = ['catalog:read', 'executions:start', 'executions:read', 'executions:control'];

/** The resources whose tokens count for an MCP endpoint, by their paths: itself first. A toolset is a part of the endpoint as a whole. */
export function mcpResources(toolset: string | undefined): readonly string[] {
  return toolset !== undefined && TOOLSET.test(toolset) ? [`/mcp/${toolset}`, '/mcp'] : ['/mcp'];
}
