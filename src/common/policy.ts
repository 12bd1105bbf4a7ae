import { SetMetadata } from '@nestjs/common';
import { type Scope } from './principal.js';

/** The policy of a handler: the scope it needs, or open to everybody. */
export type HandlerPolicy = Scope | 'public';

export const POLICY = 'showrunner:policy';
export const MEDIA_TYPES = 'showrunner:media-types';

/** Only principals with this scope may call the handler. */
export const Policy = (scope: Scope): MethodDecorator => SetMetadata(POLICY, scope satisfies HandlerPolicy);

/** Anybody may call the handler, with no or with broken credentials. */
export const Public = (): MethodDecorator => SetMetadata(POLICY, 'public' satisfies HandlerPolicy);

/** Media types the handler can answer with, where they are not just application/json. */
export const Produces = (...mediaTypes: readonly string[]): MethodDecorator => SetMetadata(MEDIA_TYPES, mediaTypes);
