import { type CanActivate, type ExecutionContext, UseGuards } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { RequestPipe } from './request-pipe.js';

/** A request that has no fields. */
class NoFields {}

const NO_FIELDS = new RequestPipe(NoFields, { optional: true });

/** A guard and no pipe: a parameter of the handler would be a body of the operation in the OpenAPI document. */
class NoBodyGuard implements CanActivate {
  canActivate(context: ExecutionContext): true {
    NO_FIELDS.transform(context.switchToHttp().getRequest<FastifyRequest>().body);
    return true;
  }
}

/** Takes no body, or an empty object: whoever sends fields means something by them that would not happen. */
export const NoBody = (): MethodDecorator => UseGuards(new NoBodyGuard());
