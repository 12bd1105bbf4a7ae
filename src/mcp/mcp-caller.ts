import { type AuthInfo, type ServerContext } from '@modelcontextprotocol/server';
import { type Principal, type Scope } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';

/** Which tools an endpoint shows: the pinned ones beside the constant ones, one named set, or all. */
export type ToolList = { readonly kind: 'pinned' } | { readonly kind: 'set'; readonly name: string } | { readonly kind: 'all' };

/** Who asks, and where. Made by the guard of the route from the request's credentials, never from its body. */
export interface McpCaller {
  readonly principal: Principal;
  readonly list: ToolList;
  /** Resolves once the client has taken what it was sent so far, as far as nothing but buffers holds it, or is gone. */
  taken(): Promise<void>;
}

/** Carries a caller through the SDK. The caller's token stays behind: nothing that a handler can reach may pass it on (S17). */
export function authInfoOf(caller: McpCaller): AuthInfo {
  return { token: '', clientId: caller.principal.subject, scopes: [...caller.principal.scopes], extra: { caller } };
}

export function callerOf(authInfo: AuthInfo | undefined): McpCaller {
  const caller = authInfo?.extra?.caller as McpCaller | undefined;
  if (!caller) throw new Error('an MCP request came without the guard');
  return caller;
}

/** @throws EngineError forbidden */
export function requireScope({ scopes }: Principal, scope: Scope): void {
  if (!scopes.has(scope)) throw new EngineError('forbidden', 'forbidden', `The scope ${scope} is needed.`);
}

/** One request under way, as handlers see it. */
export interface McpRequest {
  readonly caller: McpCaller;
  readonly context: ServerContext;
  /** Clients of 2026-07-28 say what they can do with every request, and can be asked for input; older ones cannot here. */
  readonly era: 'modern' | 'legacy';
}
