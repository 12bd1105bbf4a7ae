import { type Json, type JsonObject } from '../values.js';

/** Characters of JSON of a default that is shown; longer ones are left out. */
const LONGEST_DEFAULT = 1_000;

/**
 * What a document without `input_schema` takes: the names and types of its workload's defaults, none of them required (JSON Schema 2020-12).
 * Defaults with templates are left out, because what they come to is known only at the start.
 */
export function inferInputSchema(workload: JsonObject): JsonObject {
  const properties = Object.fromEntries(Object.entries(workload).map(([name, value]) => [name, schemaOfDefault(value)]));
  return { type: 'object', properties };
}

function schemaOfDefault(value: Json): JsonObject {
  const text = JSON.stringify(value);
  // A template that stands alone may give a value of any type.
  if (typeof value === 'string' && value.includes('{{')) return {};
  const type = typeOf(value);
  return { ...(type === null ? {} : { type }), ...(text.includes('{{') || text.length > LONGEST_DEFAULT ? {} : { default: value }) };
}

function typeOf(value: Json): string | null {
  if (value === null) return null;
  if (Array.isArray(value)) return 'array';
  return typeof value;
}
