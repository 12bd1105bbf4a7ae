import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** All addresses of a host name, in the order to try them. Rejects where there are none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** The resolver of the machine: hosts file and DNS. */
export const resolveWithSystem: Resolve = async (host) => {
  const answers = await lookup(host, { all: true });
  return answers.map(({ address }) => address);
};

/** An address stands for itself and never meets the resolver. */
export async function addressesOf(host: string, resolve: Resolve): Promise<readonly string[]> {
  return isIP(host) ? [host] : resolve(host);
}
