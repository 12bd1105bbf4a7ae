import { isObject, type Json, type JsonObject } from '../values.js';
import { at } from './source-positions.js';

/** Keywords of JSON Schema 2020-12 below which schemas stand: by name, in a list, or one alone. */
const BY_NAME: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
  'dependencies',
]);
const IN_LIST: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const ALONE: ReadonlySet<string> = new Set([
  ...['items', 'contains', 'unevaluatedItems', 'additionalProperties', 'unevaluatedProperties', 'propertyNames'],
  ...['not', 'if', 'then', 'else', 'contentSchema'],
]);

/** Schemas within schemas, at most. */
const MAX_DEPTH = 32;
/** All of them, at most: compiling takes longer than their number grows. */
const MAX_SCHEMAS = 500;
/** Units of work of applying the smallest schema, most of it for saying what does not fit; the longer ones cost more. */
const LEAST_COST = 40;
const CHARACTERS_PER_UNIT = 8;
const CHARACTERS_PER_PROPERTY = 16;

/** What is wrong with the shape of a schema, and where. */
export interface SchemaFault {
  readonly pointer: string;
  readonly message: string;
}

/**
 * Goes through all schemas inside a schema: looks that it is not too deep and refers to itself only, and marks each with what applying it costs.
 * @param mark keyword under which the cost is written
 * @returns a copy with the marks; the faults are in `faults`
 */
export function markedSchema(schema: JsonObject, mark: string): { readonly marked: JsonObject; readonly faults: readonly SchemaFault[] } {
  const walk = new Walk(mark);
  const marked = walk.schema(schema, '', 0);
  return { marked, faults: walk.end() };
}

/**
 * A copy of a schema that stands somewhere else: its references to itself point there, and what names its document is left out.
 * @param to where the root of the schema stands, as a URI fragment: `#/components/schemas/Name`
 */
export function movedSchema(schema: JsonObject, to: string): JsonObject {
  const { $schema: _, $id: __, ...rest } = schema;
  return moved(rest, to);
}

function moved(schema: JsonObject, to: string): JsonObject {
  const inner = (value: Json): Json => (isObject(value) ? moved(value, to) : value);
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]): [string, Json] => {
      if (BY_NAME.has(key) && isObject(value))
        return [key, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inner(each)]))];
      if (IN_LIST.has(key) && Array.isArray(value)) return [key, value.map(inner)];
      if (ALONE.has(key)) return [key, inner(value)];
      // An anchor is found wherever it stands.
      const isPlace = (key === '$ref' || key === '$dynamicRef') && typeof value === 'string' && /^#(\/|$)/.test(value);
      return [key, isPlace ? `${to}${value.slice(1)}` : value];
    }),
  );
}

class Walk {
  private readonly faults: SchemaFault[] = [];
  private readonly places = new Set<string>();
  private readonly anchors = new Set<string>();
  private readonly references: { readonly pointer: string; readonly to: string }[] = [];

  constructor(private readonly mark: string) {}

  schema(schema: JsonObject, pointer: string, depth: number): JsonObject {
    this.places.add(pointer);
    if (this.places.size === MAX_SCHEMAS + 1) this.faults.push({ pointer: '', message: `has more than ${MAX_SCHEMAS} schemas in it` });
    if (this.places.size > MAX_SCHEMAS) return {};
    if (depth > MAX_DEPTH) {
      this.faults.push({ pointer, message: `is nested deeper than ${MAX_DEPTH} schemas` });
      return {};
    }
    const marked: JsonObject = {};
    let characters = 0;
    for (const [key, value] of Object.entries(schema)) {
      const place = at(pointer, key);
      this.note(key, value, place, depth);
      if (BY_NAME.has(key) && isObject(value)) {
        const inner = Object.entries(value).map(([name, each]): [string, Json] => [name, this.inner(each, at(place, name), depth)]);
        marked[key] = Object.fromEntries(inner);
        characters += inner.length * CHARACTERS_PER_PROPERTY;
      } else if (IN_LIST.has(key) && Array.isArray(value)) {
        marked[key] = value.map((each, index) => this.inner(each, at(place, index), depth));
      } else if (ALONE.has(key)) {
        marked[key] = this.inner(value, place, depth);
      } else {
        marked[key] = value;
        if (!ANNOTATIONS.has(key)) characters += JSON.stringify(value).length;
      }
    }
    return { ...marked, [this.mark]: LEAST_COST + Math.floor(characters / CHARACTERS_PER_UNIT) };
  }

  end(): readonly SchemaFault[] {
    if (this.faults.length > 0) return this.faults; // what was left out may be referred to
    for (const { pointer, to } of this.references) {
      const target = to.slice(1);
      if (!to.startsWith('#')) this.faults.push({ pointer, message: 'refers to another document' });
      else if (!this.places.has(decoded(target)) && !this.anchors.has(target))
        this.faults.push({ pointer, message: 'refers to no schema in here' });
    }
    return this.faults;
  }

  private inner(value: Json, pointer: string, depth: number): Json {
    return isObject(value) ? this.schema(value, pointer, depth + 1) : value;
  }

  private note(key: string, value: Json, pointer: string, depth: number): void {
    if ((key === '$ref' || key === '$dynamicRef') && typeof value === 'string') this.references.push({ pointer, to: value });
    if ((key === '$anchor' || key === '$dynamicAnchor') && typeof value === 'string') this.anchors.add(value);
    if (key === '$id' && depth > 0) this.faults.push({ pointer, message: '$id may stand at the root only' });
    if (key === '$async') this.faults.push({ pointer, message: '$async is not supported' });
  }
}

/** Keywords that check nothing. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  'title',
  'description',
  'default',
  'examples',
  '$comment',
  '$schema',
  '$id',
  'deprecated',
]);

/** A JSON Pointer as it stands in a URI fragment. */
function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment; // no percent-encoding: then it is no place either
  }
}
