import { type FastifyReply } from 'fastify';
import { EngineError } from '../engine/engine-error.js';

/** What comes before the path where a request names its target in full; nobody has checked that it is a host. */
const ORIGIN = /^https?:\/\/[^/?#]*/i;
const DECIMAL_ID = /^\d{1,19}$/;

/** A position in a list that is ordered by one text key: opaque to clients, ours to read. */
export function cursorOf(key: string): string {
  return Buffer.from(key, 'utf8').toString('base64url');
}

/** The key inside a cursor; throws EngineError `invalid_cursor` (400) for anything that `cursorOf` did not make. */
export function readCursor(cursor: string, valid: (key: string) => boolean = (key) => DECIMAL_ID.test(key)): string {
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (key === '' || cursorOf(key) !== cursor || !valid(key)) {
    throw new EngineError('unreadable', 'invalid_cursor', 'The cursor was not made by this service.');
  }
  return key;
}

/** Puts `Link: rel="next"` and `X-Next-Cursor` on an answer that has a next page; `url` is the request's own. */
export function linkNextPage(reply: FastifyReply, url: string, nextCursor: string | null): void {
  if (nextCursor === null) return;
  const next = new URL(url.replace(ORIGIN, ''), 'http://localhost');
  next.searchParams.set('cursor', nextCursor);
  next.searchParams.delete('offset');
  void reply.header('link', `<${next.pathname}${next.search}>; rel="next"`).header('x-next-cursor', nextCursor);
}
