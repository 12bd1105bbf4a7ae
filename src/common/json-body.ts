import { isAscii, isUtf8 } from 'node:buffer';
import { type FastifyInstance, type FastifyRequest } from 'fastify';
import { EngineError } from '../engine/engine-error.js';
import { type BodyLimits, scanBody } from './body-scan.js';
import { assertPlainJson } from './media-type.js';

const unreadable = (message: string): EngineError => new EngineError('unreadable', 'malformed_json', message);

/** The only body parser: strict UTF-8, scanned for the limits of a body before JSON.parse sees it. */
export function acceptJsonOnly(fastify: FastifyInstance, limits: BodyLimits): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer, done) => {
    try {
      assertPlainJson(request.headers['content-type'] ?? '', request.headers['content-encoding']);
      done(null, parseBody(body, limits));
    } catch (error) {
      done(error as Error);
    }
  });
}

/** An empty body is `undefined`: whether one is needed is the handler's to say. */
export function parseBody(body: Buffer, limits: BodyLimits): unknown {
  if (body.length === 0) return undefined;
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) throw unreadable('The body starts with a byte order mark.');
  if (!isUtf8(body)) throw unreadable('The body is not UTF-8.');
  const text = body.toString(isAscii(body) ? 'latin1' : 'utf8');
  scanBody(text, limits);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The parser's own message quotes the body; its position is enough.
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    throw unreadable(position === undefined ? 'The body is not JSON.' : `The body is not JSON (character ${position}).`);
  }
}
