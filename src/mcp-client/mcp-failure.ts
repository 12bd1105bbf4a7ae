import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client';
import { cutText } from '../engine/auth/cut-text.js';
import { OutboundError } from '../engine/outbound-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { MCP_LIMITS } from './limits.js';

/** Of errors that this side makes of a stream that broke, with `data.code`; in the range JSON-RPC leaves to implementations. */
export const STREAM_BROKEN = -32_098;
const BROKEN_STREAMS = ['result_too_large', 'mcp_protocol_error', 'connection_error'] as const;

/** Why a connection ended, where this side ended it. */
export class ConnectionBroken extends Error {
  override readonly name = 'ConnectionBroken';
  constructor(
    readonly code: 'result_too_large' | 'mcp_protocol_error' | 'mcp_server_unavailable',
    message: string,
  ) {
    super(message);
  }
}

/**
 * What a failed exchange with a server means for a step, in words that name the server and hold nothing that was sent. What the server itself said is
 * part of the message, cut: callers redact it.
 */
export function failureOf(error: unknown, server: string): StepFailure {
  if (error instanceof StepFailure) return error;
  if (error instanceof ConnectionBroken) {
    return new StepFailure(error.code, `The MCP server ${server} ${error.message}.`, {
      retryable: error.code === 'mcp_server_unavailable',
    });
  }
  if (error instanceof OutboundError) {
    const code = error.code === 'response_too_large' ? 'result_too_large' : error.code;
    return new StepFailure(code, error.message, { retryable: error.retryable });
  }
  if (error instanceof ProtocolError) {
    const own =
      error.code === STREAM_BROKEN
        ? BROKEN_STREAMS.find((code) => code === (error.data as { code?: unknown } | undefined)?.code)
        : undefined;
    if (own) return new StepFailure(own, cut(error.message), { retryable: own === 'connection_error' });
    return new StepFailure('mcp_protocol_error', `The MCP server ${server} answered with the error ${error.code}: ${cut(error.message)}`, {
      retryable: false,
    });
  }
  const outbound = outboundIn(error);
  if (outbound) return failureOf(outbound, server);
  if (error instanceof SdkHttpError) {
    const { status } = error;
    return new StepFailure('http_error', `The MCP server ${server} answered with status ${status ?? 'unknown'}.`, {
      retryable: status === undefined || status === 429 || status >= 500,
      ...(status === undefined ? {} : { statusCode: status }),
    });
  }
  if (error instanceof SdkError) return sdkFailure(error, server);
  return new StepFailure('mcp_protocol_error', `The MCP server ${server} answered with something that is no MCP.`, { retryable: false });
}

/** Connecting wraps what the outbound client said, more than once. */
function outboundIn(error: unknown, depth = 0): OutboundError | null {
  if (error instanceof OutboundError) return error;
  if (!(error instanceof Error) || depth > 5) return null;
  const data = (error as { data?: { cause?: unknown } }).data;
  return outboundIn(error.cause, depth + 1) ?? outboundIn(data?.cause, depth + 1);
}

function sdkFailure(error: SdkError, server: string): StepFailure {
  switch (error.code) {
    case SdkErrorCode.RequestTimeout:
      return new StepFailure('timeout', `The MCP server ${server} did not answer in time.`);
    case SdkErrorCode.ConnectionClosed:
    case SdkErrorCode.NotConnected:
    case SdkErrorCode.SendFailed:
      return new StepFailure('mcp_server_unavailable', `The MCP server ${server} ended the connection.`);
    case SdkErrorCode.UnsupportedResultType:
      return new StepFailure(
        'tool_needs_input',
        `The tool of ${server} asks for input in the middle of its call, which nobody here can give.`,
        {
          retryable: false,
        },
      );
    default:
      return new StepFailure('mcp_protocol_error', `The MCP server ${server} broke the protocol (${error.code}).`, { retryable: false });
  }
}

const cut = (text: string): string => cutText(text, MCP_LIMITS.refusalCharacters);
