import { createHash } from 'node:crypto';
import { type FastifyInstance } from 'fastify';
import { EngineError } from '../engine/engine-error.js';
import { type IdempotencyClaim } from '../engine/ports.js';
import { type Json } from '../engine/values.js';
import { canonicalJson } from '../engine/canonical-json.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set where the request carries an Idempotency-Key; made before anything changes the body. */
    idempotency?: IdempotencyClaim;
  }
}

/** Of every key that a client may send; those of the service itself have a blank. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** Reads `Idempotency-Key` of every POST, while the body is still as it was sent. A malformed key is refused with 400. */
export function readIdempotencyKeys(fastify: FastifyInstance): void {
  fastify.addHook('preHandler', (request, _reply, done) => {
    const header = request.headers['idempotency-key'];
    if (header === undefined || request.method !== 'POST') return done();
    if (typeof header !== 'string' || !IDEMPOTENCY_KEY.test(header)) {
      return done(new EngineError('unreadable', 'invalid_header', 'Idempotency-Key must be 1 to 255 visible ASCII characters.'));
    }
    request.idempotency = { key: header, fingerprint: fingerprintOf(request.url.split('?', 1)[0]!, request.body as Json | undefined) };
    done();
  });
}

/** Never over what `latest` meant, only over what was asked: the path without query, and the body. */
export function fingerprintOf(route: string, body: Json | undefined): string {
  return createHash('sha256')
    .update(`${route}\n${body === undefined ? '' : canonicalJson(body)}`)
    .digest('hex');
}
