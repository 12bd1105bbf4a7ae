import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import { type NodeMcpRequestHandler, toNodeHandler } from '@modelcontextprotocol/node';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { HttpRefusal } from '../common/http-refusal.js';
import { Settings } from '../config/settings.js';
import { RunWaits } from '../storage/run-waits.js';
import { ChangeFeed } from './change-feed.js';
import { authInfoOf, type McpCaller } from './mcp-caller.js';
import { McpServerFactory } from './mcp-server.factory.js';
import { isSubscription, subscribedUris } from './subscription.js';

/** Calls that are answered slower than this when the node stops are cut off. */
const LAST_ANSWERS_MS = 5_000;
/** URIs that one stream may subscribe to: each execution among them is followed. */
const MOST_URIS = 100;

interface TenantHandler {
  readonly handler: McpHttpHandler;
  readonly handle: NodeMcpRequestHandler;
}

/**
 * Speaks the protocol over HTTP (Streamable HTTP, 2026-07-28, and older revisions without sessions). A tenant has a handler of its own, so that no
 * notification can reach another's streams.
 */
@Injectable()
export class McpEndpoint implements BeforeApplicationShutdown {
  private readonly log = new Logger(McpEndpoint.name);
  private readonly tenants = new Map<string, TenantHandler>();
  private open = 0;
  /** Requests that come to an end by themselves. */
  private readonly calls = new Set<Promise<void>>();

  constructor(
    private readonly settings: Settings,
    private readonly factory: McpServerFactory,
    private readonly feed: ChangeFeed,
    private readonly waits: RunWaits,
  ) {}

  /** Answers a request whose sender is known. The reply is this method's own from then on. @throws HttpRefusal where the node has enough to do */
  async answer(caller: McpCaller, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    // The client left while its token was checked: its close has been told of already, and would give nothing back.
    if (reply.raw.destroyed) return void reply.hijack();
    const { waitingRequests } = this.settings.limits;
    if (this.open >= waitingRequests)
      throw new HttpRefusal(503, 'overloaded', 'This node has as many MCP requests in work as it can bear.');
    const uris = subscribedUris(request.body);
    if (uris.length > MOST_URIS) throw new HttpRefusal(413, 'body_too_large', `One stream can subscribe to ${MOST_URIS} resources.`);
    const giveBack = this.takePlace(caller, uris);
    reply.raw.once('close', giveBack);
    try {
      await this.spoken(caller, request, reply);
    } finally {
      giveBack();
    }
  }

  /** Counts a request, and follows what it subscribes to. @returns ends both; once, however often it is called */
  private takePlace({ principal }: McpCaller, uris: readonly string[]): () => void {
    this.open += 1;
    const unwatch = this.feed.watch(principal, uris);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.open -= 1;
      unwatch();
    };
  }

  /** Resolves at the end of the answer, which is that of the stream for a subscription. */
  private async spoken(caller: McpCaller, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    reply.hijack();
    // Proxies must not hold back what is sent piece by piece.
    reply.raw.setHeader('x-accel-buffering', 'no');
    reply.raw.setHeader('x-request-id', request.id);
    reply.raw.setHeader('x-content-type-options', 'nosniff');
    const raw = Object.assign(request.raw, { auth: authInfoOf(caller) });
    const answering = this.handlerOf(caller.principal.tenant).handle(raw, reply.raw as never, request.body ?? null);
    if (isSubscription(request.body)) return answering;
    this.calls.add(answering);
    await answering.finally(() => this.calls.delete(answering));
  }

  /** Calls that wait are answered with how far they are, as all requests that wait; then the streams end, which the HTTP server would wait for. */
  async beforeApplicationShutdown(): Promise<void> {
    this.waits.drain();
    const cutOff = new AbortController();
    const tooLong = sleep(LAST_ANSWERS_MS, undefined, { signal: cutOff.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.calls), tooLong]);
    cutOff.abort();
    await Promise.all([...this.tenants.values()].map(({ handler }) => handler.close()));
  }

  private handlerOf(tenant: string): TenantHandler {
    const known = this.tenants.get(tenant);
    if (known) return known;
    const handler = createMcpHandler((context) => this.factory.serverFor(context), {
      legacy: 'stateless',
      maxSubscriptions: this.settings.mcp.subscriptions,
      onerror: (error) => this.log.debug(`${error.name}: ${error.message}`),
    });
    const made = { handler, handle: toNodeHandler(handler) };
    this.tenants.set(tenant, made);
    this.feed.add({ tenant, notify: handler.notify });
    return made;
  }
}
