import { networkInterfaces } from 'node:os';
import { type Destination } from './address-policy.js';
import { parseAddress, specialRange } from './address.js';
import { addressesOf, type Resolve } from './resolve.js';

export interface Endpoint {
  /** Name or address, without brackets. */
  readonly host: string;
  readonly port: number;
}

const REFRESH_MS = 30_000;

/**
 * The addresses of the service's own database, which no step may reach. Looked up again every 30 s, because a
 * failover moves the name; while the resolver fails, the last known answer holds.
 */
export class OwnDatabase {
  private known: readonly Destination[] = [];
  private readUntil = 0;

  constructor(
    private readonly endpoints: readonly Endpoint[],
    private readonly resolve: Resolve,
    /** Milliseconds that never jump. */
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** The same list until they are looked up again; null where that is due. */
  get current(): readonly Destination[] | null {
    return this.monotonic() < this.readUntil ? this.known : null;
  }

  async destinations(): Promise<readonly Destination[]> {
    const now = this.monotonic();
    if (now >= this.readUntil) {
      this.known = await Promise.all(this.endpoints.map((endpoint) => this.read(endpoint)));
      this.readUntil = now + REFRESH_MS;
    }
    return this.known;
  }

  private async read({ host, port }: Endpoint): Promise<Destination> {
    const last = this.known.find((known) => known.host === host && known.port === port)?.addresses ?? [];
    const addresses = await addressesOf(host, this.resolve).catch(() => last);
    return { host, port, addresses: addresses.some(isLoopback) ? [...addresses, ...interfaceAddresses()] : addresses };
  }
}

function isLoopback(text: string): boolean {
  const address = parseAddress(text);
  return address !== null && specialRange(address) === 'loopback';
}

/** A database on this machine may listen on every interface. */
function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}
