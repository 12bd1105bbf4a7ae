import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveConnect } from '../../src/outbound/testing/connect-proxy.js';
import { listening } from '../../src/outbound/testing/local-server.js';
import { SIGNED, TEST_AUTHORITY } from '../../src/outbound/testing/test-authority.js';
import { type Json } from '../../src/engine/values.js';

/** A request as a stand-in got it. */
export interface SeenRequest {
  readonly method: string;
  /** Scheme, host as the Host header says, and path: `https://api.example.com/data`. */
  readonly url: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<IncomingMessage['headers']>;
  /** Parsed where it is JSON, else text. */
  readonly body: Json;
}

export interface StandInAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text goes out as it is, anything else as JSON. */
  readonly body: Json;
}

/** What a host of the world answers, by `METHOD url`; what is not here is answered 404. */
export type Routes = Readonly<Record<string, (request: SeenRequest, before: number) => StandInAnswer>>;

/** The world outside, behind an egress proxy: every host that anyone names is this one, with certificates of an authority of its own. */
export interface StandIns {
  /** Settings with which a service finds it. */
  readonly env: Readonly<Record<string, string>>;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly SeenRequest[];
  /** Forgets the requests so far, and how often each route was asked. */
  readonly forget: () => void;
  readonly close: () => Promise<void>;
}

export async function startStandIns(routes: Routes): Promise<StandIns> {
  const requests: SeenRequest[] = [];
  const counts = new Map<string, number>();
  const answerAs =
    (scheme: string): RequestListener =>
    (message, response) => {
      void readRequest(scheme, message).then((request) => {
        requests.push(request);
        const route = `${request.method} ${request.url}`;
        const before = counts.get(route) ?? 0;
        counts.set(route, before + 1);
        const { status = 200, headers = {}, body } = routes[route]?.(request, before) ?? { status: 404, body: { detail: `no ${route}` } };
        const isText = typeof body === 'string';
        response.writeHead(status, { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json', ...headers });
        response.end(isText ? body : JSON.stringify(body));
      });
    };
  const plain = await listening(createServer(answerAs('http')), []);
  const secure = await listening(createTlsServer(SIGNED, answerAs('https')), []);
  const proxy = await serveConnect({ route: (target) => databaseAt(target) ?? (target.endsWith(':443') ? secure.port : plain.port) });
  const folder = mkdtempSync(join(tmpdir(), 'authority-'));
  writeFileSync(join(folder, 'ca.pem'), TEST_AUTHORITY);
  return {
    env: { OUTBOUND_PROXY: proxy.origin, OUTBOUND_CA_FILE: join(folder, 'ca.pem') },
    requests,
    forget: () => {
      requests.length = 0;
      counts.clear();
    },
    close: async () => {
      await Promise.all([proxy.close(), plain.close(), secure.close()]);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Databases of tests are where they are; they are no hosts of the world. */
function databaseAt(target: string): number | null {
  const port = Number(/^127\.0\.0\.1:(\d+)$/.exec(target)?.[1] ?? 0);
  return port > 443 ? port : null;
}

async function readRequest(scheme: string, message: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const url = new URL(message.url ?? '/', `${scheme}://${message.headers.host}`);
  const isJson = (message.headers['content-type'] ?? '').includes('json');
  return {
    method: message.method ?? '',
    url: url.origin + url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: message.headers,
    body: isJson && text !== '' ? (JSON.parse(text) as Json) : text,
  };
}
