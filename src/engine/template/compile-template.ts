import { type Json } from '../values.js';
import { settled } from './access.js';
import { type Block, type Expression } from './ast.js';
import { ExpressionCompiler } from './evaluate.js';
import { type Evaluator, Frame } from './frame.js';
import { parseExpression, parseTemplate } from './parser.js';
import { type Rendering } from './rendering.js';
import { type Scope } from './scope.js';
import { type Part, StatementCompiler, warnUndefined } from './statements.js';
import { TemplateError, TemplateSyntaxError } from './template-error.js';

/** One text of a playbook, compiled once and rendered per step. Immutable. */
export interface Template {
  readonly source: string;
  /** No part of it depends on anything: it renders to its own text. */
  readonly isConstant: boolean;
  /** It is one expression and nothing else, so it yields a native value instead of text. */
  readonly isLone: boolean;
  /** Of a lone expression that ends in tojson: renders the value that would become JSON text (see compileValue); else null. */
  readonly beforeJson: ((scope: Scope, rendering: Rendering) => Json) | null;
  /** Root names it may read from the scope; names of functions are not among them. */
  readonly names: ReadonlySet<string>;
  /**
   * A lone expression yields its native value, undefined as null with a warning; anything else yields text.
   * Values are never rendered again. Throws TemplateError.
   */
  render(scope: Scope, rendering: Rendering): Json;
  /** As render, but undefined stays undefined, references stay references, and nothing warns about a lone undefined. */
  evaluate(scope: Scope, rendering: Rendering): unknown;
}

/** Compiles text with {{ }}, {% %} and {# #}. Throws TemplateSyntaxError with line and column in the text. */
export function compileTemplate(text: string): Template {
  if (!mayHoldTemplate(text)) return constantTemplate(text, text);
  // As Jinja: one line break at the end is of the block of YAML, not of what the author wants said.
  const block = parseTemplate(text.replace(/\r?\n$/, ''));
  const lone = loneExpression(block);
  if (lone !== undefined) return loneTemplate(text, lone.expression, lone.source);
  if (block.every((part) => part.kind === 'data')) return constantTemplate(text, block.map((part) => (part.kind === 'data' ? part.text : '')).join('')); // prettier-ignore
  return textTemplate(text, block);
}

/** An expression without braces around it, always lone. Throws TemplateSyntaxError. */
export function compileExpression(text: string): Template {
  return loneTemplate(text, parseExpression(text), text.trim());
}

/** A text whose values do not become text yet: whoever arranged it decides what each is turned into. Immutable. */
export interface PartsTemplate {
  /** Root names it may read from the scope. */
  readonly names: ReadonlySet<string>;
  /** Texts, and the values of the outputs that were given a slot, in order. Undefined is null with a warning. Throws TemplateError. */
  render(scope: Scope, rendering: Rendering): readonly Part[];
}

/**
 * Compiles text whose outputs keep their values where `arrange` gives them a slot: for languages in which a value has to
 * be written differently depending on where it stands (SQL). Throws TemplateSyntaxError, and what `arrange` throws.
 */
export function compileParts(text: string, arrange: (block: Block) => Block): PartsTemplate {
  const compiler = compilerFor(text);
  const write = new StatementCompiler(compiler).template(arrange(parseTemplate(text)));
  const evaluator = (frame: Frame): readonly Part[] => {
    const out: Part[] = [];
    write(frame, out);
    return out;
  };
  return {
    names: compiler.names,
    render: (scope, rendering) => run(evaluator, text, new Frame(scope, rendering)) as readonly Part[],
  };
}

export function mayHoldTemplate(text: string): boolean {
  return text.includes('{{') || text.includes('{%') || text.includes('{#');
}

function loneExpression(block: Block): { readonly expression: Expression; readonly source: string } | undefined {
  const parts = block.filter((part) => part.kind !== 'data' || part.text.trim() !== '');
  const [only] = parts;
  return parts.length === 1 && only?.kind === 'output' && !only.isBlock ? only : undefined;
}

function constantTemplate(source: string, text: string): Template {
  const render = () => text;
  return { source, isConstant: true, isLone: false, beforeJson: null, names: new Set(), render, evaluate: render };
}

function loneTemplate(source: string, expression: Expression, expressionSource: string): Template {
  const compiler = compilerFor(source);
  const native = (evaluator: Evaluator) => (scope: Scope, rendering: Rendering) => {
    const frame = new Frame(scope, rendering);
    const value = run(evaluator, source, frame);
    if (value !== undefined) return settled(value) as Json;
    warnUndefined(frame, expressionSource);
    return null;
  };
  const evaluator = compiler.compile(expression);
  const isJsonText = expression.kind === 'filter' && (expression.name === 'tojson' || expression.name === 'to_json');
  return {
    source,
    isConstant: false,
    isLone: true,
    beforeJson: isJsonText ? native(compiler.compile(expression.input)) : null,
    names: compiler.names,
    render: native(evaluator),
    evaluate: (scope, rendering) => run(evaluator, source, new Frame(scope, rendering)),
  };
}

function textTemplate(source: string, block: Block): Template {
  const compiler = compilerFor(source);
  const write = new StatementCompiler(compiler).template(block);
  const evaluator = (frame: Frame): string => {
    const out: Part[] = [];
    write(frame, out);
    return out.join(''); // no output of it has a slot
  };
  const render = (scope: Scope, rendering: Rendering) => run(evaluator, source, new Frame(scope, rendering)) as string;
  return { source, isConstant: false, isLone: false, beforeJson: null, names: compiler.names, render, evaluate: render };
}

function compilerFor(source: string): ExpressionCompiler {
  return new ExpressionCompiler((message, offset) => TemplateSyntaxError.at(source, offset, message));
}

/** Failures say which template they are from; its text is the author's, so it can be shown. */
function run(evaluator: Evaluator, source: string, frame: Frame): unknown {
  frame.rendering.begin();
  try {
    return evaluator(frame);
  } catch (error) {
    if (error instanceof RangeError)
      throw new TemplateError(`The template is too large to evaluate, in: ${excerpt(source)}`, 'template_limit');
    if (error instanceof TemplateError) throw new TemplateError(`${error.message.replace(/\.$/, '')}, in: ${excerpt(source)}`, error.code);
    throw error;
  } finally {
    frame.end();
  }
}

function excerpt(source: string): string {
  const text = source.trim();
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
