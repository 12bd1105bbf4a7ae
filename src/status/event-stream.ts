import { type ServerResponse } from 'node:http';
import { drained } from '../common/slow-reader.js';
import { type LiveMessage } from '../engine/live-port.js';
import { type ExecutionEvent } from './dto/execution-event.js';

const HEARTBEAT_MS = 15_000;

/** Hears of messages of the moment until the returned function is called. */
type Follow = (listener: (message: LiveMessage) => void) => () => void;

/**
 * Writes chunks of events as server-sent events (WHATWG HTML §9.2): `id:` seq, `event:` type, `data:` the event; a comment
 * every 15 s keeps proxies from closing. Between them stand messages of the moment, without an id: a reader that is too slow misses them. Ends with the source; waits for a slow reader instead of buffering for it.
 */
export async function streamEvents(
  response: ServerResponse,
  chunks: AsyncIterable<readonly ExecutionEvent[]>,
  follow: Follow,
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'keep-alive',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  const heartbeat = setInterval(() => response.write(': still here\n\n'), HEARTBEAT_MS);
  const unfollow = follow(({ event, data }) => {
    if (!response.destroyed && !response.writableNeedDrain) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  });
  try {
    for await (const events of chunks) {
      if (response.destroyed) return;
      if (events.length === 0) continue;
      const text = events.map((event) => `id: ${event.seq}\nevent: ${event.event_type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
      if (!response.write(text)) await drained(response);
    }
  } finally {
    unfollow();
    clearInterval(heartbeat);
    response.end();
  }
}
