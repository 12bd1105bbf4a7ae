import {
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
  StreamableHTTPClientTransport,
  type TransportSendOptions,
} from '@modelcontextprotocol/client';
import { type OutboundClient } from '../outbound/outbound-client.js';
import { type EndOfStream, guardedFetch } from './guarded-fetch.js';
import { MCP_LIMITS } from './limits.js';
import { failureOf, STREAM_BROKEN } from './mcp-failure.js';

/** Of streams of notifications, and of answers that can be asked for again. */
const RECONNECTION = {
  initialReconnectionDelay: 1_000,
  maxReconnectionDelay: MCP_LIMITS.longestPauseMs,
  reconnectionDelayGrowFactor: 2,
  maxRetries: 3,
};
/** What was read last of a stream is heard within this. */
const HEARING_MS = 50;

/**
 * Streamable HTTP on the guarded `fetch`. Beyond the SDK's transport: a request that is cancelled lets go of its stream in every era of the
 * protocol, and one whose stream ends without its answer fails instead of waiting for its time-out.
 */
export class HttpTransport extends StreamableHTTPClientTransport {
  /** Requests that wait for their answers. */
  private readonly open = new Map<RequestId, AbortController>();

  /** @param serverName for messages */
  constructor(
    url: string,
    headers: Readonly<Record<string, string>>,
    outbound: Pick<OutboundClient, 'stream'>,
    private readonly serverName: string,
  ) {
    super(new URL(url), {
      requestInit: { headers },
      fetch: guardedFetch(outbound, (body, end) => this.onStreamEnd(body, end)),
      reconnectionOptions: RECONNECTION,
    });
    // The client puts its own before this one and calls both.
    this.onmessage = (message: JSONRPCMessage) => {
      if ((isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) && message.id !== undefined) this.open.delete(message.id);
    };
  }

  override async send(message: JSONRPCMessage, options: TransportSendOptions = {}): Promise<void> {
    if (!isJSONRPCRequest(message)) {
      // The SDK gives requests their time; whoever waits for the rest of an exchange without an answer would wait for ever.
      await super
        .send(message, { ...options, requestSignal: AbortSignal.timeout(MCP_LIMITS.connectMs) })
        .finally(() => this.letGo(message));
      return;
    }
    const { id } = message;
    const controller = new AbortController();
    this.open.set(id, controller);
    options.requestSignal?.addEventListener('abort', () => this.open.delete(id), { once: true });
    const signals = [controller.signal, ...(options.requestSignal ? [options.requestSignal] : [])];
    try {
      await super.send(message, { ...options, requestSignal: AbortSignal.any(signals) });
    } catch (error) {
      this.open.delete(id);
      throw error;
    }
  }

  /** A cancelled request has no answer, so nobody reads what is still sent on its stream. */
  private letGo(message: JSONRPCMessage): void {
    if (!('method' in message) || message.method !== 'notifications/cancelled') return;
    const id = message.params?.['requestId'] as RequestId | undefined;
    if (id === undefined) return;
    this.open.get(id)?.abort();
    this.open.delete(id);
  }

  private onStreamEnd(body: string | null, { resumable, error }: EndOfStream): void {
    const id = body === null ? undefined : (JSON.parse(body) as { id?: RequestId }).id;
    if (id === undefined || resumable || !this.open.has(id)) return;
    setTimeout(() => {
      if (!this.open.has(id)) return;
      const { code, message } =
        error === null ? { code: 'mcp_protocol_error', message: 'The stream ended without an answer.' } : failureOf(error, this.serverName);
      this.onmessage?.({ jsonrpc: '2.0', id, error: { code: STREAM_BROKEN, message, data: { code } } });
    }, HEARING_MS);
  }
}
