import { type FastifyInstance } from 'fastify';

interface Route {
  readonly segments: readonly string[];
  readonly methods: Set<string>;
}

/** All routes of the service, for telling "no such route" from "not with this method". */
export class RouteTable {
  private readonly routes = new Map<string, Route>();

  /** Must be called before any route is registered. */
  watch(fastify: FastifyInstance): void {
    fastify.addHook('onRoute', ({ url, method }) => {
      const route = this.routes.get(url) ?? { segments: url.split('/'), methods: new Set<string>() };
      this.routes.set(url, route);
      for (const name of [method].flat()) route.methods.add(name.toUpperCase());
    });
  }

  /** Methods that the path of a URL can be asked with, sorted; none where no route has it. */
  methodsOf(url: string): string[] {
    const segments = (url.split('?', 1)[0] ?? url).split('/');
    const methods = new Set<string>();
    for (const route of this.routes.values()) {
      if (matches(route.segments, segments)) for (const method of route.methods) methods.add(method);
    }
    return [...methods].sort();
  }

  /** `METHOD /path` of every route, as registered. */
  list(): string[] {
    return [...this.routes].flatMap(([url, { methods }]) => [...methods].map((method) => `${method} ${url}`)).sort();
  }
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  return (
    pattern.length === path.length && pattern.every((segment, at) => (segment.startsWith(':') ? path[at] !== '' : segment === path[at]))
  );
}
