import { type Json, type JsonObject } from '../values.js';
import { element, settled } from './access.js';
import { type Block, type Statement } from './ast.js';
import { type Evaluator, type ExpressionCompiler } from './evaluate.js';
import { Locals, type Frame } from './frame.js';
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

/** Compiles statements to writers. Scoping follows Jinja: what a loop body sets ends with the iteration, what an if sets stays. */
export class StatementCompiler {
  constructor(private readonly expressions: ExpressionCompiler) {}

  block(statements: Block): Writer {
    const writers = statements.map((statement) => this.statement(statement));
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
        return this.output(this.expressions.compile(statement.expression), statement);
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
    }
  }

  private output(evaluate: Evaluator, { source, slot }: Statement & { kind: 'output' }): Writer {
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
    const before = new Set(this.expressions.bound);
    const writer = this.block(body);
    this.restoreBound(before);
    return writer;
  }

  private forStatement(statement: Statement & { kind: 'for' }): Writer {
    const iterable = this.expressions.compile(statement.iterable);
    const before = new Set(this.expressions.bound);
    for (const name of [...statement.targets, 'loop']) this.bind(name);
    const filter = statement.filter === null ? undefined : this.expressions.compile(statement.filter);
    const body = this.block(statement.body);
    this.restoreBound(before);
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
    const target = this.expressions.compile({ kind: 'name', name: namespace });
    const evaluate = this.expressions.compile(value);
    return (frame) => {
      frame.rendering.spend(1);
      const found = target(frame);
      if (!(found instanceof Namespace)) throw new TemplateError(`${namespace}.${part} cannot be set: ${namespace} is no namespace().`);
      found.set(part, element(evaluate(frame)));
    };
  }

  private setBlock(statement: Statement & { kind: 'set_block' }): Writer {
    const body = this.block(statement.body);
    const { target } = statement;
    this.bind(target);
    return (frame) => {
      const parts: Part[] = [];
      body(frame, parts);
      const texts = parts.map((part) => (typeof part === 'string' ? part : textOf(part.value, frame.rendering)));
      (frame.locals ??= new Locals(undefined)).set(target, texts.join(''));
    };
  }

  private bind(name: string): void {
    this.expressions.bound.add(name);
    this.expressions.local.add(name);
  }

  private restoreBound(before: ReadonlySet<string>): void {
    this.expressions.bound.clear();
    for (const name of before) this.expressions.bound.add(name);
  }
}

export function warnUndefined(frame: Frame, source: string): void {
  frame.rendering.warn(`${source.slice(0, 120)} is undefined`);
}

function append(text: string, frame: Frame, out: Part[]): void {
  frame.rendering.spendOutput(text.length);
  out.push(text);
}

function assign(locals: Locals, targets: readonly string[], value: unknown): void {
  const [first] = targets;
  if (targets.length === 1 && first !== undefined) return locals.set(first, value);
  const parts = partsOf(value);
  if (parts?.length !== targets.length) throw new TemplateError(`${kindOf(value)} cannot be taken apart into ${targets.length} names.`);
  targets.forEach((target, index) => locals.set(target, parts[index]));
}

/** Lists, and what groupby yields: `for key, members in rows | groupby('k')`. */
function partsOf(value: unknown): readonly Json[] | undefined {
  const plain = element(value);
  if (Array.isArray(plain)) return plain;
  if (typeof plain !== 'object' || plain === null) return undefined;
  const keys = Object.keys(plain);
  return keys.length === 2 && keys[0] === 'grouper' && keys[1] === 'list' ? Object.values(plain) : undefined;
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
