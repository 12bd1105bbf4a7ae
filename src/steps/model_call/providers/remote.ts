import { OutboundError, type OutboundStreams } from '../../../engine/outbound-port.js';
import { type StepContext, StepFailure } from '../../../engine/step-executor.js';
import { type Json, own } from '../../../engine/values.js';
import { withAuth } from '../../../outbound/auth-headers.js';
import { type ModelRequest } from '../model.request.js';

const MAX_RESPONSE_BYTES = 16 * 1_048_576;
const ADMITTED_BYTES = 256 * 1_024;
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** @throws StepFailure `invalid_endpoint` */
export function endpointOf({ endpoint }: ModelRequest): string {
  const url = URL.parse(endpoint ?? '');
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return url.href.replace(/\/+$/, '');
  throw new StepFailure('invalid_endpoint', 'The endpoint of the model is not an http or https URL.', { retryable: false });
}

/**
 * The keys of an attempt's calls: equal over attempts, as its inputs are cut in the same way each time, and different for each part of them, or a server
 * that keeps answers by key would give the first one again.
 */
function idempotencyKeys({ idempotencyKey }: StepContext): () => string {
  let calls = 0;
  return () => ((calls += 1) === 1 ? idempotencyKey : `${idempotencyKey}/${calls}`);
}

/**
 * `fetch` through the one checked client: bounded in size, under the lease, ended by the signal of the attempt. Of the headers of a library only those
 * that describe the body count: it may have others from the environment of this process, which are nobody's business.
 * @throws StepFailure for credentials that make no headers
 */
export function guardedFetch(streams: OutboundStreams, request: ModelRequest, context: StepContext): typeof fetch {
  const most = own(request.options, 'max_response_bytes');
  const ours = withAuth(request.headers, context.auth);
  const nextKey = idempotencyKeys(context);
  const maxBytes = typeof most === 'number' ? most : MAX_RESPONSE_BYTES;
  return async (url, init = {}) => {
    const method = init.method ?? 'GET';
    const { status, headers, body } = await streams.stream({
      url: url instanceof Request ? url.url : String(url),
      method,
      headers: { ...described(new Headers(init.headers)), ...(method === 'POST' ? { 'Idempotency-Key': nextKey() } : {}), ...ours },
      body: typeof init.body === 'string' ? init.body : null,
      signal: init.signal ? AbortSignal.any([context.signal, init.signal]) : context.signal,
      beforeSending: () => context.assertHeld(),
    });
    const plain = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((each): [string, string] => [name, each]));
    if (WITHOUT_BODY.has(status)) return new Response(null, { status, headers: plain });
    return new Response(ReadableStream.from(bounded(body, maxBytes, context)), { status, headers: plain });
  };
}

function described(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name === 'content-type' || name === 'accept'));
}

async function* bounded(body: AsyncIterable<Uint8Array>, maxBytes: number, context: StepContext): AsyncGenerator<Uint8Array> {
  let size = 0;
  let admitted = ADMITTED_BYTES;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new OutboundError('response_too_large', `The response is larger than ${maxBytes} bytes`);
    if (size > admitted) {
      admitted += ADMITTED_BYTES;
      await context.admit(ADMITTED_BYTES);
    }
    yield chunk;
  }
}

/** A status that is no success: 408, 429 and those from 500 on are worth another attempt, no earlier than Retry-After says. */
export function statusFailure(status: number, headers: Headers, cause: Json = null): StepFailure {
  return new StepFailure('http_error', `The endpoint of the model answered with status ${status}.`, {
    statusCode: status,
    retryable: status === 408 || status === 429 || status >= 500,
    retryAfterMs: retryAfterMs(headers.get('retry-after')),
    cause,
  });
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterMs(header: string | null): number {
  if (header === null) return 0;
  const ms = /^\s*\d{1,9}\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** An answer that is none of the protocol. It may have been a bad moment. */
export function garbled(what: string): StepFailure {
  return new StepFailure('invalid_model_response', `The endpoint of the model answered ${what}.`);
}

/** What was thrown on the way to an answer, as the failure of the attempt. Libraries wrap what their `fetch` throws. */
export function remoteFailure(thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth += 1) {
    if (error instanceof StepFailure) return error;
    if (error instanceof OutboundError) return new StepFailure(error.code, error.message, { retryable: error.retryable });
  }
  return null;
}
