import { ProtocolError, ProtocolErrorCode, Server } from '@modelcontextprotocol/server';
import { isObject, type Json } from '../engine/values.js';

type Handler = Parameters<Server['_wrapHandler']>[1];

/** More findings than this help nobody. */
const MAX_ISSUES = 20;

/**
 * The SDK tells of params that do not fit a method as of a fault of the server (-32603), but for tools/call, and of what is wrong by the dump of a
 * validator. They are a mistake of the client: -32602, in one line. What the handlers themselves throw is a ProtocolError already.
 */
export class StrictServer extends Server {
  protected override _wrapHandler(method: string, handler: Handler): Handler {
    const wrapped = super._wrapHandler(method, handler);
    return async (request, context) => {
      try {
        return await wrapped(request, context);
      } catch (error) {
        const findings = error instanceof Error ? findingsIn(error) : null;
        throw findings === null ? error : new ProtocolError(ProtocolErrorCode.InvalidParams, `Invalid params of ${method}: ${findings}`);
      }
    };
  }
}

/** What the validator of the SDK has found, in words; null where the error is another. */
function findingsIn(error: Error): string | null {
  // Of what a handler says, and of what is wrong with its result, the SDK has another beginning.
  if (error instanceof ProtocolError && !/^Invalid \S+ request: /.test(error.message)) return null;
  const [dump] = /\[\n[\s\S]*\]$/.exec(error.message) ?? [];
  if (dump === undefined) return null;
  try {
    const issues = JSON.parse(dump) as readonly Json[];
    return issues.slice(0, MAX_ISSUES).map(findingOf).join('; ');
  } catch {
    return null; // a text of somebody else that looks alike
  }
}

function findingOf(issue: Json): string {
  if (!isObject(issue)) return String(issue);
  const path = Array.isArray(issue.path) ? issue.path.filter((part, index) => index > 0 || part !== 'params') : [];
  const message = typeof issue.message === 'string' ? issue.message : 'is not valid';
  return path.length === 0 ? message : `${path.join('.')}: ${message}`;
}
