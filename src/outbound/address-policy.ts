import { type Address, inNetwork, parseAddress, sameAddress, specialRange, unmapped } from './address.js';
import { type AllowList, type AllowRule } from './allow-list.js';

/** Where a call goes: a host as a URL writes it (without brackets), and every address the host stands for. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly string[];
}

export interface Refusal {
  readonly address: string;
  /** What the address is: "a loopback address". */
  readonly reason: string;
  /** False where no entry of OUTBOUND_ALLOW helps: the service's own database. */
  readonly allowable: boolean;
}

/**
 * Says where calls may go: public addresses, the operator's exceptions, and never the service's own database.
 * Pure; names are resolved by the caller. `forbidden` are the database's addresses at this moment.
 */
export function refusalOf(destination: Destination, allow: AllowList, forbidden: readonly Destination[]): Refusal | null {
  for (const text of destination.addresses) {
    const address = parseAddress(text);
    if (!address) return { address: text, reason: 'not an IP address', allowable: false };
    if (forbidden.some((own) => isSameEndpoint(destination, address, own))) {
      return { address: text, reason: 'the database of this service', allowable: false };
    }
    const range = specialRange(address);
    if (range !== null && !allow.rules.some((rule) => covers(rule, destination, address))) {
      return { address: text, reason: `a ${range} address`, allowable: true };
    }
  }
  return null;
}

/** Names that mean this machine or its network by definition (RFC 6761, RFC 8375, RFC 6762's neighbours; metadata services live below `internal`). */
const PRIVATE_NAME = /^[^.]*$|(?:^|\.)(?:localhost|internal|home\.arpa)$/;

/**
 * The same for a name that only an egress proxy can resolve: nobody here knows its addresses, so the name itself is judged. The proxy is
 * where the operator keeps the rest of the rules; names that say that they are private are refused unless OUTBOUND_ALLOW names them.
 */
export function refusalOfName(destination: Destination, allow: AllowList, forbidden: readonly Destination[]): Refusal | null {
  const name = nameOf(destination.host);
  if (forbidden.some((own) => own.port === destination.port && nameOf(own.host) === name)) {
    return { address: name, reason: 'the database of this service', allowable: false };
  }
  if (!PRIVATE_NAME.test(name) || allow.rules.some((rule) => rule.kind === 'host' && portFits(rule, destination) && rule.host === name))
    return null;
  return { address: name, reason: 'a private name', allowable: true };
}

function portFits(rule: AllowRule, { port }: Destination): boolean {
  return rule.port === null || rule.port === port;
}

function covers(rule: AllowRule, destination: Destination, address: Address): boolean {
  if (!portFits(rule, destination)) return false;
  if (rule.kind === 'host') return rule.host === nameOf(destination.host);
  return inNetwork(address, rule.network, rule.prefix) || inNetwork(unmapped(address), rule.network, rule.prefix);
}

function isSameEndpoint(destination: Destination, address: Address, own: Destination): boolean {
  if (destination.port !== own.port) return false;
  if (nameOf(destination.host) === nameOf(own.host)) return true;
  const ownAddresses = own.addresses.map(parseAddress).filter((known) => known !== null);
  if (ownAddresses.some((known) => sameAddress(known, address))) return true;
  return ownAddresses.some(isThisMachine) && isThisMachine(address);
}

/** All of 127.0.0.0/8 and the unspecified address lead to the same listener as 127.0.0.1. */
function isThisMachine(address: Address): boolean {
  const range = specialRange(unmapped(address));
  return range === 'loopback' || range === 'unspecified';
}

function nameOf(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
