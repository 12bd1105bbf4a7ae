import { type Tool } from '@modelcontextprotocol/server';
import { type CatalogHead } from '../storage/repositories/catalog-head.repository.js';

/** Kinds of entries by the words that clients have for them. */
export const KIND_OF_TYPE: Readonly<Record<string, string>> = {
  playbook: 'Playbook',
  tool: 'Tool',
  model: 'Model',
  workflow: 'Workflow',
  prompt: 'Prompt',
  resource: 'Resource',
};
/** Kinds of entries that are called as tools. */
export const TOOL_KINDS: readonly string[] = ['Playbook', 'Tool', 'Workflow', 'Model'];

/** Assumed of what an author says nothing about: the worst. */
const CAREFUL = { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true };
/** Models read what they are given, and answer. */
const MODEL = { ...CAREFUL, readOnlyHint: true, destructiveHint: false, openWorldHint: false };

/** The tool that an entry is. @param anyOutput whether the client takes output schemas of anything but objects */
export function toolOf({ path, version, kind, toolName, card }: CatalogHead, anyOutput: boolean): Tool {
  const { title, description, inputSchema, outputSchema, annotations } = card;
  const showsOutput = outputSchema !== null && (anyOutput || outputSchema.type === 'object');
  return {
    name: toolName,
    ...(title === null ? {} : { title }),
    description: [`${path}@${version}`, description].filter((line) => line !== null && line !== '').join('\n'),
    inputSchema: { ...inputSchema, type: 'object' },
    ...(showsOutput ? { outputSchema: outputSchema as Tool['outputSchema'] } : {}),
    annotations: { ...(kind === 'Model' ? MODEL : CAREFUL), ...annotations },
    _meta: { 'noetl/path': path, 'noetl/version': version, 'noetl/type': kind.toLowerCase() },
  };
}
