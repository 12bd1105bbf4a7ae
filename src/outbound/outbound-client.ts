import { Readable } from 'node:stream';
import { type Outbound, OutboundError, type OutboundRequest, type OutboundResponse } from '../engine/outbound-port.js';
import { type AllowList } from './allow-list.js';
import { outboundErrorOf } from './connection-error.js';
import { ConnectionPools } from './connection-pools.js';
import { DestinationCheck, parseEndpoint } from './destination.js';
import { type EgressProxy } from './egress-proxy.js';
import { type Answer, exchange } from './exchange.js';
import { type Endpoint, OwnDatabase } from './own-database.js';
import { type Hop, redirectOf } from './redirect.js';
import { type Resolve, resolveWithSystem } from './resolve.js';
import { dump, gathered, LARGE_BODY_BYTES, readBody, tooLarge } from './response-body.js';
import { trusting } from './trust.js';

const MAX_REDIRECTS = 5;
const MAX_RESPONSE_BYTES = 16 * 1_048_576;
/** Belong to the connection, so the client sets them; Host decides the certificate name and stays that of the URL. */
const CONNECTION_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const METHOD = /^(?!CONNECT$|TRACE$)[A-Z]+$/;

export interface OutboundOptions {
  /** Exceptions to "public addresses only". */
  readonly allow: AllowList;
  /** The service's own database: refused whatever `allow` says. */
  readonly ownDatabase?: readonly Endpoint[];
  /** Every connection goes through it. Default: none. */
  readonly proxy?: EgressProxy | null;
  /** Whether the proxy may be asked for names that cannot be resolved here. Default false. */
  readonly proxyResolves?: boolean;
  /** Certificates (PEM) of authorities trusted besides those of Node. Default: none. */
  readonly authorities?: readonly string[];
  /** Default: the resolver of the machine. */
  readonly resolve?: Resolve;
}

/** An answer whose body is still on its way: whoever gets it reads it to its end, or destroys it. Nothing bounds it. */
export interface OutboundStream {
  readonly status: number;
  /** As in OutboundResponse. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Readable;
}

/**
 * The one HTTP client of the service. Every request, redirects included, is resolved once, checked against the address
 * policy and sent to exactly the checked addresses. One instance per process; `close` at shutdown.
 */
export class OutboundClient implements Outbound {
  private readonly pools: ConnectionPools;
  private readonly check: DestinationCheck;
  private closed = false;

  constructor(options: OutboundOptions) {
    const { allow, ownDatabase = [], resolve = resolveWithSystem, proxy = null, proxyResolves = false, authorities = [] } = options;
    this.check = new DestinationCheck(allow, new OwnDatabase(ownDatabase, resolve), resolve, proxy === null ? null : proxyResolves);
    this.pools = new ConnectionPools(proxy, trusting(authorities));
  }

  async fetch(request: OutboundRequest): Promise<OutboundResponse> {
    const startedAt = performance.now();
    let hop = firstHop(request);
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.send(hop, request);
      const next = redirectOf(hop, answer.statusCode, first(answer.headers.location));
      if (next === null) return this.read(hop, answer, request, startedAt);
      if (answer.body instanceof Readable) await dump(answer.body);
      if (redirects === MAX_REDIRECTS) {
        throw new OutboundError('connection_error', `The call was redirected more than ${MAX_REDIRECTS} times`, { retryable: false });
      }
      hop = next;
    }
  }

  /**
   * Sends one request and gives the answer once its head is there; redirects are answers, and the body must not be compressed. For protocols
   * whose answers are streams. Throws as `fetch` does; `signal` ends the body too.
   */
  async stream(request: OutboundRequest): Promise<OutboundStream> {
    const hop = firstHop(request);
    const answer = await this.send({ ...hop, headers: { ...hop.headers, 'accept-encoding': 'identity' } }, request);
    const body = answer.body instanceof Readable ? answer.body : Readable.from(Buffer.from(answer.body));
    if (!/^(?:identity)?$/i.test(joined(answer.headers['content-encoding']).trim())) {
      body.on('error', () => undefined).destroy();
      throw new OutboundError('connection_error', `The answer of ${hop.url.host} is compressed although that was not asked for`);
    }
    return { status: answer.statusCode, headers: plainHeaders(answer.headers), body };
  }

  /** Ends every connection; calls under way and later ones fail. */
  async close(): Promise<void> {
    this.closed = true;
    await this.pools.close();
  }

  private async send({ url, method, headers, body }: Hop, { signal, verify = true, beforeSending }: OutboundRequest): Promise<Answer> {
    const destination = await this.check.destinationOf(url, signal);
    if (this.closed) throw new OutboundError('connection_error', 'This service is shutting down');
    let refusal: unknown = null;
    const lastCheck =
      beforeSending &&
      ((): void => {
        try {
          beforeSending();
        } catch (error) {
          refusal = error;
          throw error;
        }
      });
    try {
      const pool = this.pools.poolFor(url.origin, destination, verify);
      return await exchange(pool, { method, path: url.pathname + url.search, headers, body }, signal, lastCheck);
    } catch (error) {
      throw refusal ?? outboundErrorOf(error, url, signal);
    }
  }

  private async read(hop: Hop, answer: Answer, request: OutboundRequest, startedAt: number): Promise<OutboundResponse> {
    const maxBytes = request.maxResponseBytes ?? MAX_RESPONSE_BYTES;
    try {
      if (hop.method !== 'HEAD' && Number(first(answer.headers['content-length'])) > maxBytes) {
        if (answer.body instanceof Readable) answer.body.on('error', () => undefined).destroy();
        throw tooLarge(maxBytes);
      }
      const body =
        answer.body instanceof Readable ? await this.readStream(hop, answer.headers, answer.body, request, maxBytes) : answer.body;
      const headers = plainHeaders(answer.headers);
      return { status: answer.statusCode, url: hop.url.href, headers, body, elapsedMs: performance.now() - startedAt };
    } catch (error) {
      throw outboundErrorOf(error, hop.url, request.signal);
    }
  }

  private async readStream(
    { method }: Hop,
    headers: Answer['headers'],
    body: Readable,
    { admit }: OutboundRequest,
    maxBytes: number,
  ): Promise<Uint8Array> {
    const encoding = headers['content-encoding'];
    const length = Number(first(headers['content-length']) ?? NaN);
    if (encoding !== undefined || Number.isNaN(length)) return readBody(body, joined(encoding), maxBytes, admit);
    // It says how long it is and is not packed: nothing has to be counted on the way.
    if (admit && method !== 'HEAD' && length > LARGE_BODY_BYTES) {
      // Until it is read it may break, and nobody else would hear of that.
      body.on('error', () => undefined);
      await admit(length).catch((error: unknown) => {
        body.destroy();
        throw error;
      });
    }
    return gathered((await body.toArray()) as Uint8Array[]);
  }
}

function firstHop({ url, method, headers = {}, body = null }: OutboundRequest): Hop {
  if (!METHOD.test(method)) throw new OutboundError('invalid_endpoint', 'The method is not one of HTTP');
  // Built up in one walk: this is done for every call.
  const sent: Record<string, string> = { 'accept-encoding': 'gzip, deflate, br, zstd' };
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (!CONNECTION_HEADERS.has(lower)) sent[lower] = value;
  }
  return { url: parseEndpoint(url), method, headers: sent, body };
}

function plainHeaders(headers: Answer['headers']): Record<string, string | string[]> {
  const plain: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) plain[name] = name === 'set-cookie' ? [value].flat() : joined(value);
  }
  return plain;
}

function joined(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
