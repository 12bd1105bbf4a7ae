import { type Json, type JsonObject } from '../values.js';
import { type Rendering } from './rendering.js';

/** What filters, tests and functions may use while they work. */
export interface Calls {
  readonly rendering: Rendering;
  /** A pair whose parts have names until the template is done. */
  groupOf(grouper: Json, list: Json[]): Json[];
  /** For filters that take the name of another: map('upper'), select('odd'). Throw template_error for unknown names. */
  applyFilter(name: string, value: unknown, args: readonly unknown[], named?: JsonObject): unknown;
  applyTest(name: string, value: unknown, args: readonly unknown[]): boolean;
}

/** What may be passed to a filter, test or function: checked when the template is compiled. */
export interface Signature {
  /** Parameters by position or name. */
  readonly parameters: readonly string[];
  /** Parameters by name only. */
  readonly keywords?: readonly string[];
  /** More positional arguments are allowed. */
  readonly rest?: boolean;
  /** Any further named arguments are allowed; they arrive as one mapping after the keywords. */
  readonly anyName?: boolean;
}

/** `args` holds the parameters in their order, then the keywords, then the rest; undefined where nothing was given. */
export interface Filter extends Signature {
  apply(value: unknown, args: readonly unknown[], calls: Calls): unknown;
}
export interface Test extends Signature {
  holds(value: unknown, args: readonly unknown[], calls: Calls): boolean;
}
export interface LanguageFunction extends Signature {
  call(args: readonly unknown[], calls: Calls): unknown;
}

export type Filters = Readonly<Record<string, Filter>>;

/** A filter in one line: its parameters and what it does. */
export function filter(parameters: readonly string[], apply: Filter['apply'], more: Omit<Signature, 'parameters'> = {}): Filter {
  return { parameters, apply, ...more };
}
