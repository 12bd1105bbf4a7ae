import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Reads an address as resolvers, sockets and WHATWG URLs write it; a zone id is dropped. Null for anything else, also
 * for short, octal and hexadecimal IPv4: URLs have normalised those already, and nobody else may use them.
 */
export function parseAddress(text: string): Address | null {
  const bare = text.split('%', 1)[0] ?? '';
  const version = isIP(bare);
  if (version === 4) return ipaddr.IPv4.parse(bare);
  // By way of URL, because ipaddr.js takes ::1.2.3.4 (::/96) for ::ffff:1.2.3.4.
  if (version === 6) return ipaddr.IPv6.parse(new URL(`http://[${bare}]`).hostname.slice(1, -1));
  return null;
}

/** The same address in its shortest meaning: an IPv4-mapped IPv6 address reaches the IPv4 host, so it is that host. */
export function unmapped(address: Address): Address {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

export function sameAddress(left: Address, right: Address): boolean {
  return unmapped(left).toNormalizedString() === unmapped(right).toNormalizedString();
}

/** True where `address` lies in network/prefix; addresses of different families never do. */
export function inNetwork(address: Address, network: Address, prefix: number): boolean {
  if (address instanceof ipaddr.IPv4) return network instanceof ipaddr.IPv4 && address.match(network, prefix);
  return network instanceof ipaddr.IPv6 && address.match(network, prefix);
}

const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parse('2000::');

/**
 * Null for an address of the public internet, else the name of what it is ("loopback", "private", …).
 * Whatever no registry calls global is not public, so an unknown range is refused rather than reached. IPv6 ranges
 * that carry an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) are never public, whichever address they carry.
 */
export function specialRange(address: Address): string | null {
  const range: string = address.range();
  if (range !== 'unicast') return RANGE_NAMES[range] ?? 'reserved';
  if (address instanceof ipaddr.IPv6 && !address.match(GLOBAL_UNICAST_V6, 3)) return 'reserved';
  return null;
}

const RANGE_NAMES: Readonly<Record<string, string>> = {
  unspecified: 'unspecified',
  broadcast: 'broadcast',
  multicast: 'multicast',
  linkLocal: 'link-local',
  loopback: 'loopback',
  carrierGradeNat: 'carrier-grade NAT',
  private: 'private',
  uniqueLocal: 'private',
  deprecatedSiteLocal: 'private',
  benchmarking: 'benchmarking',
  ipv4Mapped: 'IPv4-mapped',
  rfc6145: 'IPv4-translated',
  rfc6052: 'NAT64',
  '6to4': '6to4',
  teredo: 'Teredo',
};
