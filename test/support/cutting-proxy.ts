import { createServer, connect, type Server, type Socket } from 'node:net';
import { type AddressInfo } from 'node:net';

/** request: the next statement never reaches the server. reply: the server does its work, its answer never comes back. */
export type Cut = 'request' | 'reply';

/** A TCP proxy before a PostgreSQL server that cuts one connection at the moment a test chooses. */
export class CuttingProxy {
  private cut: Cut | null = null;
  private readonly open = new Set<() => void>();
  /** Connections cut so far. */
  cuts = 0;

  private constructor(
    private readonly server: Server,
    readonly url: string,
    private target: URL,
  ) {}

  static async before(url: string): Promise<CuttingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((server.address() as AddressInfo).port);
    const proxy = new CuttingProxy(server, through.href, new URL(url));
    server.on('connection', (client) => proxy.join(client, connect(Number(proxy.target.port || 5432), proxy.target.hostname)));
    return proxy;
  }

  /** Cuts at the next traffic. */
  arm(cut: Cut): void {
    this.cut = cut;
  }

  /** Leads to another server from now on, as an address does after a failover; open connections are cut, or stay where they were. */
  pointTo(url: string, open: 'cut' | 'kept'): void {
    this.target = new URL(url);
    if (open === 'cut') for (const end of this.open) end();
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(client: Socket, upstream: Socket): void {
    const end = (): void => {
      client.destroy();
      upstream.destroy();
      this.open.delete(end);
    };
    this.open.add(end);
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
