import { SetMetadata } from '@nestjs/common';
import { type Scope } from './principal.js';

/** The policy of a handler: the scope it needs, or open to everybody. */
export type HandlerPolicy = Scope | 'public';

export const POLICY = 'showrunner:policy';
export const MEDIA_TYPES = 'showrunner:media-types';
export const RESOURCE = 'showrunner:resource';

/** A part of the service that is a resource of its own for those who issue tokens. */
export interface ProtectedResource {
  /** Paths of the resources whose tokens count, the nearest first. @param params of the route */
  readonly paths: (params: Readonly<Record<string, string | undefined>>) => readonly string[];
  /** What a client of it asks for. */
  readonly scopes: readonly Scope[];
}

/** Only principals with this scope may call the handler. */
export const Policy = (scope: Scope): MethodDecorator => SetMetadata(POLICY, scope satisfies HandlerPolicy);

/** Anybody may call the handler, with no or with broken credentials. */
export const Public = (): MethodDecorator => SetMetadata(POLICY, 'public' satisfies HandlerPolicy);

/** Media types the handler can answer with, where they are not just application/json. */
export const Produces = (...mediaTypes: readonly string[]): MethodDecorator => SetMetadata(MEDIA_TYPES, mediaTypes);

/** Tokens for the handler are tokens for this resource; without it, for the service as a whole. */
export const Protects = (resource: ProtectedResource): MethodDecorator => SetMetadata(RESOURCE, resource);
