import { CLIENT_CAPABILITIES_META_KEY, type ClientCapabilities, MissingRequiredClientCapabilityError } from '@modelcontextprotocol/server';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { type McpRequest } from './mcp-caller.js';

/** The Tasks extension (SEP-2663). */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';

/** What the client of this very request said it can do; nothing for older clients, which cannot be asked here. */
export function capabilitiesOf({ context, era }: McpRequest): ClientCapabilities {
  if (era === 'legacy') return {};
  return (context.mcpReq.envelope as Record<string, ClientCapabilities> | undefined)?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
}

export function knowsTasks(request: McpRequest): boolean {
  return capabilitiesOf(request).extensions?.[TASKS_EXTENSION] !== undefined;
}

/** @throws MissingRequiredClientCapabilityError */
export function requireTasks(request: McpRequest): void {
  if (knowsTasks(request)) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } });
}

/** The capability that a client needs to answer an input request; null for a request that this revision does not know. */
export function capabilityFor({ method, params }: JsonObject): ClientCapabilities | null {
  switch (method) {
    case 'elicitation/create':
      return isUrl(params) ? { elicitation: { url: {} } } : { elicitation: {} };
    case 'sampling/createMessage':
      return { sampling: {} };
    case 'roots/list':
      return { roots: {} };
    default:
      return null;
  }
}

export function hasCapability(needed: ClientCapabilities, declared: ClientCapabilities): boolean {
  return Object.entries(needed).every(([name, details]) => {
    const found = (declared as Record<string, unknown>)[name] as Record<string, unknown> | undefined;
    return found !== undefined && Object.keys(details as object).every((detail) => found[detail] !== undefined);
  });
}

const isUrl = (params: Json | undefined): boolean => isObject(params ?? null) && (params as JsonObject).mode === 'url';
