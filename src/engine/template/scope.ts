import { type Json } from '../values.js';

/** Where a template finds its names. Values are JSON, TemplateReferences or undefined. */
export interface Scope {
  lookup(name: string): unknown;
}

/**
 * A value that answers attribute and item access by its own rules (step references, playbook-language §3.1) and
 * stands for `unwrap()` everywhere else: lone expressions, filters, comparisons, truthiness, JSON.
 */
export abstract class TemplateReference {
  /** JSON, another TemplateReference, or undefined. */
  abstract get(key: string | number): unknown;
  abstract unwrap(): Json;
}
