import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

/** One call that a step made. */
export interface Effect {
  readonly path: string;
  readonly key: string;
}

/** The world that steps act on: remembers every call with its idempotency key, holds answers below /hold back until told, and answers /status/<code> with that. */
export class EffectServer {
  readonly effects: Effect[] = [];
  private readonly held: ServerResponse[] = [];
  private holding = true;
  private readonly server = createServer((request, response) => {
    const path = request.url ?? '/';
    this.effects.push({ path, key: String(request.headers['idempotency-key']) });
    if (path.startsWith('/hold') && this.holding) this.held.push(response);
    else answer(response, path);
  });

  static async start(): Promise<EffectServer> {
    const effects = new EffectServer();
    await new Promise<void>((resolve) => effects.server.listen(0, '127.0.0.1', resolve));
    return effects;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  of(path: string): Effect[] {
    return this.effects.filter((effect) => effect.path === path);
  }

  /** Waits until a path was called so often. */
  async called(path: string, times: number, seconds = 30): Promise<void> {
    for (const until = performance.now() + seconds * 1000; this.of(path).length < times;) {
      if (performance.now() > until) throw new Error(`${path} was called ${this.of(path).length} times, not ${times}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** Holds answers back again. */
  hold(): void {
    this.holding = true;
  }

  /** Answers what is held, and from now on at once. */
  release(): void {
    this.holding = false;
    for (const response of this.held.splice(0)) answer(response, 'released');
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

function answer(response: ServerResponse, path: string): void {
  const status = Number(/^\/status\/(\d{3})$/.exec(path)?.[1] ?? 200);
  if (!response.destroyed) response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ path }));
}
