/** Which names and origins requests to the MCP endpoints may come by. */
export interface OriginRules {
  /** Lower case host names, with or without a port; IPv6 in brackets. Without a port: on any. */
  readonly hosts: readonly string[];
  /** Lower case origins of browsers (`https://app.example.com`), exact. */
  readonly origins: readonly string[];
}

/** Names of this machine itself: what a browser on it may ask by, and may be at. */
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Names under which the service listens beside those of the machine itself; an address that stands for all addresses is no name. */
export function namesOfHost(host: string): string[] {
  if (host === '0.0.0.0' || host === '::' || host === '') return [];
  return [host.includes(':') ? `[${host}]` : host.toLowerCase()];
}

/** The name by which clients know the service, where that is said. */
export function namesOfUrl(url: string | null): string[] {
  return url === null ? [] : [new URL(url).host];
}

/**
 * Why a request is refused, or null. The host a request names must be ours, so that a page that rebinds its own name to this machine reaches nothing;
 * a browser must come from an origin that may. Requests without Origin come from no browser.
 */
export function refusalOfOrigin(host: string | undefined, origin: string | undefined, rules: OriginRules): string | null {
  if (host === undefined || !isOneOf(host.toLowerCase(), [...LOOPBACK, ...rules.hosts])) {
    return 'The Host header names no host of this service; see MCP_ALLOWED_HOSTS.';
  }
  if (origin === undefined) return null;
  const asked = origin.toLowerCase();
  const ofMachine = /^https?:\/\/(.+)$/.exec(asked)?.[1];
  if (rules.origins.includes(asked) || (ofMachine !== undefined && isOneOf(ofMachine, LOOPBACK))) return null;
  return 'Requests of browsers from this origin are not accepted; see MCP_ALLOWED_ORIGINS.';
}

/** @param asked `name`, or `name:port` with a port in digits */
function isOneOf(asked: string, allowed: readonly string[]): boolean {
  if (allowed.includes(asked)) return true;
  const name = /^(.*):\d{1,5}$/.exec(asked)?.[1];
  return name !== undefined && allowed.includes(name);
}
