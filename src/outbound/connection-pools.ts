import { isIP, type LookupFunction } from 'node:net';
import { Pool } from 'undici';
import { type Destination } from './address-policy.js';

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

  poolFor(origin: string, destination: Destination, verify: boolean): Pool {
    const key = JSON.stringify([origin, verify, ...[...destination.addresses].sort()]);
    const pool = this.pools.get(key) ?? openPool(origin, destination, verify);
    this.pools.delete(key);
    this.pools.set(key, pool);
    this.evict();
    return pool;
  }

  /** Ends every connection; calls under way fail. */
  async close(): Promise<void> {
    const pools = [...this.pools.values()];
    this.pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  private evict(): void {
    for (const [key, pool] of this.pools) {
      if (this.pools.size <= MAX_POOLS) return;
      this.pools.delete(key);
      pool.close().catch(() => undefined); // lets calls under way end; a second close is the only way it can fail
    }
  }
}

function openPool(origin: string, { addresses }: Destination, verify: boolean): Pool {
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
    connect: { lookup: answerWith(addresses), rejectUnauthorized: verify, timeout: CONNECT_TIMEOUT_MS },
  });
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
