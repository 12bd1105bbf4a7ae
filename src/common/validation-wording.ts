import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { isObject, own, type Json, type JsonObject } from '../engine/values.js';
import { type DtoClass, schemasOf } from './schema-of.js';

type Schemas = Readonly<Record<string, JsonObject>>;

/** By class; reading one takes longer than checking a body. */
const known = new WeakMap<DtoClass, Schemas>();

/** class-validator's findings about a body; the same rules as the schema, in words. Slow: only for what the compiled check refused. */
export function findingsOf(dto: DtoClass, body: JsonObject): ValidationError[] {
  const schemas = known.get(dto) ?? schemasOf(dto);
  known.set(dto, schemas);
  const instance = plainToInstance(dto as unknown as new () => object, outlineOf(body, schemas[dto.name], schemas), {
    exposeDefaultValues: true,
  });
  return validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true });
}

/** Message by JSON Pointer. */
export function wordingOf(dto: DtoClass, body: JsonObject): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  const collect = (findings: readonly ValidationError[], parent: string): void => {
    for (const { property, constraints, children } of findings) {
      const pointer = `${parent}/${property}`;
      const message = Object.values(constraints ?? {})[0];
      if (message !== undefined) words.set(pointer, message);
      collect(children ?? [], pointer);
    }
  };
  collect(findingsOf(dto, body), '');
  return words;
}

/**
 * The fields that the class and those within it declare, others by a harmless name, and an empty value of its kind for whatever is the caller's own: no
 * rule looks into that, and class-transformer would take its keys `constructor` and `then` for what they are called, and its time for the rest.
 */
function outlineOf(body: JsonObject, schema: JsonObject | undefined, schemas: Schemas): JsonObject {
  const outlined = (value: Json, field: Json): Json => {
    if (!isObject(field)) return emptied(value);
    const nested = referred(field, schemas);
    if (nested !== undefined && isObject(value)) return outlineOf(value, nested, schemas);
    return field.type === 'array' && Array.isArray(value) ? value.map(emptied) : emptied(value);
  };
  const fields = isObject(schema?.properties) ? schema.properties : {};
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      const field = own(fields, name);
      return field === undefined ? [undeclared(name), null] : [name, outlined(value, field)];
    }),
  );
}

/** Still no field of any class, and no name that class-transformer or class-validator would take for what every object has. */
const undeclared = (name: string): string => `undeclared ${name}`;

function emptied(value: Json): Json {
  if (Array.isArray(value)) return [];
  return isObject(value) ? {} : value;
}

/** The class that the schema of a field refers to; undefined where it refers to none. */
function referred(field: JsonObject, schemas: Schemas): JsonObject | undefined {
  const named = [field.allOf, field.anyOf, [field]].flatMap((all) => (Array.isArray(all) ? all : []));
  const names = named.flatMap((each) => (isObject(each) && typeof each.$ref === 'string' ? [each.$ref.split('/').at(-1)!] : []));
  return names.map((name) => schemas[name]).find((schema) => schema?.properties !== undefined);
}
