import { Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { ANONYMOUS, type Principal } from './principal.js';

/** Says who sent a request. Without configured authentication everybody is anonymous; tests bind others. */
@Injectable()
export class Authentication {
  principalOf(_request: FastifyRequest): Principal {
    return ANONYMOUS;
  }
}
