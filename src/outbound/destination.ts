import { isIP } from 'node:net';
import { OutboundError } from '../engine/outbound-port.js';
import { abortError, unlessAborted } from './abort.js';
import { type Destination, type Refusal, refusalOf, refusalOfName } from './address-policy.js';
import { type AllowList } from './allow-list.js';
import { type OwnDatabase } from './own-database.js';
import { addressesOf, type Resolve } from './resolve.js';

/** Verdicts that are remembered. */
const MAX_JUDGED = 1_000;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Reads an endpoint the way browsers do, so that every notation of an address becomes its plain one. Throws OutboundError `invalid_endpoint`. */
export function parseEndpoint(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url) throw new OutboundError('invalid_endpoint', 'The endpoint is not a URL');
  if (!(url.protocol in DEFAULT_PORTS)) throw new OutboundError('invalid_endpoint', 'The endpoint is not an http or https URL');
  if (url.username !== '' || url.password !== '') {
    throw new OutboundError('invalid_endpoint', 'The endpoint holds a user name or password; send them as a header');
  }
  // Setting it reads the whole URL again.
  if (url.hash !== '' || url.href.endsWith('#')) url.hash = '';
  return url;
}

/** Turns a URL into addresses that were checked; connecting to anything else would undo the check. */
export class DestinationCheck {
  private readonly judged = new Map<string, Refusal | null>();
  private judgedWith: readonly Destination[] | null = null;

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
    if (signal.aborted) throw abortError(signal);
    const destination = isIP(host) ? { host, port, addresses: [host] } : await this.resolved(host, port, signal);
    const refusal = this.refusal(destination, this.ownDatabase.current ?? (await unlessAborted(this.ownDatabase.destinations(), signal)));
    if (refusal === null) return destination;
    const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const remedy = refusal.allowable
      ? `whoever runs this service can allow it with OUTBOUND_ALLOW=${where}`
      : 'OUTBOUND_ALLOW cannot allow it';
    throw new OutboundError('outbound_blocked', `Calls to ${where} are not allowed: ${refusal.address} is ${refusal.reason}; ${remedy}`);
  }

  /** Judged once for the same addresses and the same forbidden ones: parsing both costs more than the call's own bookkeeping. */
  private refusal(destination: Destination, forbidden: readonly Destination[]): Refusal | null {
    if (forbidden !== this.judgedWith || this.judged.size >= MAX_JUDGED) {
      this.judged.clear();
      this.judgedWith = forbidden;
    }
    const { host, port, addresses } = destination;
    const key = `${host} ${port} ${addresses.join(' ')}`;
    let refusal = this.judged.get(key);
    if (refusal === undefined) {
      refusal = (addresses.length > 0 ? refusalOf : refusalOfName)(destination, this.allow, forbidden);
      this.judged.set(key, refusal);
    }
    return refusal;
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
