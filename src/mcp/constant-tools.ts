import { type Tool } from '@modelcontextprotocol/server';
import { type ConstantTool } from '../storage/tool-names.js';

const LOOKS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };
const PATH = { type: 'string', description: 'Path in the catalog, as catalog_search gives it.' };
const VERSION = { type: 'string', description: 'Semantic version, range, tag or "latest" (the default).' };
const ID = { type: 'string', pattern: '^[0-9]{1,19}$', description: 'Id of the execution.' };

const object = (properties: Record<string, object>, required: readonly string[] = []): Tool['inputSchema'] => ({
  type: 'object',
  properties: properties as Tool['inputSchema']['properties'],
  required: [...required],
  additionalProperties: false,
});

/** Tools of the service itself. With them, everything in the catalog is within reach of a client whose list is short. */
export const CONSTANT_TOOL_DEFINITIONS: Readonly<Record<ConstantTool, Tool>> = {
  catalog_search: {
    name: 'catalog_search',
    title: 'Search the catalog',
    description:
      'Finds playbooks, tools, models and workflows by words of their path, name, title and description. Best matches first. Run one with execute.',
    inputSchema: object({
      query: { type: 'string', maxLength: 500, description: 'Words to look for; left out: everything.' },
      type: {
        type: 'string',
        enum: ['playbook', 'tool', 'model', 'workflow', 'prompt', 'resource'],
        description: 'Only entries of this type.',
      },
      limit: { type: 'integer', minimum: 1, maximum: 50, default: 10 },
    }),
    annotations: LOOKS,
  },
  catalog_describe: {
    name: 'catalog_describe',
    title: 'Describe a catalog entry',
    description: 'What one entry does and takes: description, input schema, output schema, versions.',
    inputSchema: object({ path: PATH, version: VERSION }, ['path']),
    annotations: LOOKS,
  },
  execute: {
    name: 'execute',
    title: 'Run a catalog entry',
    description: 'Runs an entry of the catalog and waits for its end. What it takes is in its input schema: ask catalog_describe first.',
    inputSchema: object(
      { path: PATH, version: VERSION, arguments: { type: 'object', description: 'As its input schema says.', default: {} } },
      ['path'],
    ),
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  },
  execution_status: {
    name: 'execution_status',
    title: 'Status of an execution',
    description: 'How far an execution is, what it waits for, and its result or error once it has ended.',
    inputSchema: object({ execution_id: ID }, ['execution_id']),
    annotations: LOOKS,
  },
  execution_cancel: {
    name: 'execution_cancel',
    title: 'Cancel an execution',
    description: 'Asks an execution to end as cancelled. One that has ended already stays as it is.',
    inputSchema: object({ execution_id: ID, reason: { type: 'string', maxLength: 500 } }, ['execution_id']),
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  },
};
