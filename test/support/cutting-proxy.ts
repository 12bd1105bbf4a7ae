import { createServer, connect, type Server, type Socket } from 'node:net';
import { type AddressInfo } from 'node:net';

/** request: the next statement never reaches the server. reply: the server does its work, its answer never comes back. */
export type Cut = 'request' | 'reply';

/** A TCP proxy before a PostgreSQL server that cuts one connection at the moment a test chooses. */
export class CuttingProxy {
  private cut: Cut | null = null;
  /** Connections cut so far. */
  cuts = 0;

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async before(url: string): Promise<CuttingProxy> {
    const target = new URL(url);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((server.address() as AddressInfo).port);
    const proxy = new CuttingProxy(server, through.href);
    server.on('connection', (client) => proxy.join(client, connect(Number(target.port || 5432), target.hostname)));
    return proxy;
  }

  /** Cuts at the next traffic. */
  arm(cut: Cut): void {
    this.cut = cut;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(client: Socket, upstream: Socket): void {
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    const forward = (from: Socket, to: Socket, cut: Cut): void => {
      from.on('data', (chunk) => {
        if (this.cut !== cut) return void to.write(chunk);
        this.cut = null;
        this.cuts += 1;
        end();
      });
      from.on('close', end);
      from.on('error', end);
    };
    forward(client, upstream, 'request');
    forward(upstream, client, 'reply');
  }
}
