import { isObject, type Json, type JsonObject, own } from '../../values.js';
import { type DocumentReading } from '../document-reading.js';
import { holdsTemplate } from '../entry-schemas.js';
import { type EntryContract } from '../playbook.js';

/** The `default`s that the input schema gives to its properties. A text that reads as a template is no default: it would be rendered. */
export function schemaDefaults({ inputSchema }: EntryContract, { findings }: DocumentReading): JsonObject {
  const properties = inputSchema && own(inputSchema, 'properties');
  if (!isObject(properties)) return {};
  const defaults = Object.entries(properties).flatMap(([name, schema]): [string, Json][] => {
    const value = isObject(schema) ? own(schema, 'default') : undefined;
    return value === undefined ? [] : [[name, value]];
  });
  const [usable, templates] = [defaults.filter(([, value]) => !holdsTemplate(value)), defaults.filter(([, value]) => holdsTemplate(value))];
  for (const [name] of templates)
    findings.warn('invalid_value', '/input_schema', `The default of "${name}" holds a template; write it into "workload" instead.`);
  return Object.fromEntries(usable);
}
