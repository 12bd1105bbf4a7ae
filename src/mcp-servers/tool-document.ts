import { createHash } from 'node:crypto';
import { plainSchema, type ToolDefinition } from '../mcp-client/tool-definition.js';
import { isObject, type JsonObject } from '../engine/values.js';

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const MAX_TITLE = 256;

/** Where the tool of a server is in the catalog. Names that are no segment of a path are made one, and told apart by a digest. */
export function pathOf(server: string, tool: string): string {
  const isSegment = SEGMENT.test(tool) && !/\.ya?ml$/.test(tool);
  const digest = createHash('sha256').update(tool).digest('hex').slice(0, 8);
  return `tools/${server}/${isSegment ? tool : `_${tool.replaceAll(/[^A-Za-z0-9_-]/g, '_')}_${digest}`}`;
}

/**
 * The text of the catalog entry of a tool (`kind: Tool`), the same for the same definition. Texts of the server are its own words; its annotations are
 * left out: what a stranger says about the harmlessness of a tool is no promise of ours.
 */
export function toolDocument(server: string, definition: ToolDefinition, digest: string): string {
  const { name, title, description, inputSchema, outputSchema } = definition;
  const document: JsonObject = {
    apiVersion: 'noetl.io/v1',
    kind: 'Tool',
    metadata: { name, path: pathOf(server, name), ...(description === null ? {} : { description }), mcp_server: server },
    ...(title === null || title === '' ? {} : { title: title.slice(0, MAX_TITLE).toWellFormed() }),
    input_schema: plainSchema(inputSchema),
    ...(isObject(outputSchema) ? { output_schema: plainSchema(outputSchema) } : {}),
    spec: { mcp: { server, tool: name, definition: digest } },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
