import { type Json, type JsonObject } from '../values.js';
import { itemOf, isRefusedName } from './access.js';
import { TemplateReference } from './scope.js';
import { TemplateError } from './template-error.js';

/** What `namespace(…)` makes: the one thing whose parts {% set ns.part = … %} gives other values, so that a loop can count. */
export class Namespace extends TemplateReference {
  private readonly values: JsonObject;
  /** Of its parts as they are, until one is set. */
  private snapshot: JsonObject | null = null;

  constructor(values: JsonObject) {
    super();
    this.values = { ...values };
  }

  get(key: string | number): unknown {
    return itemOf(this.values, key);
  }

  set(name: string, value: Json): void {
    if (isRefusedName(name)) throw new TemplateError(`${name} cannot be assigned.`);
    this.values[name] = value;
    this.snapshot = null;
  }

  unwrap(): Json {
    return (this.snapshot ??= { ...this.values });
  }
}
