import { OutboundError } from '../engine/outbound-port.js';

/** What an aborted call throws: OutboundError `timeout` where time ran out, else the reason the caller gave. */
export function abortError(signal: AbortSignal): unknown {
  const reason: unknown = signal.reason;
  return reason instanceof DOMException && reason.name === 'TimeoutError'
    ? new OutboundError('timeout', 'The call did not end in time')
    : reason;
}

/** The promise, or abortError() as soon as the signal fires; for work that cannot be aborted itself. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(abortError(signal));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
