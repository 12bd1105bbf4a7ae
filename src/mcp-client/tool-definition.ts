import { createHash } from 'node:crypto';
import { canonicalJson } from '../engine/canonical-json.js';
import { EngineError } from '../engine/engine-error.js';
import { compileJsonSchema, type JsonSchema } from '../engine/playbook/json-schema.js';
import { isObject, type Json, type JsonObject, own } from '../engine/values.js';

/**
 * What a server says of one of its tools: the fields that a caller or a model acts on, and no others. All of it is untrusted text.
 * (MCP 2026-07-28, `Tool`.)
 */
export interface ToolDefinition extends JsonObject {
  name: string;
  title: string | null;
  description: string | null;
  inputSchema: JsonObject;
  outputSchema: Json;
  annotations: JsonObject;
  /** `execution` of 2025-11-25: whether the tool can only be called as a task. */
  execution: Json;
}

/** Dialects whose schemas mean the same here; the word itself would make the validator look for the dialect. */
const DIALECT = /^https?:\/\/json-schema\.org\/draft(?:-0[4-7]|\/2019-09|\/2020-12)\/schema#?$/;

/** Reads one tool as it came over the wire; null where it is no tool at all. */
export function definitionOf(raw: Json): ToolDefinition | null {
  if (!isObject(raw)) return null;
  const name = own(raw, 'name');
  const inputSchema = own(raw, 'inputSchema');
  if (typeof name !== 'string' || !isObject(inputSchema)) return null;
  const text = (key: string): string | null => (typeof raw[key] === 'string' ? raw[key] : null);
  const annotations = own(raw, 'annotations');
  return {
    name,
    title: text('title'),
    description: text('description'),
    inputSchema,
    outputSchema: own(raw, 'outputSchema') ?? null,
    annotations: isObject(annotations) ? annotations : {},
    execution: own(raw, 'execution') ?? null,
  };
}

/** sha-256 of the canonical JSON of a definition, hex: what a pin is compared with. */
export function digestOf(definition: ToolDefinition): string {
  return createHash('sha256').update(canonicalJson(definition), 'utf8').digest('hex');
}

/** A schema without the name of its dialect, where it is one that is understood. */
export function plainSchema(schema: JsonObject): JsonObject {
  const { $schema: dialect, ...rest } = schema;
  return typeof dialect === 'string' && DIALECT.test(dialect) ? rest : schema;
}

/** @throws EngineError `invalid_schema` */
export function compileToolSchema(schema: Json): JsonSchema {
  return compileJsonSchema(isObject(schema) ? plainSchema(schema) : schema);
}

/** Why the schemas of a definition cannot be used; null: they can. Takes as long as compiling does, so it is asked when a tool is taken over. */
export function schemaFaultOf({ inputSchema, outputSchema }: ToolDefinition): string | null {
  try {
    compileToolSchema(inputSchema);
    if (outputSchema !== null) compileToolSchema(outputSchema);
    return null;
  } catch (error) {
    if (error instanceof EngineError) return error.message;
    throw error;
  }
}

/** True for tools of 2025-11-25 that refuse plain calls. */
export function needsTask({ execution }: ToolDefinition): boolean {
  return isObject(execution) && execution['taskSupport'] === 'required';
}
