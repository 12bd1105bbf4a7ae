import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { Authentication, type Demand } from './authentication.js';
import { HttpRefusal } from './http-refusal.js';
import { assertAcceptable } from './media-type.js';
import { type HandlerPolicy, MEDIA_TYPES, POLICY, type ProtectedResource, RESOURCE } from './policy.js';
import { type Principal, type Scope } from './principal.js';
import './caller.js';

const JSON_ONLY: readonly string[] = ['application/json'];
/** Of the service as a whole. */
const SERVICE: readonly string[] = [''];

/** Default deny, bound to the handler and never to the text of the URL: a handler without a policy is refused. */
@Injectable()
export class PolicyGuard implements CanActivate {
  constructor(private readonly authentication: Authentication) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const handler = context.getHandler();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const policy = Reflect.getMetadata(POLICY, handler) as HandlerPolicy | undefined;
    if (policy === undefined) throw new HttpRefusal(403, 'forbidden', 'This operation is not open to anybody.');
    // Whoever may be asked by everybody asks nobody: an issuer that is away does not make the node unwell.
    if (policy === 'public') return this.accepts(request, handler);
    const demand = demandOf(handler, policy, request);
    const principal = this.authentication.principalOf(request, demand);
    // Without a turn of the loop where none is needed: this is the way of every request.
    if (principal instanceof Promise) return principal.then((found) => this.admits(found, policy, demand, request, handler));
    return this.admits(principal, policy, demand, request, handler);
  }

  private admits(principal: Principal, policy: Scope, demand: Demand, request: FastifyRequest, handler: object): boolean {
    if (!principal.scopes.has(policy)) throw this.authentication.lacking(demand, policy);
    request.principal = principal;
    request.demand = demand;
    return this.accepts(request, handler);
  }

  private accepts({ headers: { accept } }: FastifyRequest, handler: object): boolean {
    if (accept !== undefined && accept !== '*/*') {
      assertAcceptable(accept, (Reflect.getMetadata(MEDIA_TYPES, handler) as readonly string[] | undefined) ?? JSON_ONLY);
    }
    return true;
  }
}

function demandOf(handler: object, policy: Scope, { params }: FastifyRequest): Demand {
  const special = Reflect.getMetadata(RESOURCE, handler) as ProtectedResource | undefined;
  if (special === undefined) return { resource: SERVICE, scopes: [policy] };
  return { resource: special.paths((params ?? {}) as Record<string, string | undefined>), scopes: special.scopes };
}
