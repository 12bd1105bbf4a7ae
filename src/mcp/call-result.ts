import { type CallToolResult, type ContentBlock, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import { type ErrorCode } from '../engine/error-codes.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { type ExecutionDetail } from '../status/dto/execution-detail.js';

/** Key of a result that says itself what an MCP client gets. */
const VERBATIM = '$mcp';

/** Ends that say something of the service or of the contract of the entry, not of what the tool did: errors of the protocol. */
const FAULTS: ReadonlySet<string> = new Set<ErrorCode>(['output_schema_mismatch', 'poison', 'internal_error', 'expired']);

/** What the end of an execution is to who called the tool. @throws ProtocolError where the service itself is at fault */
export function callResultOf(execution: ExecutionDetail, declaresOutput: boolean): CallToolResult {
  const { status, result } = execution;
  if (status !== 'completed') return failureOf(execution);
  const verbatim = isObject(result) ? result[VERBATIM] : undefined;
  if (isObject(verbatim ?? null)) return { ...verbatimOf(verbatim as JsonObject), _meta: envelopeOf(execution) };
  // Structure is for programs, the text for models: the same JSON. A text alone needs no structure around it.
  const isStructured = declaresOutput || (typeof result === 'object' && result !== null);
  return {
    content: [...textBlock(result), ...largeResultLink(result, execution)],
    ...(isStructured ? { structuredContent: result as CallToolResult['structuredContent'] } : {}),
    _meta: envelopeOf(execution),
  };
}

/** What a client is told that does not wait any longer. */
export function goingOnResult(execution: ExecutionDetail, declaresOutput: boolean): CallToolResult {
  const { id, status, waiting_for: waiting } = execution;
  const reason = waiting === null ? '' : ` It waits for ${waiting.kind}${waiting.name === null ? '' : ` "${waiting.name}"`}.`;
  return {
    content: [
      {
        type: 'text',
        text: `Execution ${id} is still ${status}.${reason} Ask for it with execution_status, or stop it with execution_cancel.`,
      },
      { type: 'resource_link', uri: `execution://${id}`, name: `execution ${id}`, mimeType: 'application/json' },
    ],
    // A declared schema is one of the end's.
    ...(declaresOutput ? {} : { structuredContent: { execution_id: id, status } }),
    _meta: envelopeOf(execution),
  };
}

/** What belongs to the execution and not to its result. */
export function envelopeOf({ id, path, version, status, duration_seconds: seconds }: ExecutionDetail): Record<string, unknown> {
  return {
    'noetl/execution_id': id,
    'noetl/path': path,
    'noetl/version': version,
    'noetl/status': status,
    ...(seconds === null ? {} : { 'noetl/duration_ms': Math.round(seconds * 1000) }),
  };
}

function failureOf(execution: ExecutionDetail): CallToolResult {
  const { id, status, error, error_details: details } = execution;
  const message = error ?? (status === 'cancelled' ? `Execution ${id} was cancelled.` : `Execution ${id} ended as ${status}.`);
  if (details && FAULTS.has(details.code)) {
    throw new ProtocolError(ProtocolErrorCode.InternalError, message, { code: details.code, execution_id: id });
  }
  const code = details && details.code !== 'step_error' ? ` (${details.code})` : '';
  return { content: [{ type: 'text', text: `${message}${code}` }], isError: true, _meta: envelopeOf(execution) };
}

function verbatimOf({ content, structuredContent, isError }: JsonObject): CallToolResult {
  return {
    content: Array.isArray(content) ? (content as unknown as ContentBlock[]) : [],
    ...(structuredContent === undefined ? {} : { structuredContent: structuredContent as CallToolResult['structuredContent'] }),
    ...(isError === true ? { isError } : {}),
  };
}

function textBlock(result: Json): ContentBlock[] {
  return [{ type: 'text', text: typeof result === 'string' ? result : JSON.stringify(result) }];
}

function largeResultLink(result: Json, { id }: ExecutionDetail): ContentBlock[] {
  if (!isLargeResult(result, id)) return [];
  return [{ type: 'resource_link', uri: `execution://${id}/result`, name: `result of execution ${id}`, mimeType: 'application/json' }];
}

/** True for what stands in the place of a result that is too large for an answer. */
export function isLargeResult(result: Json, id: string): boolean {
  return isObject(result) && result.$ref === `/executions/${id}/result`;
}
