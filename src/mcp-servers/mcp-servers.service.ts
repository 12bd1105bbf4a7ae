import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { Settings } from '../config/settings.js';
import { type ErrorCode } from '../engine/error-codes.js';
import { EngineError, type ErrorKind } from '../engine/engine-error.js';
import { StepFailure } from '../engine/step-executor.js';
import { McpClient } from '../mcp-client/mcp-client.js';
import { type McpServer, type StdioMcpServer } from '../mcp-client/mcp-server.js';
import { IdMint } from '../storage/ids.js';
import { type McpServerRecord, McpServerRepository } from '../storage/repositories/mcp-server.repository.js';
import { type McpToolRecord, McpToolRepository } from '../storage/repositories/mcp-tool.repository.js';
import { type ImportedTool, ToolImports } from './tool-imports.js';

/** How long an import may ask a server. */
const IMPORT_MS = 60_000;

export interface McpServerWish {
  readonly name: string;
  readonly url: string;
  readonly auth: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly description: string | null;
}

/** A server as it is told of: registered, or configured where the service runs. */
export type KnownServer =
  { readonly kind: 'http'; readonly record: McpServerRecord } | { readonly kind: 'stdio'; readonly server: StdioMcpServer };

/** MCP servers: those that operators register, and those of the configuration; and what was taken over from them. */
@Injectable()
export class McpServersService {
  private readonly configured: ReadonlyMap<string, StdioMcpServer>;

  constructor(
    private readonly servers: McpServerRepository,
    private readonly tools: McpToolRepository,
    private readonly imports: ToolImports,
    private readonly client: McpClient,
    private readonly ids: IdMint,
    { mcpServers }: Settings,
  ) {
    this.configured = new Map(mcpServers.map((server) => [server.name, server]));
  }

  /** A new one, or the next version of the one of that name. @throws EngineError mcp_server_exists */
  async save({ tenant, subject }: Principal, wish: McpServerWish): Promise<{ record: McpServerRecord; isNew: boolean }> {
    this.refuseConfigured(wish.name);
    return this.servers.save({ ...wish, tenantId: tenant, subject }, this.ids.next());
  }

  /** In the order of their names. */
  async list({ tenant }: Principal, after: string | null, limit: number): Promise<KnownServer[]> {
    const records = await this.servers.list(tenant, after, limit);
    const local = [...this.configured.values()].filter(({ name }) => after === null || name > after);
    const all: KnownServer[] = [
      ...records.map((record) => ({ kind: 'http', record }) as const),
      ...local.map((server) => ({ kind: 'stdio', server }) as const),
    ];
    return all.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).slice(0, limit);
  }

  /** @throws EngineError unknown_mcp_server */
  async get({ tenant }: Principal, name: string): Promise<KnownServer> {
    const server = this.configured.get(name);
    if (server) return { kind: 'stdio', server };
    const record = await this.servers.byName(tenant, name);
    if (record) return { kind: 'http', record };
    throw new EngineError('not_found', 'unknown_mcp_server', `There is no MCP server ${JSON.stringify(name.slice(0, 100))}.`);
  }

  /** Calls of its tools fail from now on; their entries stay. @throws EngineError unknown_mcp_server, mcp_server_exists */
  async remove(principal: Principal, name: string): Promise<void> {
    this.refuseConfigured(name);
    await this.get(principal, name);
    await this.servers.remove(principal.tenant, name);
  }

  /** Asks the server what it offers, and makes catalog entries of it. @throws EngineError for a server that cannot be asked */
  async import(principal: Principal, name: string): Promise<ImportedTool[]> {
    const server = connectable(await this.get(principal, name));
    const listed = await this.client.list(principal.tenant, server, AbortSignal.timeout(IMPORT_MS)).catch(refuse);
    return this.imports.all(principal, name, listed);
  }

  /** Definitions in the order of the tools, of each the oldest first. @throws EngineError unknown_mcp_server */
  async definitions(principal: Principal, name: string, after: readonly [string, string] | null, limit: number): Promise<McpToolRecord[]> {
    await this.get(principal, name);
    return this.tools.list(principal.tenant, name, after, limit);
  }

  /** @throws EngineError unknown_mcp_server, unknown_tool */
  async approve(principal: Principal, name: string, tool: string, digest: string): Promise<McpToolRecord> {
    await this.get(principal, name);
    return this.imports.approve(principal, name, tool, digest);
  }

  private refuseConfigured(name: string): void {
    if (!this.configured.has(name)) return;
    throw new EngineError('conflict', 'mcp_server_exists', `The MCP server ${name} is configured where the service runs.`);
  }
}

export function nameOf(known: KnownServer): string {
  return known.kind === 'http' ? known.record.name : known.server.name;
}

function connectable(known: KnownServer): McpServer {
  if (known.kind === 'stdio') return known.server;
  const { id, version, name, url, headers, auth } = known.record;
  return { kind: 'http', name, version: `${id}.${version}`, url, headers, auth };
}

/** What would fail a step refuses a request: what may be over soon as 503, anything else as 422. */
function refuse(error: unknown): never {
  if (error instanceof StepFailure) {
    const kind: ErrorKind = error.retryable ? 'unavailable' : 'invalid';
    // Only a step that says so itself fails with a code of its author.
    throw new EngineError(kind, error.code as ErrorCode, error.message);
  }
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    throw new EngineError('unavailable', 'timeout', 'The MCP server did not answer in time.');
  }
  throw error;
}
