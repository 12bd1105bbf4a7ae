import { type Client } from '@modelcontextprotocol/client';
import { storabilityFault } from '../engine/storability.js';
import { type Json } from '../engine/values.js';
import { headerFaultOf } from './header-parameters.js';
import { MCP_LIMITS } from './limits.js';
import { ConnectionBroken } from './mcp-failure.js';
import { definitionOf, digestOf, needsTask, type ToolDefinition } from './tool-definition.js';

const TOOL_NAME = /^[A-Za-z0-9_.-]{1,128}$/;

export interface ListedTool {
  readonly definition: ToolDefinition;
  readonly digest: string;
}

/** What a server offers. */
export interface ListedTools {
  /** By name, in the server's order. */
  readonly tools: ReadonlyMap<string, ListedTool>;
  /** Tools that cannot be used, and why. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}

/** Reads all pages of a server's tools, within bounds. Throws ConnectionBroken `mcp_protocol_error` for a list that does not end. */
export async function listTools(client: Client, signal: AbortSignal): Promise<ListedTools> {
  const tools = new Map<string, ListedTool>();
  const refused: { name: string; reason: string }[] = [];
  let bytes = 0;
  let seen = 0;
  let cursor: string | undefined;
  if (client.getServerCapabilities()?.tools === undefined) return { tools, refused };
  for (let page = 0; page < MCP_LIMITS.pages; page += 1) {
    const request = { method: 'tools/list' as const, params: cursor === undefined ? {} : { cursor } };
    const answer = await client.request(request, { signal, timeout: MCP_LIMITS.listMs });
    for (const raw of answer.tools as unknown as Json[]) {
      seen += 1;
      bytes += JSON.stringify(raw).length;
      if (seen > MCP_LIMITS.tools) throw new ConnectionBroken('mcp_protocol_error', `lists more than ${MCP_LIMITS.tools} tools`);
      if (bytes > MCP_LIMITS.definitionBytes)
        throw new ConnectionBroken('mcp_protocol_error', `describes its tools with more than ${MCP_LIMITS.definitionBytes} bytes`);
      const definition = definitionOf(raw);
      const name = definition?.name ?? '(without a name)';
      const reason = definition === null ? 'it has no name or no input schema' : faultOf(definition, tools);
      if (definition === null || reason !== null) refused.push({ name: name.slice(0, 128), reason: reason ?? '' });
      else tools.set(name, { definition, digest: digestOf(definition) });
    }
    const next = answer.nextCursor;
    if (next === undefined) return { tools, refused };
    if (next === cursor) throw new ConnectionBroken('mcp_protocol_error', 'repeats a page of its tools');
    cursor = next;
  }
  throw new ConnectionBroken('mcp_protocol_error', `lists its tools on more than ${MCP_LIMITS.pages} pages`);
}

/** Why a tool cannot be used; null: it can. */
function faultOf(definition: ToolDefinition, before: ReadonlyMap<string, unknown>): string | null {
  if (!TOOL_NAME.test(definition.name)) return 'its name is not one of the protocol';
  if (before.has(definition.name)) return 'another tool has the same name';
  if (needsTask(definition)) return 'it can only be called as a task of 2025-11-25, which is not supported';
  return storabilityFault(definition)?.message ?? headerFaultOf(definition.inputSchema);
}
