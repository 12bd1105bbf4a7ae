import { createServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo } from 'node:net';

/** One request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type EchoAnswer = { readonly status?: number; readonly type?: string; readonly body: string } | null;

/** Remembers every request; answers with all of it as JSON, or as `answer` says. */
export class EchoServer {
  readonly seen: SeenRequest[] = [];
  /** null: the request itself. */
  answer: (request: SeenRequest) => EchoAnswer = () => null;

  private readonly server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const seen = { method, url, headers, body: Buffer.concat(chunks).toString() };
      this.seen.push(seen);
      const { status = 200, type = 'application/json', body } = this.answer(seen) ?? { body: JSON.stringify(seen) };
      response.writeHead(status, { 'content-type': type }).end(body);
    });
  });

  static async start(): Promise<EchoServer> {
    const echo = new EchoServer();
    await new Promise<void>((resolve) => echo.server.listen(0, '127.0.0.1', resolve));
    return echo;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The last request to a path. */
  last(path: string): SeenRequest {
    const found = this.seen.findLast(({ url }) => url.split('?')[0] === path);
    if (!found) throw new Error(`nothing asked for ${path}`);
    return found;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
