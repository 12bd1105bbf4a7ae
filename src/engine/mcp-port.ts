import { type ActionAsk, type ResolvedCredential, type StepContext } from './step-executor.js';
import { type Json, type JsonObject } from './values.js';

/** Tools of MCP servers, as steps use them. The implementation (src/mcp-client) keeps the connections and checks what goes out and comes back. */
export interface McpTools {
  /**
   * Calls one tool. Throws StepFailure: `unknown_mcp_server`, `unknown_tool`, `tool_definition_changed`, `invalid_arguments`, `tool_error`,
   * `output_schema_mismatch`, `result_too_large`, `mcp_server_unavailable`, `mcp_protocol_error`, …
   */
  call(call: McpToolCall): Promise<McpToolAnswer>;
}

export interface McpToolCall {
  readonly server: string;
  readonly tool: string;
  /** Digest of the definition the call is made for; null: the one approved last. */
  readonly definition: string | null;
  readonly arguments: JsonObject;
  /** Of the step; they count before the credential of the server. */
  readonly auth: ReadonlyMap<string, ResolvedCredential>;
  readonly context: Pick<StepContext, 'tenantId' | 'signal' | 'secretForms' | 'assertHeld' | 'admit' | 'report' | 'mayAsk' | 'answered'>;
}

export interface McpToolAnswer {
  /** What the tool wants to know before it gives a value; null where it has given one. */
  readonly asks: ActionAsk | null;
  /** The structured content where there is some, else one JSON text parsed, else `{content: [blocks]}`. */
  readonly value: Json;
  /** What the tool said of its progress, one line each, bounded; empty where it said nothing. */
  readonly progress: readonly string[];
}
