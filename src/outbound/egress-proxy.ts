import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIPv6, type Socket } from 'node:net';
import { type SecureContext } from 'node:tls';
import { OutboundError } from '../engine/outbound-port.js';
import { type Destination } from './address-policy.js';

/** The proxy that every outbound call of the service goes through (OUTBOUND_PROXY). The operator chose it: its own address is not checked. */
export interface EgressProxy {
  readonly protocol: 'http:' | 'https:';
  readonly host: string;
  readonly port: number;
  /** What it is told as Proxy-Authorization; null where its address has no user. A secret: never shown. */
  readonly authorization: string | null;
}

/** Reads OUTBOUND_PROXY: `http://[user:password@]host[:port]`, or https. Throws an Error for the operator, without the text, which may hold a password. */
export function parseEgressProxy(text: string): EgressProxy | null {
  if (text === '') return null;
  const url = URL.parse(text);
  const protocol = url?.protocol;
  if (!url || (protocol !== 'http:' && protocol !== 'https:') || url.hostname === '' || url.search !== '' || url.pathname !== '/') {
    throw new Error('is not an address like http://user:password@proxy:3128');
  }
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    protocol,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port),
    authorization: user === ':' ? null : `Basic ${Buffer.from(user).toString('base64')}`,
  };
}

/** Opens a connection to one checked address by way of the proxy; null where there is none and whoever connects does so directly. */
export type Tunnel = (destination: Destination, signal: AbortSignal) => Promise<Socket>;

export const tunnelThrough = (proxy: EgressProxy | null, secureContext: SecureContext): Tunnel | null =>
  proxy === null ? null : (destination, signal) => openTunnel(proxy, destination, secureContext, signal);

/**
 * Asks the proxy (CONNECT) for one checked address after the other, and for the name only where nobody here could resolve it.
 * Throws OutboundError `connection_error`; what `signal` was aborted with.
 */
export async function openTunnel(
  proxy: EgressProxy,
  { host, port, addresses }: Destination,
  secureContext: SecureContext,
  signal: AbortSignal,
): Promise<Socket> {
  const targets = (addresses.length > 0 ? addresses : [host]).map((target) => `${isIPv6(target) ? `[${target}]` : target}:${port}`);
  let failure: unknown;
  for (const target of targets) {
    try {
      return await connectTo(proxy, target, secureContext, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function connectTo(proxy: EgressProxy, target: string, secureContext: SecureContext, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const start = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
  const authorization = proxy.authorization === null ? {} : { 'proxy-authorization': proxy.authorization };
  const request = start({
    host: proxy.host,
    port: proxy.port,
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...authorization },
    agent: false,
    signal,
    ...(proxy.protocol === 'https:' ? { secureContext } : {}),
  });
  request.on('connect', (answer, socket, head) => {
    if (answer.statusCode === 200) {
      if (head.length > 0) socket.unshift(head);
      resolve(socket as Socket);
    } else {
      socket.destroy();
      reject(refusalOf(answer));
    }
  });
  // Some proxies answer a refused CONNECT as if it were any other request.
  request.on('response', (answer) => {
    answer.destroy();
    reject(refusalOf(answer));
  });
  request.on('error', (error: NodeJS.ErrnoException) =>
    reject(
      signal.aborted ? error : new OutboundError('connection_error', `The egress proxy cannot be reached (${error.code ?? 'no code'})`),
    ),
  );
  request.end();
  return promise;
}

/** What the proxy refuses on purpose is refused again the next time. */
function refusalOf({ statusCode = 0 }: IncomingMessage): OutboundError {
  if (statusCode === 407) {
    return new OutboundError('connection_error', 'The egress proxy asks for credentials that OUTBOUND_PROXY does not hold (407)', {
      retryable: false,
    });
  }
  return new OutboundError('connection_error', `The egress proxy did not connect (${statusCode})`, { retryable: statusCode >= 500 });
}
