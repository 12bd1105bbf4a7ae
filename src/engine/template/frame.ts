import { FILTERS } from './filters/registry.js';
import { forgetGroup, groupOf } from './groups.js';
import { type Calls, type Filter } from './operation.js';
import { type Rendering } from './rendering.js';
import { type Scope } from './scope.js';
import { TemplateError } from './template-error.js';
import { TESTS } from './tests.js';
import { type Json, type JsonObject } from '../values.js';

/** A compiled expression: a closure over its parts. Yields JSON, a TemplateReference, or undefined. */
export type Evaluator = (frame: Frame) => unknown;

/** Calls of macros inside calls of macros; as for values, far below what the stack carries. */
const MAX_CALLS = 100;
/** Operations and blocks that are nested in all these calls together: ends before the stack does, and always at the same depth. */
const MAX_CALL_HEIGHT = 700;

/** Names bound by {% set %}, {% for %} and their like; bodies of loops and macros, and blocks, open an inner layer. */
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
  /** Blocks whose text is being kept: it has not left the template yet. */
  private captures = 0;
  private calls = 0;
  private callHeight = 0;
  /** Lists and mappings that this render has made, where it may change them. */
  private made: WeakSet<object> | undefined;
  private groups: Json[][] | undefined;

  constructor(
    readonly scope: Scope,
    readonly rendering: Rendering,
  ) {}

  lookup(name: string): unknown {
    const local = this.locals?.find(name);
    return local === undefined ? this.scope.lookup(name, this.rendering) : local.value;
  }

  /** What {% set %}, {% for %} or a macro has bound. */
  local(name: string): unknown {
    return this.locals?.find(name)?.value;
  }

  /** Runs what has these names, and those around them. */
  within<Result>(locals: Locals, run: (frame: Frame) => Result): Result {
    const before = this.locals;
    this.locals = locals;
    const result = run(this);
    this.locals = before;
    return result;
  }

  /** A macro runs. @param height of what is nested in it at most. Throws template_limit. */
  called<Result>(height: number, run: () => Result): Result {
    this.calls += 1;
    this.callHeight += height;
    if (this.calls > MAX_CALLS || this.callHeight > MAX_CALL_HEIGHT)
      throw new TemplateError(`Calls of macros are nested deeper than ${MAX_CALLS} levels.`, 'template_limit');
    const result = run();
    this.calls -= 1;
    this.callHeight -= height;
    return result;
  }

  /** Text is made that is kept, and counted as output only where it is put out. */
  captured<Result>(run: () => Result): Result {
    this.captures += 1;
    const result = run();
    this.captures -= 1;
    return result;
  }

  /** Counts text before it is appended to what the template, or a block whose text is kept, has made. */
  spendAppended(characters: number): void {
    if (this.captures === 0) this.rendering.spendOutput(characters);
    else this.rendering.spendText(characters);
  }

  groupOf(grouper: Json, list: Json[]): Json[] {
    const group = groupOf(grouper, list);
    (this.groups ??= []).push(group);
    return group;
  }

  /** The template is done. */
  end(): void {
    this.groups?.forEach(forgetGroup);
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
