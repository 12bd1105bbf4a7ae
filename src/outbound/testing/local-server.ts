import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';

/** A real server on 127.0.0.1 that remembers who came. */
export interface LocalServer {
  readonly port: number;
  /** http://127.0.0.1:port */
  readonly origin: string;
  /** TCP connections accepted so far. */
  connections(): number;
  /** Requests received so far; the body is not kept. */
  readonly requests: readonly IncomingMessage[];
  close(): Promise<void>;
}

/** A server that answers HTTP requests with `handler`. */
export function serveHttp(handler: RequestListener): Promise<LocalServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handler(request, response);
  });
  return listening(server, requests);
}

/** A server that hands each connection to `handler`: for answers that are not quite HTTP, and for canaries. */
export function serveTcp(handler: (socket: Socket) => void): Promise<LocalServer> {
  return listening(
    createTcpServer((socket) => handler(socket.on('error', () => undefined))),
    [],
  );
}

export async function listening(server: Server | TcpServer, requests: readonly IncomingMessage[]): Promise<LocalServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket.once('close', () => sockets.delete(socket)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    connections: () => connections,
    requests,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      sockets.forEach((socket) => socket.destroy());
      await closed;
    },
  };
}
