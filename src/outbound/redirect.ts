import { OutboundError } from '../engine/outbound-port.js';
import { parseEndpoint } from './destination.js';

/** One request of a chain of redirects. Header names are lower-case. */
export interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** What may follow to another origin. A list of what is harmless, because any other header can hold a credential. */
const HARMLESS = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-language',
  'content-type',
  'if-modified-since',
  'if-none-match',
  'pragma',
  'prefer',
  'range',
  'traceparent',
  'user-agent',
  'x-correlation-id',
  'x-request-id',
]);

/**
 * The request a redirect asks for, or null where the answer is final. 303 turns everything but HEAD into GET, 301 and
 * 302 turn POST into GET (RFC 9110 §15.4, as browsers do); with another scheme, host or port the credentials stay
 * behind. A body, which may hold credentials as well (a client secret, whatever a template puts there), is never sent to
 * another origin: RFC 9110 §15.4.8 leaves it to the client whether to follow, and half a request would be another one;
 * only from http to https of the same host it goes along. Throws OutboundError `invalid_endpoint` for a location that is
 * no http or https URL, `outbound_blocked` for a body that would leave its origin.
 */
export function redirectOf(hop: Hop, status: number, location: string | undefined): Hop | null {
  if (!REDIRECTS.has(status) || location === undefined) return null;
  const url = parseEndpoint(location, hop.url);
  const headers = url.origin === hop.url.origin ? hop.headers : keep(hop.headers, (name) => HARMLESS.has(name));
  const becomesGet = status === 303 ? hop.method !== 'HEAD' : status <= 302 && hop.method === 'POST';
  if (!becomesGet) {
    if (hop.body !== null && url.origin !== hop.url.origin && !isUpgrade(hop.url, url)) {
      const message = `The redirect (${status}) leads to another origin, ${url.origin}, where the body is not sent; call that address itself`;
      throw new OutboundError('outbound_blocked', message);
    }
    return { ...hop, url, headers };
  }
  return { url, method: 'GET', headers: keep(headers, (name) => !name.startsWith('content-')), body: null };
}

/** The same host, now with TLS, on the standard ports. */
function isUpgrade(from: URL, to: URL): boolean {
  return from.protocol === 'http:' && to.protocol === 'https:' && from.hostname === to.hostname && from.port === '' && to.port === '';
}

function keep(headers: Hop['headers'], wanted: (name: string) => boolean): Hop['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => wanted(name)));
}
