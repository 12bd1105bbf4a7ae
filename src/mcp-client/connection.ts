import {
  type CallToolResult,
  Client,
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  type InputResponses,
  isJSONRPCResultResponse,
  type Progress,
  type Tool,
  type Transport,
} from '@modelcontextprotocol/client';
import { type JsonObject } from '../engine/values.js';
import { type OutboundClient } from '../outbound/outbound-client.js';
import { unlessAborted } from '../outbound/abort.js';
import { type ListedTools, listTools } from './list-tools.js';
import { HttpTransport } from './http-transport.js';
import { MCP_LIMITS } from './limits.js';
import { ConnectionBroken } from './mcp-failure.js';
import { type McpServer } from './mcp-server.js';
import { StdioTransport } from './stdio-transport.js';
import { type ToolDefinition } from './tool-definition.js';

const CLIENT = { name: 'showrunner', version: '0.1.0' };
/** The SDK's own clock is not used: whoever calls has a signal. */
const NO_TIMEOUT_MS = 2_147_483_647;

/** What is known of a server's generation of the protocol, so that it is asked once. */
export type Era = 'modern' | 'legacy';

/** What the client can be asked, in the words of the protocol: forms that people fill in. */
const ASKABLE = { elicitation: { form: {} } };

/** One round of a call (SEP-2322): the first, or the next with what came of the one before. */
export interface CallRound {
  readonly mayAsk: boolean;
  readonly again: { readonly inputResponses?: InputResponses; readonly requestState?: string };
}

export interface ConnectionOptions {
  readonly server: McpServer;
  /** Headers of the credential. */
  readonly headers: Readonly<Record<string, string>>;
  readonly era: Era | null;
  readonly outbound: Pick<OutboundClient, 'stream'>;
  readonly stderr: (text: string) => void;
  /** Ends the attempt to connect; a connection that stands is ended by `close`. */
  readonly signal: AbortSignal;
}

/** One connection to one server: a client of the protocol, and a process where the server is one. Calls may overlap. */
export class McpConnection {
  /** Calls under way. */
  active = 0;
  private listed: Promise<ListedTools> | null = null;
  private closed = false;
  private doubted: Promise<void> | null = null;

  private constructor(
    readonly server: McpServer,
    private readonly client: Client,
    private readonly transport: StdioTransport | HttpTransport,
    /** Called once when it is over, whoever ended it. */
    private readonly onClose: () => void,
  ) {}

  /**
   * Connects, and finds out which generation of the protocol the server speaks. Throws what the SDK, the outbound client or ConnectionBroken say.
   */
  static async open(options: ConnectionOptions, onClose: () => void): Promise<McpConnection> {
    const { server, era } = options;
    try {
      return await this.connect(options, era, onClose);
    } catch (error) {
      // A process that ends when it is asked something new is of the old kind; it gets another life.
      if (server.kind !== 'stdio' || era !== null || error instanceof ConnectionBroken || options.signal.aborted) throw error;
      return this.connect(options, 'legacy', onClose);
    }
  }

  private static async connect(options: ConnectionOptions, era: Era | null, onClose: () => void): Promise<McpConnection> {
    const { server, headers, outbound, stderr, signal } = options;
    signal.throwIfAborted();
    const transport =
      server.kind === 'stdio'
        ? new StdioTransport(server, stderr)
        : new HttpTransport(server.url, { ...server.headers, ...headers }, outbound, server.name);
    const client = new Client(CLIENT, {
      versionNegotiation: { mode: 'auto', ...(server.kind === 'stdio' ? { probe: { timeoutMs: MCP_LIMITS.probeMs } } : {}) },
      inputRequired: { autoFulfill: false },
      // Schemas of a stranger are compiled by our own validator only, with its bounds and its regular expressions.
      jsonSchemaValidator: { getValidator: () => (input) => ({ valid: true, data: input as never, errorMessage: undefined }) },
    });
    const connection = new McpConnection(server, client, transport, onClose);
    client.onclose = () => connection.ended();
    // Told again by whatever it makes fail.
    client.onerror = () => undefined;
    client.setNotificationHandler('notifications/tools/list_changed', () => void (connection.listed = null));
    const giveUp = (): void => void transport.close().catch(() => undefined);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      const timeout = MCP_LIMITS.connectMs;
      await client.connect(transport as Transport, { timeout, ...(era === 'legacy' ? { prior: { kind: 'legacy' } } : {}) });
      if (connection.era === 'modern') assumeComplete(transport);
      connection.followChanges();
      return connection;
    } catch (error) {
      await transport.close().catch(() => undefined);
      throw transport instanceof StdioTransport && transport.brokenBy ? transport.brokenBy : error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  get era(): Era {
    return this.client.getProtocolEra() ?? 'legacy';
  }
  get isOver(): boolean {
    return this.closed;
  }
  /** Of the process; null for servers elsewhere. */
  get pid(): number | null {
    return this.transport instanceof StdioTransport ? this.transport.pid : null;
  }
  /** Why this side ended it; null where it did not. */
  get brokenBy(): ConnectionBroken | null {
    return this.transport instanceof StdioTransport ? this.transport.brokenBy : null;
  }

  /**
   * What the server offers: asked once, and again after it said that its tools changed.
   * @param fresh asks in any case
   */
  async tools(signal: AbortSignal, fresh = false): Promise<ListedTools> {
    if (this.listed === null || fresh) {
      const listing = listTools(this.client, AbortSignal.timeout(MCP_LIMITS.listMs));
      this.listed = listing;
      listing.catch(() => {
        if (this.listed === listing) this.listed = null;
      });
    }
    return unlessAborted(this.listed, signal);
  }

  /**
   * Calls a tool.
   * @param definition what headers of arguments are made from (`x-mcp-header`)
   * @param progress hears what the tool says of its progress
   * @param round what it is told beyond its arguments: that its questions can be answered, and what the answers are
   */
  async call(
    definition: ToolDefinition,
    args: JsonObject,
    signal: AbortSignal,
    progress: (progress: Progress) => void,
    round: CallRound,
  ): Promise<CallToolResult | InputRequiredResult> {
    this.active += 1;
    try {
      const toolDefinition = { name: definition.name, inputSchema: definition.inputSchema } as unknown as Tool;
      // Older servers ask in the middle of a call, over a connection that nothing durable can be hung on: they are not told that they may.
      const _meta = round.mayAsk && this.era === 'modern' ? { _meta: { [CLIENT_CAPABILITIES_META_KEY]: ASKABLE } } : {};
      const params = { name: definition.name, arguments: args as Record<string, unknown>, ...round.again, ..._meta };
      const options = { signal, timeout: NO_TIMEOUT_MS, onprogress: progress, toolDefinition, allowInputRequired: true };
      return (await this.client.callTool(params, options)) as CallToolResult | InputRequiredResult;
    } finally {
      this.active -= 1;
    }
  }

  /** Asks whether it still answers, after a call did not end: a process that hangs is ended, so that the next call gets a fresh one. */
  doubt(): void {
    if (this.transport instanceof HttpTransport || this.closed || this.doubted) return;
    this.doubted = this.proveLife(this.transport).finally(() => (this.doubted = null));
  }

  /** Resolves when nobody doubts any more that it answers; it may be over then. */
  async trusted(): Promise<void> {
    await this.doubted;
  }

  private async proveLife(transport: StdioTransport): Promise<void> {
    try {
      await this.client.request({ method: 'tools/list', params: {} }, { timeout: MCP_LIMITS.livenessMs });
    } catch {
      if (this.closed) return;
      transport.break(new ConnectionBroken('mcp_server_unavailable', 'does not answer any more'));
      await transport.ended;
    }
  }

  async close(): Promise<void> {
    if (this.transport instanceof HttpTransport) {
      // Servers of the older generation keep sessions until they are told.
      await Promise.race([this.transport.terminateSession(), new Promise((done) => setTimeout(done, 1_000).unref())]).catch(
        () => undefined,
      );
    }
    await this.client.close().catch(() => undefined);
    await this.transport.close().catch(() => undefined);
    this.ended();
  }

  /** Servers of the newer generation say only to who listens that their tools changed. Those that cannot are asked at every connection. */
  private followChanges(): void {
    if (this.era !== 'modern' || this.client.getServerCapabilities()?.tools?.listChanged !== true) return;
    this.client.listen({ toolsListChanged: true }, { timeout: MCP_LIMITS.listMs }).catch(() => undefined);
  }

  private ended(): void {
    if (this.closed) return;
    this.closed = true;
    this.onClose();
  }
}

/** A result that does not say what it is, is complete (SEP-2322); the SDK refuses it. */
function assumeComplete(transport: Transport): void {
  const hear = transport.onmessage;
  transport.onmessage = (message, extra) => {
    const isBare = isJSONRPCResultResponse(message) && message.result['resultType'] === undefined;
    hear?.(isBare ? { ...message, result: { ...message.result, resultType: 'complete' } } : message, extra);
  };
}
