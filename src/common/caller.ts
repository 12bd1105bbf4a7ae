import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { type Demand } from './authentication.js';
import { type Principal } from './principal.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Bound by the policy guard before any handler runs. */
    principal?: Principal;
    /** What the caller was asked for. */
    demand?: Demand;
  }
}

/** The principal of the request, as a handler's parameter. */
export const Caller = createParamDecorator((_data: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!principal) throw new Error('a handler ran without the policy guard');
  return principal;
});
