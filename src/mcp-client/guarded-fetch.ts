import { type FetchLike } from '@modelcontextprotocol/client';
import { OutboundError } from '../engine/outbound-port.js';
import { type OutboundClient } from '../outbound/outbound-client.js';
import { MCP_LIMITS } from './limits.js';

const WITHOUT_BODY: ReadonlySet<number> = new Set([101, 204, 205, 304]);
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** What a stream of events had when it ended. */
export interface EndOfStream {
  /** The event stream can be asked for again from where it ended: an id was among its events. */
  readonly resumable: boolean;
  /** Null where it ended as it should. */
  readonly error: Error | null;
}

/** Told of streams of events that are over, with the request they answered. */
export type OnStreamEnd = (body: string | null, end: EndOfStream) => void;

/**
 * `fetch` for the SDK on the one checked client (S6): addresses are checked and connected to, redirects are answers, bodies are bounded.
 * An event of a stream may have as many bytes as a message, a stream as a whole four times as many.
 */
export function guardedFetch(outbound: Pick<OutboundClient, 'stream'>, onStreamEnd: OnStreamEnd): FetchLike {
  return async (url, init = {}) => {
    const body = typeof init.body === 'string' ? init.body : null;
    const signal = init.signal ?? AbortSignal.timeout(MCP_LIMITS.connectMs);
    const answer = await outbound.stream({
      url: String(url),
      method: init.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init.headers as Record<string, string>).entries()),
      body,
      signal,
    });
    const { status } = answer;
    const headers = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) if (typeof value === 'string') headers.set(name, value);
    if (WITHOUT_BODY.has(status)) {
      answer.body.on('error', () => undefined).resume();
      return new Response(null, { status, headers });
    }
    const isStream = (headers.get('content-type') ?? '').toLowerCase().startsWith('text/event-stream');
    const bounded = isStream ? boundedEvents(answer.body, (end) => onStreamEnd(body, end)) : boundedBody(answer.body);
    return new Response(ReadableStream.from(bounded), { status, headers });
  };
}

async function* boundedBody(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MCP_LIMITS.messageBytes) throw tooLarge(`an answer of more than ${MCP_LIMITS.messageBytes} bytes`);
    yield chunk;
  }
}

/** Counts what arrives between two ends of events (an empty line), and altogether. */
async function* boundedEvents(chunks: AsyncIterable<Uint8Array>, ended: (end: EndOfStream) => void): AsyncIterable<Uint8Array> {
  let size = 0;
  let ofEvent = 0;
  let lineLength = 0;
  let line = '';
  let resumable = false;
  try {
    for await (const chunk of chunks) {
      size += chunk.length;
      for (const byte of chunk) {
        ofEvent += 1;
        if (byte === RETURN) continue;
        if (byte !== NEWLINE) {
          if (lineLength < 3) line += String.fromCharCode(byte);
          lineLength += 1;
          continue;
        }
        if (lineLength === 0) ofEvent = 0;
        if (line === 'id:') resumable = true;
        lineLength = 0;
        line = '';
      }
      if (ofEvent > MCP_LIMITS.messageBytes) throw tooLarge(`an event of more than ${MCP_LIMITS.messageBytes} bytes`);
      if (size > MCP_LIMITS.streamBytes) throw tooLarge(`a stream of more than ${MCP_LIMITS.streamBytes} bytes`);
      yield chunk;
    }
    ended({ resumable, error: null });
  } catch (error) {
    ended({ resumable: resumable && !(error instanceof OutboundError), error: error as Error });
    throw error;
  }
}

function tooLarge(what: string): OutboundError {
  return new OutboundError('response_too_large', `The MCP server sent ${what}`);
}
