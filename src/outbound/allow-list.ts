import { domainToASCII } from 'node:url';
import { type Address, parseAddress } from './address.js';

/** One exception of OUTBOUND_ALLOW; `port` null means every port. */
export type AllowRule =
  | { readonly kind: 'host'; readonly host: string; readonly port: number | null }
  | { readonly kind: 'network'; readonly network: Address; readonly prefix: number; readonly port: number | null };

export interface AllowList {
  readonly rules: readonly AllowRule[];
}

/**
 * Reads OUTBOUND_ALLOW: a comma list of `host`, `host:port`, `address`, `address:port`, `CIDR` and `CIDR:port`.
 * IPv6 with a port stands in brackets: `[::1]:8080`, `[fd00::/8]:443`. Throws an Error that names the bad entry.
 */
export function parseOutboundAllow(text: string): AllowList {
  const entries = text.split(',').map((entry) => entry.trim());
  return { rules: entries.filter((entry) => entry !== '').map(parseEntry) };
}

function parseEntry(entry: string): AllowRule {
  const { target, port } = splitPort(entry);
  return { ...(networkOf(target) ?? hostOf(target) ?? refuse(entry)), port: portOf(port, entry) };
}

/** A colon starts a port, unless the target is a bare IPv6 address or network. */
function splitPort(entry: string): { readonly target: string; readonly port: string | null } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(entry);
  if (bracketed) return { target: bracketed[1] ?? '', port: bracketed[2] ?? null };
  if (networkOf(entry)) return { target: entry, port: null };
  const colon = entry.lastIndexOf(':');
  return colon < 0 ? { target: entry, port: null } : { target: entry.slice(0, colon), port: entry.slice(colon + 1) };
}

function networkOf(target: string) {
  const [, base, length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(target) ?? [];
  const network = base === undefined || base.includes('%') ? null : parseAddress(base);
  if (!network) return null;
  const bits = network.kind() === 'ipv4' ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  return prefix <= bits ? ({ kind: 'network', network, prefix } as const) : null;
}

function hostOf(target: string) {
  if (/[\s/\\?#@]/.test(target)) return null; // domainToASCII would cut the text there
  const host = domainToASCII(target.replace(/\.$/, '')).toLowerCase();
  // A last label of digits would be an address to a URL: here it is a mistyped one.
  const named = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(host) && !/^(?:\d+|0x[0-9a-f]*)$/.test(host.split('.').at(-1) ?? '');
  return named ? ({ kind: 'host', host } as const) : null;
}

function portOf(port: string | null, entry: string): number | null {
  if (port === null) return null;
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  return number >= 1 && number <= 65_535 ? number : refuse(entry);
}

function refuse(entry: string): never {
  throw new Error(`OUTBOUND_ALLOW: "${entry}" is not a host, host:port, address, address:port, CIDR or CIDR:port`);
}
