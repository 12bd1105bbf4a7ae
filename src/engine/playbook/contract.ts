import { EngineError } from '../engine-error.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';
import { type Findings } from './findings.js';
import { readInferenceConfig } from './inference-config.js';
import { compileJsonSchema } from './json-schema.js';
import { textOf } from './normalise-values.js';
import { type EntryAnnotations, type EntryContract, type EntryKind, isWrittenOut } from './playbook.js';
import { at } from './source-positions.js';

/** Keys of a contract, at the root of a document or below its `spec`. */
export const CONTRACT_KEYS: readonly string[] = ['input_schema', 'output_schema', 'title', 'annotations', 'mcp'];

const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;
const TASKS = ['optional', 'required', 'forbidden'] as const;
/** As MCP allows them (revision 2026-07-28, tools). */
const TOOL_NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const TOOLSET = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const MAX_TITLE = 256;
const MAX_NAMES = 64;

interface Given {
  readonly value: Json;
  readonly pointer: string;
}

/** Reads what an entry promises. At the root a key counts before the same one below `spec`, where a Tool keeps its implementation as `mcp`. */
export function readContract(root: JsonObject, kind: EntryKind, findings: Findings): EntryContract {
  const spec = own(root, 'spec');
  const find = (key: string): Given | null => {
    const value = own(root, key) ?? null;
    if (value !== null) return { value, pointer: at('', key) };
    const below = isObject(spec) && !(kind === 'Tool' && key === 'mcp') ? (own(spec, key) ?? null) : null;
    return below === null ? null : { value: below, pointer: at('/spec', key) };
  };
  const serves = !isWrittenOut(kind) && isObject(spec) ? (own(spec, 'serves') ?? null) : null;
  return {
    inputSchema: schemaOf(find('input_schema'), true, findings),
    outputSchema: schemaOf(find('output_schema'), false, findings),
    title: titleOf(find('title'), findings),
    annotations: annotationsOf(find('annotations'), findings),
    ...mcpOf(find('mcp'), findings),
    ...(kind === 'Model' ? { inference: inferenceOf(spec, findings) } : {}),
    serves: serves === null ? [] : namesOf(serves, '/spec/serves', TOOL_NAME, 'names', findings),
  };
}

function inferenceOf(spec: Json | undefined, findings: Findings): EntryContract['inference'] & object {
  const config = isObject(spec) ? (own(spec, 'inference_config') ?? null) : null;
  return readInferenceConfig(config, '/spec/inference_config', findings);
}

function schemaOf(given: Given | null, isInput: boolean, findings: Findings): JsonObject | null {
  if (!given) return null;
  const { value, pointer } = given;
  if (!isObject(value)) {
    findings.error('invalid_schema', pointer, 'A schema must be a mapping (JSON Schema 2020-12).');
    return null;
  }
  if (isInput && own(value, 'type') !== 'object') {
    findings.error('invalid_schema', pointer, 'The schema of the parameters must say "type: object".');
    return null;
  }
  try {
    compileJsonSchema(value);
    return value;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const issues = error.issues.length > 0 ? error.issues : [{ message: error.message }];
    for (const issue of issues)
      findings.error('invalid_schema', pointer + ('pointer' in issue ? (issue.pointer ?? '') : ''), issue.message);
    return null;
  }
}

function titleOf(given: Given | null, findings: Findings): string | null {
  if (!given) return null;
  const text = textOf(given.value);
  if (text === null) findings.error('invalid_type', given.pointer, 'title must be text.');
  else if (text.length > MAX_TITLE) findings.error('invalid_value', given.pointer, `title has at most ${MAX_TITLE} characters.`);
  else if (text !== '') return text;
  return null;
}

/** Older documents keep labels under the same key: only what MCP knows is read. */
function annotationsOf(given: Given | null, findings: Findings): EntryAnnotations {
  if (!given || !isObject(given.value)) return {};
  const { value, pointer } = given;
  const found: { -readonly [Key in keyof EntryAnnotations]: EntryAnnotations[Key] } = {};
  for (const hint of HINTS) {
    const said = own(value, hint);
    if (typeof said === 'boolean') found[hint] = said;
    else if (said !== undefined && said !== null) findings.error('invalid_type', at(pointer, hint), `${hint} must be true or false.`);
  }
  const title = own(value, 'title') ?? null;
  const text = title === null ? null : titleOf({ value: title, pointer: at(pointer, 'title') }, findings);
  return text === null ? found : { ...found, title: text };
}

function mcpOf(given: Given | null, findings: Findings): Pick<EntryContract, 'toolName' | 'expose' | 'task'> {
  const nothing = { toolName: null, expose: [], task: 'optional' } as const;
  if (!given) return nothing;
  const { value, pointer } = given;
  if (!isObject(value)) {
    findings.error('invalid_type', pointer, 'mcp must be a mapping with "tool_name", "expose" or "task".');
    return nothing;
  }
  for (const key of Object.keys(value))
    if (!['tool_name', 'expose', 'task'].includes(key))
      findings.warn('unknown_field', at(pointer, key), `unknown key "${key}" in mcp; it has no effect`);
  const name = own(value, 'tool_name') ?? null;
  const isName = typeof name === 'string' && TOOL_NAME.test(name);
  if (name !== null && !isName)
    findings.error('invalid_value', at(pointer, 'tool_name'), 'tool_name has 1-128 letters, digits, "_", "." and "-".');
  const task = own(value, 'task') ?? 'optional';
  const said = TASKS.find((word) => word === task);
  if (!said) findings.error('invalid_value', at(pointer, 'task'), `task must be one of ${TASKS.join(', ')}.`);
  const expose = own(value, 'expose') ?? null;
  return {
    toolName: isName ? name : null,
    expose: expose === null ? [] : namesOf(expose, at(pointer, 'expose'), TOOLSET, '"pinned" or names of toolsets', findings),
    task: said ?? 'optional',
  };
}

/** A list of names, each once, or one alone. */
function namesOf(value: Json, pointer: string, pattern: RegExp, what: string, findings: Findings): string[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length > MAX_NAMES) findings.error('invalid_value', pointer, `At most ${MAX_NAMES} names.`);
  const names = list.slice(0, MAX_NAMES).flatMap((name, index) => {
    if (typeof name === 'string' && pattern.test(name)) return [name];
    findings.error('invalid_value', Array.isArray(value) ? at(pointer, index) : pointer, `This must be ${what}.`);
    return [];
  });
  return [...new Set(names)];
}
