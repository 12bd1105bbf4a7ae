import { type FastifyInstance } from 'fastify';
import { type Logger } from './logger.js';

/** One line per request, after its answer. No headers, bodies or query values: they may hold secrets. */
export function logRequests(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    const { statusCode } = reply;
    const line = {
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: statusCode,
      ms: Math.round(reply.elapsedTime * 100) / 100,
      request_id: request.id,
    };
    if (statusCode >= 500) logger.error(line, 'request');
    else logger.info(line, 'request');
    done();
  });
}
