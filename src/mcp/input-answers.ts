import { type ClientCapabilities } from '@modelcontextprotocol/server';
import { EngineError } from '../engine/engine-error.js';
import { compileJsonSchema } from '../engine/playbook/json-schema.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { capabilityFor, hasCapability } from './client-capabilities.js';

/** What is to be asked of a client, and what it has answered. */
export interface SortedRequests {
  /** Answers that fit their requests, by key. */
  readonly answered: JsonObject;
  /** Requests without a fitting answer that the client can be asked. */
  readonly open: JsonObject;
  /** What a client would need for the requests that it cannot be asked. */
  readonly missing: readonly ClientCapabilities[];
}

/**
 * Holds answers against requests. Keys that nobody asked for are ignored, and an answer that does not fit its request is none: it is asked again.
 * @param requests by key: `{method, params}`
 */
export function sortAnswers(requests: JsonObject, answers: Readonly<Record<string, unknown>>, capabilities: ClientCapabilities): SortedRequests {
  const answered: Record<string, Json> = {};
  const open: Record<string, Json> = {};
  const missing: ClientCapabilities[] = [];
  for (const [key, request] of Object.entries(requests)) {
    const answer = (Object.hasOwn(answers, key) ? answers[key] : undefined) as Json | undefined;
    if (!isObject(request)) continue;
    if (answer !== undefined && fits(request, answer)) answered[key] = answer;
    else {
      const needed = capabilityFor(request);
      if (needed === null || hasCapability(needed, capabilities)) open[key] = request;
      else missing.push(needed);
    }
  }
  return { answered, open, missing };
}

function fits({ method, params }: JsonObject, answer: Json): boolean {
  if (!isObject(answer)) return false;
  switch (method) {
    case 'elicitation/create':
      return fitsElicitation(params ?? null, answer);
    case 'sampling/createMessage':
      return typeof answer.role === 'string' && typeof answer.content === 'object' && answer.content !== null;
    case 'roots/list':
      return Array.isArray(answer.roots) && answer.roots.every((root) => isObject(root) && typeof root.uri === 'string');
    default:
      return false;
  }
}

/** People may decline; what they accept has to fit the schema that they were shown. */
function fitsElicitation(params: Json, { action, content }: JsonObject): boolean {
  if (action === 'decline' || action === 'cancel') return true;
  if (action !== 'accept') return false;
  const schema = isObject(params) ? params.requestedSchema : undefined;
  if (schema === undefined) return content === undefined || isObject(content);
  if (!isObject(content ?? null)) return false;
  try {
    return compileJsonSchema(schema).issuesOf(content!).length === 0;
  } catch (error) {
    if (error instanceof EngineError) return true; // a schema nobody can check binds nobody
    throw error;
  }
}
