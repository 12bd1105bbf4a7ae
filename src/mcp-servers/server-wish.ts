import { EngineError, type Issue } from '../engine/engine-error.js';
import { OutboundError } from '../engine/outbound-port.js';
import { parseEndpoint } from '../outbound/destination.js';
import { isHeaderName } from '../outbound/http-words.js';
import { type McpServerRequest } from './dto/mcp-server.request.js';
import { type McpServerWish } from './mcp-servers.service.js';

/** Headers that the protocol, the connection and the credential decide about. */
const RESERVED =
  /^(?:authorization|cookie|host|accept|accept-.*|content-.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|proxy-.*|mcp-.*|last-event-id|origin)$/i;

/**
 * Reads what a request says of a server. @throws EngineError `stdio_not_allowed`, `invalid_request` with pointers, `invalid_endpoint`
 */
export function wishOf(request: McpServerRequest): McpServerWish {
  const { name, url, auth, headers, description, transport, command, args, env } = request;
  if (transport === 'stdio' || command !== undefined || args !== undefined || env !== undefined) {
    const pointer = command !== undefined ? '/command' : args !== undefined ? '/args' : env !== undefined ? '/env' : '/transport';
    const message = 'Servers that are processes are configured where the service runs (MCP_SERVERS_FILE), never by a request.';
    throw new EngineError('invalid', 'stdio_not_allowed', message, [{ code: 'stdio_not_allowed', pointer, message }]);
  }
  const issues = Object.entries(headers).flatMap(([header, value]) => headerIssue(header, value) ?? []);
  if (url === undefined) issues.push({ code: 'missing_field', pointer: '/url', message: 'is missing' });
  if (issues.length > 0) throw new EngineError('invalid', 'invalid_request', 'The request is not valid; errors[] says where.', issues);
  return { name, url: endpointOf(url!), auth: auth ?? null, headers, description: description ?? null };
}

function headerIssue(name: string, value: string): Issue | null {
  const pointer = `/headers/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  if (!isHeaderName(name)) return { code: 'invalid_value', pointer, message: 'is no name that HTTP allows' };
  if (RESERVED.test(name))
    return { code: 'invalid_value', pointer, message: 'is a header of the protocol, the connection or a credential' };
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
    ? null
    : { code: 'invalid_value', pointer, message: 'has a character that HTTP does not allow' };
}

function endpointOf(url: string): string {
  try {
    return parseEndpoint(url).href;
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    throw new EngineError('invalid', error.code, error.message, [{ code: error.code, pointer: '/url', message: error.message }]);
  }
}
