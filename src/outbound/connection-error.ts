import { OutboundError } from '../engine/outbound-port.js';
import { abortError } from './abort.js';

/**
 * What failed, in words that name the place and nothing that was sent. Errors that are ours already, and the reason of
 * an aborted signal, pass through.
 */
export function outboundErrorOf(error: unknown, url: URL, signal: AbortSignal): unknown {
  if (error instanceof OutboundError) return error;
  if (signal.aborted) return abortError(signal);
  const code = codeOf(error);
  const at = url.host;
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return new OutboundError('response_too_large', `The response headers of ${at} are too large`);
  if (code === 'UND_ERR_INVALID_ARG') {
    return new OutboundError('invalid_endpoint', 'The method, a header or the path has characters that HTTP does not allow');
  }
  return new OutboundError('connection_error', `The call to ${at} failed: ${REASONS[code] ?? reasonOf(code)}`, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there (ECONNREFUSED)',
  ECONNRESET: 'the connection was reset (ECONNRESET)',
  EHOSTUNREACH: 'the host cannot be reached (EHOSTUNREACH)',
  ENETUNREACH: 'the network cannot be reached (ENETUNREACH)',
  ETIMEDOUT: 'the connection was not accepted in time (ETIMEDOUT)',
  UND_ERR_CONNECT_TIMEOUT: 'the connection was not accepted in time',
  UND_ERR_SOCKET: 'the connection ended before the response did',
  UND_ERR_CLOSED: 'this service is shutting down',
  UND_ERR_DESTROYED: 'this service is shutting down',
};

function reasonOf(code: string): string {
  if (code.startsWith('HPE_')) return `the answer is not HTTP (${code})`;
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) return `the TLS certificate is not trusted (${code})`;
  if (/SSL|TLS/.test(code)) return `the TLS connection failed (${code})`;
  return code === '' ? 'the connection failed' : `the connection failed (${code})`;
}

/** The code of an error, or of the first of several where every address failed. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError && !hasCode(error)) return codeOf(error.errors[0]);
  return hasCode(error) ? error.code : '';
}

function hasCode(error: unknown): error is { readonly code: string } {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string';
}
