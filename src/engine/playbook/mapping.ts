import { isObject, type Json, type JsonObject } from '../values.js';
import { at } from './source-positions.js';

/** A value of the document and where it stands. */
export interface Field {
  readonly key: string;
  readonly value: Json;
  readonly pointer: string;
}

/** A mapping of the document that is read key by key; what nobody took is unknown. */
export class Mapping {
  private readonly taken = new Set<string>();

  private constructor(
    readonly pointer: string,
    private readonly fields: ReadonlyMap<string, Field>,
  ) {}

  static of(object: JsonObject, pointer: string): Mapping {
    return new Mapping(pointer, new Map(Object.entries(object).map(([key, value]) => [key, { key, value, pointer: at(pointer, key) }])));
  }

  /**
   * This mapping, completed by what only the other one has.
   * @param merged names under which mappings of both become one, with this one's keys on top
   */
  over(other: Mapping, merged: readonly string[] = []): Mapping {
    const below = other.remaining();
    const own = this.remaining().map((field) => {
      const { value = null } = merged.includes(field.key) ? (below.find(({ key }) => key === field.key) ?? {}) : {};
      return isObject(value) && isObject(field.value) ? { ...field, value: { ...value, ...field.value } } : field;
    });
    return new Mapping(this.pointer, new Map([...below, ...own].map((field) => [field.key, field])));
  }

  /** The first of the names that is present; all of them count as known. */
  take(...names: readonly string[]): Field | null {
    for (const name of names) this.taken.add(name);
    return this.peek(...names);
  }

  /** Like take, but the key stays unread. */
  peek(...names: readonly string[]): Field | null {
    for (const name of names) {
      const field = this.fields.get(name);
      if (field) return field;
    }
    return null;
  }

  /** Marks keys as known without reading them. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.taken.add(name);
  }

  /** Fields nobody took, in document order. */
  remaining(): Field[] {
    return [...this.fields.values()].filter(({ key }) => !this.taken.has(key));
  }
}
