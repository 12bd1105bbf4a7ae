import { isObject, type Json, type JsonObject, own } from '../engine/values.js';
import { isHeaderName } from '../outbound/http-words.js';

const PRIMITIVES: readonly Json[] = ['string', 'integer', 'boolean'];
const KEY = 'x-mcp-header';
/** Schemas below `properties` count as far as every one above them does too; anywhere else the word must not stand. */
type Place = 'root' | 'property' | 'elsewhere';

/**
 * Why the headers that an input schema asks for (`x-mcp-header`, SEP-2243) make its tool unusable; null: they do not. Each name is a token of its own,
 * on a property of a plain type that is reached through `properties` alone.
 */
export function headerFaultOf(inputSchema: JsonObject): string | null {
  return faultIn(inputSchema, 'root', new Set());
}

function faultIn(schema: Json, place: Place, names: Set<string>): string | null {
  if (Array.isArray(schema)) return first(schema, (item) => faultIn(item, 'elsewhere', names));
  if (!isObject(schema)) return null;
  const name = own(schema, KEY);
  const fault = name === undefined ? null : faultOf(name, own(schema, 'type') ?? null, place, names);
  if (fault !== null) return `its ${KEY} ${fault}`;
  return first(Object.entries(schema), ([key, value]) => {
    if (key !== 'properties' || !isObject(value)) return faultIn(value, 'elsewhere', names);
    const below = place === 'elsewhere' ? 'elsewhere' : 'property';
    return first(Object.values(value), (property) => faultIn(property, below, names));
  });
}

function faultOf(name: Json, type: Json, place: Place, names: Set<string>): string | null {
  if (place !== 'property') return 'stands where no property is';
  if (typeof name !== 'string' || !isHeaderName(name)) return 'is no name of a header';
  if (!PRIMITIVES.includes(type)) return `${name} stands at a value that is no text, whole number or boolean`;
  if (names.has(name.toLowerCase())) return `${name} is there twice`;
  names.add(name.toLowerCase());
  return null;
}

function first<T>(items: readonly T[], faultOfItem: (item: T) => string | null): string | null {
  for (const item of items) {
    const fault = faultOfItem(item);
    if (fault !== null) return fault;
  }
  return null;
}
