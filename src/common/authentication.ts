import { type FastifyRequest } from 'fastify';
import { HttpRefusal } from './http-refusal.js';
import { ANONYMOUS, type Principal, type Scope } from './principal.js';

/** What a request is about to do. */
export interface Demand {
  /** Paths of the resources that the request is for, the nearest first; an empty one is the service as a whole. A token counts for one of them. */
  readonly resource: readonly string[];
  /** What a client should ask for where it has no token yet. */
  readonly scopes: readonly Scope[];
}

/** Why a request is refused, in the terms of RFC 6750; without an error it only lacked a token. */
export interface Refusal {
  readonly error?: 'invalid_token' | 'insufficient_scope';
  readonly description?: string;
  /** Scopes that it takes, where they are others than those of the demand. */
  readonly needed?: readonly Scope[];
}

/** Says who sent a request. Without configured authentication everybody is anonymous; tests bind others. */
export class Authentication {
  /** Throws HttpRefusal for who is not let in. */
  principalOf(_request: FastifyRequest, _demand: Demand): Principal | Promise<Principal> {
    return ANONYMOUS;
  }

  /**
   * What a caller is answered whose token does not hold a scope: over HTTP, where its client can ask for another token.
   * @param more than the demand takes, by what the request says
   */
  lacking(demand: Demand | undefined, scope: Scope, more: readonly Scope[] = []): HttpRefusal {
    const message = `The scope ${scope} is needed.`;
    const refusal = { error: 'insufficient_scope', description: message } as const;
    return new HttpRefusal(
      403,
      'forbidden',
      message,
      demand ? this.challenge(demand, { ...refusal, needed: [...demand.scopes, ...more] }) : {},
    );
  }

  /** Headers that tell a client how it would be let in. */
  challenge(_demand: Demand, _refusal: Refusal): Record<string, string> {
    return {};
  }
}
