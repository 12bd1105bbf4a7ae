import { type Json } from '../values.js';
import { settled } from './access.js';
import { type Rendering } from './rendering.js';
import { type Scope } from './scope.js';
import { compileExpression, compileTemplate, mayHoldTemplate, type Template } from './compile-template.js';
import { TemplateSyntaxError } from './template-error.js';

const FALSE_WORDS: ReadonlySet<string> = new Set(['', 'false', 'no', 'n', 'off', 'none', 'null']);
const BARE_WORD = /^[\p{ID_Start}_]\p{ID_Continue}*$/u;

/** A field that decides: when, where, pass, retry_when and their like. */
export interface Condition {
  readonly source: string;
  /** Root names it may read from the scope. */
  readonly names: ReadonlySet<string>;
  /** Throws TemplateError. */
  isTrue(scope: Scope, rendering: Rendering): boolean;
}

/**
 * The truth of a condition's result: false are false, null, undefined, 0, empty texts, lists and mappings, and the words
 * false, no, n, off, none and null in any case. (Inside expressions Python's truth holds: there 'no' is a text like any.)
 */
export function isTruthy(value: unknown): boolean {
  const plain = settled(value);
  if (typeof plain === 'string') return !FALSE_WORDS.has(plain.trim().toLowerCase());
  if (Array.isArray(plain)) return plain.length > 0;
  if (typeof plain === 'object' && plain !== null) return Object.keys(plain).length > 0;
  return Boolean(plain);
}

/**
 * A condition with or without braces. Without them a text is an expression if it parses as one and is not a bare word;
 * any other text, number or truth value stands for its own truth. Throws TemplateSyntaxError.
 */
export function compileCondition(value: Json): Condition {
  if (typeof value !== 'string') return fixedCondition(JSON.stringify(value), isTruthy(value));
  if (mayHoldTemplate(value)) return conditionOf(value, compileTemplate(value));
  const text = value.trim();
  if (text === '' || BARE_WORD.test(text)) return fixedCondition(value, isTruthy(text));
  try {
    return conditionOf(value, compileExpression(text));
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    return fixedCondition(value, isTruthy(text));
  }
}

function conditionOf(source: string, template: Template): Condition {
  return { source, names: template.names, isTrue: (scope, rendering) => isTruthy(template.render(scope, rendering)) };
}

function fixedCondition(source: string, truth: boolean): Condition {
  return { source, names: new Set(), isTrue: () => truth };
}
