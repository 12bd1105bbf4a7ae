import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';

/** The world outside, on this machine. */
export interface Stub {
  readonly port: number;
  readonly url: (path: string) => string;
  /** How many requests came for the path. */
  readonly requests: (path: string) => number;
  readonly close: () => Promise<void>;
}

/**
 * Answers `{path}` to everything: below /status/ with the status in the path, at /third with 503 but to the third request,
 * else with 200.
 */
export async function startStub(): Promise<Stub> {
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    const wanted = /^\/status\/(\d{3})$/.exec(path)?.[1];
    const status = wanted === undefined ? (path === '/third' && count < 3 ? 503 : 200) : Number(wanted);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ path }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: (path) => `http://127.0.0.1:${port}${path}`,
    requests: (path) => counts.get(path) ?? 0,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
