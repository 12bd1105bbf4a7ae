import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { type Duplex } from 'node:stream';
import { listening, type LocalServer } from './local-server.js';

export interface ConnectProxyOptions {
  /** Where a target (`host:port` as it was asked for) really is: a port on 127.0.0.1, or the status to refuse it with. */
  readonly route: (target: string) => number | { readonly refuse: number };
  /** Makes it an https proxy. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** A real egress proxy on 127.0.0.1: it understands CONNECT and nothing else, and remembers what it was asked for. */
export interface ConnectProxy extends LocalServer {
  /** The targets of all CONNECT requests so far. */
  readonly targets: readonly string[];
  /** Proxy-Authorization of each. */
  readonly authorizations: readonly (string | undefined)[];
}

export async function serveConnect({ route, tls }: ConnectProxyOptions): Promise<ConnectProxy> {
  const targets: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const requests: IncomingMessage[] = [];
  const refuse = (request: IncomingMessage, response: { writeHead(status: number): { end(): unknown } }): void => {
    requests.push(request);
    response.writeHead(405).end();
  };
  const server = tls ? createTlsServer(tls, refuse) : createServer(refuse);
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    targets.push(request.url ?? '');
    authorizations.push(request.headers['proxy-authorization']);
    client.on('error', () => undefined);
    const wanted = route(request.url ?? '');
    if (typeof wanted !== 'number') {
      client.end(`HTTP/1.1 ${wanted.refuse} Refused\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const upstream: Socket = connect(wanted, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  const listener = await listening(server, requests);
  return { ...listener, origin: tls ? listener.origin.replace('http:', 'https:') : listener.origin, targets, authorizations };
}
