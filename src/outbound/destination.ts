import { OutboundError } from '../engine/outbound-port.js';
import { unlessAborted } from './abort.js';
import { type Destination, type Refusal, refusalOf, refusalOfName } from './address-policy.js';
import { type AllowList } from './allow-list.js';
import { type OwnDatabase } from './own-database.js';
import { addressesOf, type Resolve } from './resolve.js';

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Reads an endpoint the way browsers do, so that every notation of an address becomes its plain one. Throws OutboundError `invalid_endpoint`. */
export function parseEndpoint(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url) throw new OutboundError('invalid_endpoint', 'The endpoint is not a URL');
  if (!(url.protocol in DEFAULT_PORTS)) throw new OutboundError('invalid_endpoint', 'The endpoint is not an http or https URL');
  if (url.username !== '' || url.password !== '') {
    throw new OutboundError('invalid_endpoint', 'The endpoint holds a user name or password; send them as a header');
  }
  url.hash = '';
  return url;
}

/** Turns a URL into addresses that were checked; connecting to anything else would undo the check. */
export class DestinationCheck {
  constructor(
    private readonly allow: AllowList,
    private readonly ownDatabase: OwnDatabase,
    private readonly resolve: Resolve,
    /** What an egress proxy does for names that cannot be resolved here: nothing, as a rule; null where there is no proxy. */
    private readonly proxyResolves: boolean | null = null,
  ) {}

  /** Where a URL leads, checked. Throws OutboundError. */
  destinationOf(url: URL, signal: AbortSignal): Promise<Destination> {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = url.port === '' ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
    return this.destinationAt(host, port, signal);
  }

  /**
   * Resolves once and refuses the whole destination if one answer is not allowed. Throws OutboundError.
   * @returns no addresses only where the egress proxy is to resolve the name
   * @param host a name or an address, without brackets
   */
  async destinationAt(host: string, port: number, signal: AbortSignal): Promise<Destination> {
    const destination = await this.resolved(host, port, signal);
    const refusal = this.refusal(destination, await unlessAborted(this.ownDatabase.destinations(), signal));
    if (refusal === null) return destination;
    const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const remedy = refusal.allowable
      ? `whoever runs this service can allow it with OUTBOUND_ALLOW=${where}`
      : 'OUTBOUND_ALLOW cannot allow it';
    throw new OutboundError('outbound_blocked', `Calls to ${where} are not allowed: ${refusal.address} is ${refusal.reason}; ${remedy}`);
  }

  private refusal(destination: Destination, forbidden: readonly Destination[]): Refusal | null {
    const judge = destination.addresses.length > 0 ? refusalOf : refusalOfName;
    return judge(destination, this.allow, forbidden);
  }

  private async resolved(host: string, port: number, signal: AbortSignal): Promise<Destination> {
    const addresses = await unlessAborted(
      addressesOf(host, this.resolve).catch(() => []),
      signal,
    );
    if (addresses.length === 0 && this.proxyResolves !== true) {
      const remedy =
        this.proxyResolves === null ? '' : ' here; whoever runs this service can let the proxy do it with OUTBOUND_PROXY_RESOLVES=true';
      throw new OutboundError('connection_error', `The host ${host} could not be resolved${remedy}`);
    }
    return { host, port, addresses };
  }
}
