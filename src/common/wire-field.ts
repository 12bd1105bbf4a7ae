import { ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { EngineError } from '../engine/engine-error.js';

/** How a field may also be written by real clients; applied before a request is checked. */
interface WireField {
  readonly aliases: readonly string[];
  /** Brings other spellings of the value into the form of the contract. */
  readonly normalise?: (value: Json) => Json;
  /** Fields of the object that the value is. */
  readonly nested?: () => ReadonlyMap<string, WireField>;
}

const FIELDS = 'showrunner:wire-fields';

/** Older names of a field. They are documented as deprecated, and giving two that differ is refused. */
export function Aliases(names: readonly string[], documented: ApiPropertyOptions): PropertyDecorator {
  return (target, property) => {
    declareField(target, String(property), { aliases: names });
    for (const name of names)
      ApiPropertyOptional({ ...documented, deprecated: true, description: `Old name of ${String(property)}.` } as ApiPropertyOptions)(
        target,
        name,
      );
  };
}

/** An object with wire fields of its own. */
export const Nested = (dto: () => { prototype: object }): PropertyDecorator => {
  return (target, property) => declareField(target, String(property), { aliases: [], nested: () => wireFieldsOf(dto().prototype) });
};

/** Ids and versions that some clients send as numbers. */
export const NumberAsText = (): PropertyDecorator => normalised((value) => (typeof value === 'number' ? String(value) : value));

/** Words that some clients write with capitals. */
export const AnyCase = (): PropertyDecorator => normalised((value) => (typeof value === 'string' ? value.toLowerCase() : value));

function normalised(normalise: (value: Json) => Json): PropertyDecorator {
  return (target, property) => declareField(target, String(property), { aliases: [], normalise });
}

function declareField(target: object, property: string, added: WireField): void {
  const inherited = (Reflect.getMetadata(FIELDS, target) ?? {}) as Record<string, WireField>;
  const known = inherited[property];
  const field: WireField = {
    aliases: [...(known?.aliases ?? []), ...added.aliases],
    normalise: added.normalise ?? known?.normalise,
    nested: added.nested ?? known?.nested,
  };
  Reflect.defineMetadata(FIELDS, { ...inherited, [property]: field }, target);
}

/** The wire fields of a DTO class, its ancestors' included. */
export function wireFieldsOf(prototype: object): ReadonlyMap<string, WireField> {
  return new Map(Object.entries((Reflect.getMetadata(FIELDS, prototype) ?? {}) as Record<string, WireField>));
}

/**
 * Rewrites a body to the names and spellings of the contract, in place.
 * Throws EngineError `ambiguous_field` where two names of one field were given and differ.
 */
export function canonicalise(body: JsonObject, fields: ReadonlyMap<string, WireField>): void {
  for (const [name, { aliases, normalise, nested }] of fields) {
    for (const alias of aliases) {
      if (Object.hasOwn(body, alias)) foldAlias(body, name, alias, normalise);
    }
    if (!Object.hasOwn(body, name)) continue;
    const value = body[name] as Json;
    if (normalise) body[name] = normalise(value);
    if (nested && isObject(value)) canonicalise(value, nested());
  }
}

function foldAlias(body: JsonObject, name: string, alias: string, normalise: WireField['normalise']): void {
  const spell = (value: Json): Json => (normalise ? normalise(value) : value);
  const value = spell(body[alias] as Json);
  if (Object.hasOwn(body, name) && JSON.stringify(spell(body[name] as Json)) !== JSON.stringify(value)) {
    const message = `is another name of ${name}, and both were given with different values`;
    throw new EngineError('invalid', 'ambiguous_field', `${alias} ${message}.`, [
      { pointer: `/${alias}`, code: 'ambiguous_field', message },
    ]);
  }
  body[name] = value;
  delete body[alias];
}
