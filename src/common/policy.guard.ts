import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { EngineError } from '../engine/engine-error.js';
import { Authentication } from './authentication.js';
import { assertAcceptable } from './media-type.js';
import { type HandlerPolicy, MEDIA_TYPES, POLICY } from './policy.js';
import './caller.js';

const JSON_ONLY: readonly string[] = ['application/json'];

/** Default deny, bound to the handler and never to the text of the URL: a handler without a policy is refused. */
@Injectable()
export class PolicyGuard implements CanActivate {
  constructor(private readonly authentication: Authentication) {}

  canActivate(context: ExecutionContext): boolean {
    const handler = context.getHandler();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const policy = Reflect.getMetadata(POLICY, handler) as HandlerPolicy | undefined;
    const principal = this.authentication.principalOf(request);
    if (policy === undefined || (policy !== 'public' && !principal.scopes.has(policy))) {
      throw new EngineError('forbidden', 'forbidden', policy ? `The scope ${policy} is needed.` : 'This operation is not open to anybody.');
    }
    request.principal = principal;
    const { accept } = request.headers;
    if (accept !== undefined && accept !== '*/*') {
      assertAcceptable(accept, (Reflect.getMetadata(MEDIA_TYPES, handler) as readonly string[] | undefined) ?? JSON_ONLY);
    }
    return true;
  }
}
