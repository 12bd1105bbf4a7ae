import { type FastifyInstance } from 'fastify';
import { Counter, type Registry } from 'prom-client';

/** Counts answered requests by method, route and status: the pattern of the route, never the path, so that the series stay few. */
export function countRequests(fastify: FastifyInstance, registry: Registry): void {
  const counts = new Map<string, Map<string, Map<number, number>>>();
  fastify.addHook('onResponse', ({ method, routeOptions }, { statusCode }, done) => {
    const byStatus = nested(nested(counts, method), routeOptions.url ?? 'none');
    byStatus.set(statusCode, (byStatus.get(statusCode) ?? 0) + 1);
    done();
  });
  registry.registerMetric(
    new Counter({
      name: 'showrunner_http_requests_total',
      help: 'Answered requests.',
      labelNames: ['method', 'route', 'status'],
      registers: [],
      collect() {
        this.reset();
        for (const [method, routes] of counts) {
          for (const [route, statuses] of routes) {
            for (const [status, count] of statuses) this.inc({ method, route, status: String(status) }, count);
          }
        }
      },
    }),
  );
}

function nested<Inner extends Map<unknown, unknown>>(counts: Map<string, Inner>, key: string): Inner {
  let inner = counts.get(key);
  if (!inner) counts.set(key, (inner = new Map() as unknown as Inner));
  return inner;
}
