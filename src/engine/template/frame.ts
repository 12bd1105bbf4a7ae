import { FILTERS } from './filters/registry.js';
import { type Calls, type Filter } from './operation.js';
import { type Rendering } from './rendering.js';
import { type Scope } from './scope.js';
import { TemplateError } from './template-error.js';
import { TESTS } from './tests.js';
import { type JsonObject } from '../values.js';

/** Names bound by {% set %} and {% for %}; a loop body opens an inner layer. */
export class Locals {
  private readonly values = new Map<string, unknown>();

  constructor(readonly outer: Locals | undefined) {}

  set(name: string, value: unknown): void {
    this.values.set(name, value);
  }

  find(name: string): { readonly value: unknown } | undefined {
    if (this.values.has(name)) return { value: this.values.get(name) };
    return this.outer?.find(name);
  }
}

/** One render of one template: where names come from and what the work is counted against. */
export class Frame implements Calls {
  locals: Locals | undefined;
  /** Lists and mappings that this render has made, where it may change them. */
  private made: WeakSet<object> | undefined;

  constructor(
    readonly scope: Scope,
    readonly rendering: Rendering,
  ) {}

  lookup(name: string): unknown {
    const local = this.locals?.find(name);
    return local === undefined ? this.scope.lookup(name, this.rendering) : local.value;
  }

  madeHere<Value extends object>(value: Value): Value {
    (this.made ??= new WeakSet()).add(value);
    return value;
  }

  isMadeHere(value: object): boolean {
    return this.made?.has(value) ?? false;
  }

  applyFilter(name: string, value: unknown, args: readonly unknown[], named: JsonObject = {}): unknown {
    const filter = FILTERS.get(name);
    if (filter === undefined) throw new TemplateError(`There is no filter ${name.slice(0, 40)}.`);
    this.rendering.spend(1);
    return filter.apply(value, arranged(name, filter, args, named), this);
  }

  applyTest(name: string, value: unknown, args: readonly unknown[]): boolean {
    const test = TESTS.get(name);
    if (test === undefined) throw new TemplateError(`There is no test ${name.slice(0, 40)}.`);
    this.rendering.spend(1);
    return test.holds(value, args, this);
  }
}

/** Arguments in the order that the filter declares, where it is named only when it runs. */
function arranged(
  name: string,
  { parameters, keywords = [], anyName = false }: Filter,
  args: readonly unknown[],
  named: JsonObject,
): readonly unknown[] {
  const given = Object.entries(named);
  if (given.length === 0 && keywords.length === 0 && !anyName) return args;
  const order = [...parameters, ...keywords];
  const slots: unknown[] = order.map((_, index) => (index < parameters.length ? args[index] : undefined));
  const others: JsonObject = {};
  for (const [key, value] of given) {
    const index = order.indexOf(key);
    if (index >= 0) slots[index] = value;
    else if (anyName) others[key] = value;
    else throw new TemplateError(`${name} has no argument ${key.slice(0, 40)}.`);
  }
  return [...slots, ...(anyName ? [others] : []), ...args.slice(parameters.length)];
}
