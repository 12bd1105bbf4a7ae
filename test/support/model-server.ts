import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type JsonObject } from '../../src/engine/values.js';

export interface SeenCall {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: JsonObject;
  /** The body as it came. */
  readonly text: string;
}

export interface ModelServer {
  readonly origin: string;
  readonly calls: SeenCall[];
  readonly close: () => Promise<void>;
}

/** How a server behaves; the first segment of the path says which. */
export type Behaviours = Readonly<Record<string, (call: SeenCall, response: ServerResponse, before: number) => void>>;

/** A server of models on this machine: `/{behaviour}/…`. */
export async function startModelServer(behaviours: Behaviours): Promise<ModelServer> {
  const calls: SeenCall[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const url = request.url ?? '';
      const body = text === '' ? {} : (JSON.parse(text) as JsonObject);
      const call: SeenCall = { method: request.method ?? '', url, headers: request.headers, body, text };
      const name = url.split('/')[1] ?? '';
      const before = calls.filter((seen) => seen.url.split('/')[1] === name).length;
      calls.push(call);
      const behaviour = behaviours[name];
      if (behaviour) behaviour(call, response, before);
      else response.writeHead(404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export function sendJson(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** The address of a server that was there a moment ago. */
export async function closedOrigin(): Promise<string> {
  const { origin, close } = await startModelServer({});
  await close();
  return origin;
}
