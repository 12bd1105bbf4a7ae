import { type Json, type JsonObject } from '../values.js';
import { element, settled } from './access.js';
import { type Block, type CallerBlock, type Parameter, type Statement } from './ast.js';
import { type Blocks, type ExpressionCompiler } from './evaluate.js';
import { type Evaluator, Locals, type Frame } from './frame.js';
import { Macro, type MacroForm } from './macro.js';
import { Namespace } from './namespace.js';
import { isTrue, itemsOf, kindOf, textOf } from './operators.js';
import { TemplateError } from './template-error.js';

/** What a template with slots renders to: text, and values that were given a slot. */
export type Part = string | Slotted;
export interface Slotted {
  readonly slot: string;
  readonly value: Json;
}

/** Appends the text of a compiled part; without slots there are texts only. */
export type Writer = (frame: Frame, out: Part[]) => void;

/**
 * Compiles statements to writers. Scoping follows Jinja: what a loop body sets ends with the iteration, what is set in a block, a macro or
 * a with ends with it, what an if sets stays.
 */
export class StatementCompiler implements Blocks {
  constructor(private readonly expressions: ExpressionCompiler) {
    expressions.blocks = this;
  }

  template(statements: Block): Writer {
    const writer = this.block(statements);
    this.expressions.finish();
    return writer;
  }

  block(statements: Block): Writer {
    const writers = this.expressions.nested(() => statements.map((statement) => this.statement(statement)));
    const [only] = writers;
    if (writers.length === 1 && only !== undefined) return only;
    return (frame, out) => {
      for (const write of writers) write(frame, out);
    };
  }

  private statement(statement: Statement): Writer {
    switch (statement.kind) {
      case 'data':
        return (frame, out) => append(statement.text, frame, out);
      case 'output':
        return this.output(statement);
      case 'if':
        return this.ifStatement(statement);
      case 'for':
        return this.forStatement(statement);
      case 'set':
        return this.setStatement(statement);
      case 'set_part':
        return this.setPart(statement);
      case 'set_block':
        return this.setBlock(statement);
      case 'with':
        return this.withStatement(statement);
      case 'macro':
        return this.macroStatement(statement);
    }
  }

  private output({ expression, source, slot, isBlock }: Statement & { kind: 'output' }): Writer {
    const evaluate = isBlock ? this.scoped(() => this.expressions.compile(expression)) : this.expressions.compile(expression);
    if (slot !== undefined) return this.slotted(evaluate, source, slot);
    return (frame, out) => {
      const value = evaluate(frame);
      if (value === undefined) warnUndefined(frame, source);
      else append(textOf(value, frame.rendering), frame, out);
    };
  }

  private slotted(evaluate: Evaluator, source: string, slot: string): Writer {
    return (frame, out) => {
      const value = evaluate(frame);
      if (value === undefined) warnUndefined(frame, source);
      frame.rendering.spendOutput(textOf(value, frame.rendering).length);
      out.push({ slot, value: element(value) });
    };
  }

  private ifStatement(statement: Statement & { kind: 'if' }): Writer {
    const branches = statement.branches.map(({ test, body }) => ({ test: this.expressions.compile(test), body: this.maybe(body) }));
    const otherwise = this.maybe(statement.otherwise);
    return (frame, out) => {
      for (const branch of branches) {
        frame.rendering.spend(1);
        if (isTrue(branch.test(frame))) return branch.body(frame, out);
      }
      otherwise(frame, out);
    };
  }

  /** A block that may not run: names it binds count as read from the scope by what follows. */
  private maybe(body: Block): Writer {
    const before = this.expressions.bound.count;
    const writer = this.block(body);
    this.expressions.bound.backTo(before);
    return writer;
  }

  private forStatement(statement: Statement & { kind: 'for' }): Writer {
    const iterable = this.expressions.compile(statement.iterable);
    const before = this.expressions.bound.count;
    for (const name of [...statement.targets, 'loop']) this.bind(name);
    const filter = statement.filter === null ? undefined : this.expressions.compile(statement.filter);
    const body = this.block(statement.body);
    this.expressions.bound.backTo(before);
    const otherwise = this.maybe(statement.otherwise);
    const { targets } = statement;

    const bindTargets = (frame: Frame, outer: Locals | undefined, item: Json): Locals => {
      frame.rendering.spend(1);
      const locals = new Locals(outer);
      assign(locals, targets, item);
      frame.locals = locals;
      return locals;
    };
    return (frame, out) => {
      const outer = frame.locals;
      let items = itemsOf(iterable(frame), frame.rendering);
      if (filter !== undefined) {
        items = items.filter((item) => {
          bindTargets(frame, outer, item);
          return isTrue(filter(frame));
        });
      }
      items.forEach((item, index) => {
        bindTargets(frame, outer, item).set('loop', loopOf(items, index));
        body(frame, out);
      });
      frame.locals = outer;
      if (items.length === 0) otherwise(frame, out);
    };
  }

  private setStatement(statement: Statement & { kind: 'set' }): Writer {
    const evaluate = this.expressions.compile(statement.value);
    const { targets } = statement;
    for (const name of targets) this.bind(name);
    return (frame) => {
      frame.rendering.spend(1);
      assign((frame.locals ??= new Locals(undefined)), targets, evaluate(frame));
    };
  }

  private setPart({ namespace, part, value }: Statement & { kind: 'set_part' }): Writer {
    return this.setPartTo(namespace, part, this.expressions.compile(value));
  }

  private setPartTo(namespace: string, part: string, evaluate: Evaluator): Writer {
    const target = this.expressions.compile({ kind: 'name', name: namespace });
    return (frame) => {
      frame.rendering.spend(1);
      const found = target(frame);
      if (!(found instanceof Namespace)) throw new TemplateError(`${namespace}.${part} cannot be set: ${namespace} is no namespace().`);
      found.set(part, element(evaluate(frame)));
    };
  }

  private setBlock({ target, part, value }: Statement & { kind: 'set_block' }): Writer {
    const evaluate = this.scoped(() => this.expressions.compile(value));
    if (part !== null) return this.setPartTo(target, part, evaluate);
    this.bind(target);
    return (frame) => {
      frame.rendering.spend(1);
      const text = evaluate(frame);
      (frame.locals ??= new Locals(undefined)).set(target, text);
    };
  }

  private withStatement({ bindings, body }: Statement & { kind: 'with' }): Writer {
    const values = bindings.map(({ targets, value }) => ({ targets, evaluate: this.expressions.compile(value) }));
    const before = this.expressions.bound.count;
    for (const { targets } of bindings) for (const name of targets) this.bind(name);
    const write = this.block(body);
    this.expressions.bound.backTo(before);
    return (frame, out) => {
      frame.rendering.spend(1 + values.length);
      const locals = new Locals(frame.locals);
      for (const { targets, evaluate } of values) assign(locals, targets, evaluate(frame));
      frame.within(locals, () => write(frame, out));
    };
  }

  private macroStatement({ name, parameters, body }: Statement & { kind: 'macro' }): Writer {
    this.bind(name);
    this.expressions.macros.add(name);
    const form = this.macroForm(name, parameters, body);
    return (frame) => {
      frame.rendering.spend(1);
      const locals = (frame.locals ??= new Locals(undefined));
      locals.set(name, new Macro(form, locals));
    };
  }

  caller({ parameters, body }: CallerBlock): (frame: Frame) => Macro {
    const form = this.macroForm(null, parameters, body);
    return (frame) => new Macro(form, frame.locals);
  }

  private macroForm(name: string | null, parameters: readonly Parameter[], body: Block): MacroForm {
    const { expressions } = this;
    const before = expressions.bound.count;
    for (const parameter of parameters) this.bind(parameter.name);
    const fallbacks = expressions.ofMacro(() =>
      parameters.map((parameter) => ({
        name: parameter.name,
        fallback: parameter.fallback === null ? null : expressions.compile(parameter.fallback),
      })),
    );
    for (const special of ['caller', 'varargs', 'kwargs']) this.bind(special);
    const text = expressions.ofMacro(() => this.captured(body));
    this.expressions.bound.backTo(before);
    const isNamed = (special: string): boolean => parameters.some((parameter) => parameter.name === special);
    const caller = parameters.find((parameter) => parameter.name === 'caller' && parameter.fallback === null);
    if (caller !== undefined && text.mentions.has('caller')) throw expressions.fail('A parameter caller needs a default.', caller.offset);
    const takes = (special: string): boolean => text.mentions.has(special) && !isNamed(special);
    return {
      name,
      parameters: fallbacks.compiled,
      text: text.compiled,
      height: Math.max(fallbacks.height, text.height),
      takesCaller: takes('caller'),
      takesRest: takes('varargs'),
      takesNamed: takes('kwargs'),
    };
  }

  captured(body: Block): (frame: Frame) => string {
    const write = this.block(body);
    return (frame) => {
      const parts: Part[] = [];
      frame.captured(() => write(frame, parts));
      const texts = parts.map((part) => (typeof part === 'string' ? part : textOf(part.value, frame.rendering)));
      frame.rendering.spendText(texts.reduce((length, text) => length + text.length, 0));
      return texts.join('');
    };
  }

  /** What is set inside ends there. */
  private scoped(compile: () => Evaluator): Evaluator {
    const before = this.expressions.bound.count;
    const evaluate = compile();
    this.expressions.bound.backTo(before);
    return (frame) => frame.within(new Locals(frame.locals), evaluate);
  }

  private bind(name: string): void {
    this.expressions.bound.add(name);
    this.expressions.local.add(name);
  }
}

export function warnUndefined(frame: Frame, source: string): void {
  frame.rendering.warn(`${source.slice(0, 120)} is undefined`);
}

function append(text: string, frame: Frame, out: Part[]): void {
  frame.spendAppended(text.length);
  out.push(text);
}

function assign(locals: Locals, targets: readonly string[], value: unknown): void {
  const [first] = targets;
  if (targets.length === 1 && first !== undefined) return locals.set(first, value);
  const parts = element(value);
  if (!Array.isArray(parts) || parts.length !== targets.length)
    throw new TemplateError(`${kindOf(value)} cannot be taken apart into ${targets.length} names.`);
  targets.forEach((target, index) => locals.set(target, parts[index]));
}

function loopOf(items: readonly Json[], index: number): JsonObject {
  const loop: JsonObject = {
    index: index + 1,
    index0: index,
    revindex: items.length - index,
    revindex0: items.length - index - 1,
    first: index === 0,
    last: index === items.length - 1,
    length: items.length,
  };
  const previous = items[index - 1];
  const next = items[index + 1];
  if (previous !== undefined) loop['previtem'] = settled(previous) as Json;
  if (next !== undefined) loop['nextitem'] = settled(next) as Json;
  return loop;
}
