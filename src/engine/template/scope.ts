import { type Json } from '../values.js';
import { type Rendering } from './rendering.js';

/** Where a template finds its names. Values are JSON, TemplateReferences or undefined. */
export interface Scope {
  /** @param rendering of the template that asks; without it, what itself has to be rendered first stays as it is */
  lookup(name: string, rendering?: Rendering): unknown;
}

/**
 * A value that answers attribute and item access by its own rules (step references, playbook-language §3.1) and
 * stands for `unwrap()` everywhere else: lone expressions, filters, comparisons, truthiness, JSON.
 */
export abstract class TemplateReference {
  /** JSON, another TemplateReference, or undefined. */
  abstract get(key: string | number): unknown;
  abstract unwrap(): Json;

  /** A macro. */
  get isCallable(): boolean {
    return false;
  }
}
