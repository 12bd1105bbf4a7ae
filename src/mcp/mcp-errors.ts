import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import { EngineError } from '../engine/engine-error.js';

/** Refusals that have no code in the protocol: overload, missing scopes. Within the range that it leaves to servers. */
const REFUSED = -32_000;

/**
 * What a client is told of a refusal: `data` has the code, and where in the request, as problem documents have. Faults of the service are told without
 * anything of their own.
 */
export function protocolErrorOf(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (!(error instanceof EngineError)) {
    return new ProtocolError(ProtocolErrorCode.InternalError, 'An internal error occurred; the log of the service has it.');
  }
  const { kind, code, message, issues, retryable } = error;
  const data = { code, ...(issues.length > 0 ? { errors: issues } : {}), ...(retryable ? { retryable } : {}) };
  const isRequest = kind === 'invalid' || kind === 'not_found' || kind === 'unreadable';
  return new ProtocolError(isRequest ? ProtocolErrorCode.InvalidParams : REFUSED, message, data);
}

/** A refusal in words that a model can act on. */
export function refusalText({ code, message, issues }: EngineError): string {
  const lines = issues.filter((issue) => issue.message !== message).map((issue) => `- ${issue.pointer ?? ''}: ${issue.message}`);
  return [`${message} (${code})`, ...lines.slice(0, 20)].join('\n');
}
