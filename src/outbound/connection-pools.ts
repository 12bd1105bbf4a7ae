import { isIP, type LookupFunction } from 'node:net';
import { type SecureContext } from 'node:tls';
import { buildConnector, Pool } from 'undici';
import { type Destination } from './address-policy.js';
import { type EgressProxy, openTunnel } from './egress-proxy.js';

const MAX_POOLS = 256;
const CONNECTIONS_PER_POOL = 64;
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_RESPONSE_HEADER_BYTES = 32_768;

/**
 * Kept-alive connections, per origin, checked addresses and certificate rule: a connection is only ever reused for a
 * call that was allowed to reach its addresses. Bounded in pools and connections.
 */
export class ConnectionPools {
  /** In order of use: the first is the one to give up. */
  private readonly pools = new Map<string, Pool>();
  private newest: string | null = null;

  constructor(
    private readonly proxy: EgressProxy | null,
    private readonly secureContext: SecureContext,
  ) {}

  poolFor(origin: string, destination: Destination, verify: boolean): Pool {
    const { addresses } = destination;
    const key = `${origin} ${verify} ${addresses.length === 1 ? addresses[0] : [...addresses].sort().join(' ')}`;
    const known = this.pools.get(key);
    if (known && key === this.newest) return known;
    const pool = known ?? this.open(origin, destination, verify);
    this.pools.delete(key);
    this.pools.set(key, pool);
    this.newest = key;
    this.evict();
    return pool;
  }

  /** Ends every connection; calls under way fail. */
  async close(): Promise<void> {
    const pools = [...this.pools.values()];
    this.pools.clear();
    this.newest = null;
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  private open(origin: string, destination: Destination, verify: boolean): Pool {
    const tls = { secureContext: this.secureContext, rejectUnauthorized: verify, timeout: CONNECT_TIMEOUT_MS };
    return new Pool(origin, {
      connections: CONNECTIONS_PER_POOL,
      pipelining: 1,
      allowH2: false,
      useMilo: false,
      maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
      // The caller's signal bounds the whole call.
      headersTimeout: 0,
      bodyTimeout: 0,
      autoSelectFamily: true,
      // Sockets never ask a resolver again: between the check and the connection a name can change its answer.
      connect:
        this.proxy === null ? { lookup: answerWith(destination.addresses), ...tls } : this.throughProxy(this.proxy, destination, tls),
    });
  }

  /** The proxy is told the checked address; certificate and Host stay those of the name. */
  private throughProxy(proxy: EgressProxy, destination: Destination, tls: buildConnector.BuildOptions): buildConnector.connector {
    const secure = buildConnector({ ...tls, allowH2: false });
    return (options, callback) => {
      openTunnel(proxy, destination, this.secureContext, AbortSignal.timeout(CONNECT_TIMEOUT_MS)).then(
        (httpSocket) => (options.protocol === 'https:' ? secure({ ...options, httpSocket }, callback) : callback(null, httpSocket)),
        (error: Error) => callback(error, null),
      );
    };
  }

  private evict(): void {
    for (const [key, pool] of this.pools) {
      if (this.pools.size <= MAX_POOLS) return;
      this.pools.delete(key);
      pool.close().catch(() => undefined); // lets calls under way end; a second close is the only way it can fail
    }
  }
}

/** A look-up that knows one answer. Node does not call it for addresses, which need none. */
function answerWith(addresses: readonly string[]): LookupFunction {
  const answers = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, options, callback) => {
    const [first] = answers;
    if (options.all || !first) callback(null, answers);
    else callback(null, first.address, first.family);
  };
}
