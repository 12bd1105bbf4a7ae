import { type ClientCapabilities } from '@modelcontextprotocol/server';
import { answerIssues } from '../engine/playbook/input-requests.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { capabilityFor, hasCapability } from './client-capabilities.js';

/** What is to be asked of a client, and what it has answered. */
export interface SortedRequests {
  /** Answers that fit their requests, by key. */
  readonly answered: JsonObject;
  /** Requests without a fitting answer that the client can be asked. */
  readonly open: JsonObject;
  /** Answers in the place of those of a client that cannot be asked: nobody decided, there are no roots. */
  readonly assumed: JsonObject;
  /** What the client would need for the requests that it cannot be asked. */
  readonly missing: readonly ClientCapabilities[];
  /** True where one of those has no answer that could be assumed. */
  readonly isStuck: boolean;
}

/**
 * Holds answers against requests. Keys that nobody asked for are ignored, and an answer that does not fit its request is none: it is asked again.
 * @param requests by key: `{method, params}`
 */
export function sortAnswers(
  requests: JsonObject,
  answers: Readonly<Record<string, unknown>>,
  capabilities: ClientCapabilities,
): SortedRequests {
  const answered: JsonObject = {};
  const open: JsonObject = {};
  const assumed: JsonObject = {};
  const missing: ClientCapabilities[] = [];
  let isStuck = false;
  for (const [key, request] of Object.entries(requests)) {
    if (!isObject(request)) continue;
    const answer = Object.hasOwn(answers, key) ? (answers[key] as Json) : undefined;
    if (answer !== undefined && answerIssues({ [key]: request }, { [key]: answer }).length === 0) {
      answered[key] = answer;
      continue;
    }
    const needed = capabilityFor(request);
    if (needed === null || hasCapability(needed, capabilities)) {
      open[key] = request;
      continue;
    }
    missing.push(needed);
    const instead = assumedAnswer(request);
    if (instead === null) isStuck = true;
    else assumed[key] = instead;
  }
  return { answered, open, assumed, missing, isStuck };
}

function assumedAnswer({ method }: JsonObject): Json {
  if (method === 'elicitation/create') return { action: 'cancel' };
  return method === 'roots/list' ? { roots: [] } : null;
}
