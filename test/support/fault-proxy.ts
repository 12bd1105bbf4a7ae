/** The proxy of the chaos runs, as tests use it: a black hole, or a line that hardly carries anything, between a node and its database. */
export interface FaultProxy {
  readonly port: number;
  /** How much gets through per connection and direction; Infinity where it is not held back. */
  bytesPerSecond: number;
  /** From now on nothing gets through, and nobody is told. */
  hold(): void;
  /** Ends a hold: what was on its way arrives after all, or every connection is reset. */
  release(how?: 'reset'): void;
  close(): Promise<void>;
}

interface FaultProxies {
  readonly FaultProxy: { before(port: number): Promise<FaultProxy> };
}

/** A proxy before the database of an address, and the address through it. */
export async function faultProxyBefore(url: string): Promise<{ proxy: FaultProxy; url: string }> {
  // It is plain JavaScript, which the compiler has no types for.
  const module: string = '../chaos/world/proxy.mjs';
  const { FaultProxy } = (await import(module)) as FaultProxies;
  const through = new URL(url);
  const proxy = await FaultProxy.before(Number(through.port || 5432));
  through.hostname = '127.0.0.1';
  through.port = String(proxy.port);
  return { proxy, url: through.href };
}
