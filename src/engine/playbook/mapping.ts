import { type Json, type JsonObject } from '../values.js';
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

  /** This mapping, completed by what only the other one has. */
  over(other: Mapping): Mapping {
    return new Mapping(this.pointer, new Map([...other.remaining(), ...this.remaining()].map((field) => [field.key, field])));
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
