import { FILTERS } from './filters/registry.js';
import { type Calls } from './operation.js';
import { type Rendering } from './rendering.js';
import { type Scope } from './scope.js';
import { TemplateError } from './template-error.js';
import { TESTS } from './tests.js';

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

  constructor(
    readonly scope: Scope,
    readonly rendering: Rendering,
  ) {}

  lookup(name: string): unknown {
    const local = this.locals?.find(name);
    return local === undefined ? this.scope.lookup(name, this.rendering) : local.value;
  }

  applyFilter(name: string, value: unknown, args: readonly unknown[]): unknown {
    const filter = FILTERS.get(name);
    if (filter === undefined) throw new TemplateError(`There is no filter ${name.slice(0, 40)}.`);
    this.rendering.spend(1);
    return filter.apply(value, args, this);
  }

  applyTest(name: string, value: unknown, args: readonly unknown[]): boolean {
    const test = TESTS.get(name);
    if (test === undefined) throw new TemplateError(`There is no test ${name.slice(0, 40)}.`);
    this.rendering.spend(1);
    return test.holds(value, args, this);
  }
}
