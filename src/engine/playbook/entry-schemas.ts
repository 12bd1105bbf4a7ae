import { isObject, type Json, type JsonObject } from '../values.js';
import { isTemplate } from './normalise-values.js';
import { type Playbook } from './playbook.js';

/** A default that is longer as JSON tells a reader nothing. */
const MAX_DEFAULT_CHARACTERS = 1_000;

/** The schema of an entry's parameters as a reader sees it. */
export interface ReadableSchema {
  readonly schema: JsonObject;
  /** True where the author declares none: it is read off the workload, checks nothing and refuses nothing. */
  readonly inferred: boolean;
}

/** The declared schema of the parameters; else what the defaults of the workload tell, with nothing required and anything more allowed. */
export function inputSchemaOf({ contract, workload }: Pick<Playbook, 'contract' | 'workload'>): ReadableSchema {
  if (contract.inputSchema) return { schema: contract.inputSchema, inferred: false };
  return { schema: schemaOfMapping(workload), inferred: true };
}

function schemaOfMapping(mapping: JsonObject): JsonObject {
  return { type: 'object', properties: Object.fromEntries(Object.entries(mapping).map(([name, value]) => [name, schemaOf(value)])) };
}

/** What a template gives is not known before it is rendered. */
function schemaOf(value: Json): JsonObject {
  if (value === null || holdsTemplate(value)) return isObject(value) ? schemaOfMapping(value) : {};
  const shown: JsonObject = JSON.stringify(value).length <= MAX_DEFAULT_CHARACTERS ? { default: value } : {};
  if (isObject(value)) return { ...schemaOfMapping(value), ...shown };
  if (Array.isArray(value)) return { type: 'array', ...shown };
  return { type: typeof value as 'string' | 'number' | 'boolean', ...shown };
}

/** True for a value that has a template somewhere in it. */
export function holdsTemplate(value: Json): boolean {
  return isTemplate(value) || (value !== null && typeof value === 'object' && Object.values(value).some(holdsTemplate));
}
