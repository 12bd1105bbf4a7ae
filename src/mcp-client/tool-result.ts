import { type CallToolResult } from '@modelcontextprotocol/client';
import { cutText } from '../engine/auth/cut-text.js';
import { EngineError } from '../engine/engine-error.js';
import { StepFailure } from '../engine/step-executor.js';
import { storabilityFault } from '../engine/storability.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { MCP_LIMITS } from './limits.js';
import { compileToolSchema, type ToolDefinition } from './tool-definition.js';

/**
 * What a tool's answer is worth to a step: its structured content where there is some, else its one text where that is JSON, else its content
 * blocks as they are (`{content: [...]}`). Throws StepFailure `tool_error` for what the tool calls an error, `output_schema_mismatch`, and what
 * storabilityFault says of content that nothing here may walk through (it may be nested without end): the tool has acted, so that is final.
 */
export function valueOf(result: CallToolResult, definition: ToolDefinition, server: string): Json {
  const content = (Array.isArray(result.content) ? result.content : []) as unknown as Json[];
  if (result.isError === true) throw toolError(content, definition.name, server);
  const structured = result.structuredContent as Json | undefined;
  const fault = storabilityFault(structured ?? content);
  if (fault) throw new StepFailure(fault.code, fault.message, { retryable: false });
  if (definition.outputSchema !== null) {
    if (structured === undefined) throw mismatch(definition.name, 'it gave no structured content', []);
    checkOutput(structured, definition);
  }
  if (structured !== undefined) return structured;
  const [only] = content;
  const text = content.length === 1 ? textOf(only ?? null) : null;
  return (text === null ? undefined : jsonIn(text)) ?? { content };
}

function checkOutput(structured: Json, { name, outputSchema }: ToolDefinition): void {
  let issues;
  try {
    issues = compileToolSchema(outputSchema).issuesOf(structured);
  } catch (error) {
    if (error instanceof EngineError) throw mismatch(name, 'its output schema cannot be used', []);
    throw error;
  }
  if (issues.length > 0) {
    throw mismatch(
      name,
      'what it gave does not fit',
      issues.map(({ pointer = '', message }) => ({ pointer, message })),
    );
  }
}

function mismatch(tool: string, why: string, errors: JsonObject[]): StepFailure {
  return new StepFailure('output_schema_mismatch', `The tool ${tool} declares an output schema, and ${why}.`, {
    retryable: false,
    ...(errors.length > 0 ? { cause: { errors } } : {}),
  });
}

/** The first texts of the answer: a model or a person can act on them. */
function toolError(content: readonly Json[], tool: string, server: string): StepFailure {
  const said = content.flatMap((block) => textOf(block) ?? []).join('\n');
  const shown = cutText(said, MCP_LIMITS.errorCharacters);
  const message = `The tool ${tool} of ${server} reported an error${shown === '' ? '.' : `: ${shown}`}`;
  return new StepFailure('tool_error', message, storabilityFault(content) ? {} : { value: { content: [...content] } });
}

function textOf(block: Json): string | null {
  return isObject(block) && block['type'] === 'text' && typeof block['text'] === 'string' ? block['text'] : null;
}

/** Objects and lists only: a text that happens to be a number or a word stays a text, and so does what could not be stored as a value. */
function jsonIn(text: string): Json | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    const value = JSON.parse(text) as Json;
    return storabilityFault(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
