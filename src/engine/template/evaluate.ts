import { isObject, type Json, type JsonObject } from '../values.js';
import { arranged, callByName, type CompiledArguments } from './calls.js';
import { countedItemOf, element, isRefusedName, itemOf, settled } from './access.js';
import { type Arguments, type Block, type CallerBlock, type Expression } from './ast.js';
import { BoundNames } from './bound-names.js';
import { printf } from './filters/printf.js';
import { FILTERS } from './filters/registry.js';
import { type Evaluator, type Frame } from './frame.js';
import { FUNCTIONS } from './functions.js';
import { type Macro } from './macro.js';
import { callMethod, isChange } from './methods.js';
import { type Signature } from './operation.js';
import { binary, compare, isTrue, kindOf, signed, slice, textOf } from './operators.js';
import { TemplateError } from './template-error.js';
import { TESTS } from './tests.js';

/** Chains such as a + b + c + … nest to the left without nesting in the text; evaluation recurses as deep as they are long. */
const MAX_HEIGHT = 1_000;

/** Filters that know what to do with a text that has a secret in it, or need not look into it. */
const SECRET_FILTERS: ReadonlySet<string> = new Set(['b64encode', 'urlencode', 'default', 'd', 'string']);
/** Methods whose arguments may have names. */
const NAMING_METHODS: ReadonlySet<string> = new Set(['format', 'update']);
/** Tests that compare by value. */
const COMPARING_TESTS: ReadonlySet<string> = new Set([
  'eq',
  'equalto',
  '==',
  'ne',
  '!=',
  'lt',
  'lessthan',
  'gt',
  'greaterthan',
  'le',
  'ge',
  'in',
  'sameas',
]);

/** What expressions need of whoever compiles statements. */
export interface Blocks {
  /** The text of a block. */
  captured(body: Block): Evaluator;
  /** What `caller` is for the macro that a {% call %} calls. */
  caller(block: CallerBlock): (frame: Frame) => Macro;
}

/** Compiles the expressions of one template and collects the names they read from the scope. */
export class ExpressionCompiler {
  readonly names = new Set<string>();
  /** Names that {% set %} or {% for %} has bound wherever this expression can be reached. */
  readonly bound = new BoundNames();
  /** Names that {% set %} or {% for %} may have bound: looked for among the locals first. */
  readonly local = new Set<string>();
  /** Names of macros. */
  readonly macros = new Set<string>();
  blocks: Blocks | undefined;
  private height = 0;
  /** The greatest height so far. */
  private highest = 0;
  /** Names that the body of the macro mentions which is being compiled; undefined outside of macros. */
  private mentioned: Set<string> | undefined;
  /** Calls of names that nothing has bound yet. */
  private readonly unknownCalls: { readonly name: string; readonly offset: number }[] = [];
  /** A method of the template changes values: what it makes is kept in mind. */
  private changes = false;

  constructor(readonly fail: (message: string, offset: number) => Error) {}

  compile(expression: Expression): Evaluator {
    this.height += 1;
    if (this.height > this.highest) this.highest = this.height;
    if (this.height > MAX_HEIGHT) throw this.fail(`The expression has more than ${MAX_HEIGHT} operations in a row.`, 0);
    const evaluator = this.compiled(expression);
    this.height -= 1;
    return evaluator;
  }

  /** The template is compiled to its end: nothing that is called may still be unknown. */
  finish(): void {
    const unknown = this.unknownCalls.find(({ name }) => !this.local.has(name));
    if (unknown !== undefined) throw this.fail(`There is no function ${unknown.name}.`, unknown.offset);
  }

  /** Compiles something that belongs to a macro: names in it are looked for when it runs, as what is set until then counts. */
  ofMacro<Compiled>(compile: () => Compiled): { compiled: Compiled; mentions: ReadonlySet<string>; height: number } {
    const { mentioned: outer, highest } = this;
    const mentions = new Set<string>();
    this.mentioned = mentions;
    this.highest = this.height;
    const compiled = compile();
    const height = this.highest - this.height;
    this.mentioned = outer;
    this.highest = Math.max(highest, this.highest);
    for (const name of mentions) outer?.add(name);
    return { compiled, mentions, height };
  }

  /** Compiles what is nested in something else. */
  nested<Compiled>(compile: () => Compiled): Compiled {
    this.height += 1;
    if (this.height > this.highest) this.highest = this.height;
    const compiled = compile();
    this.height -= 1;
    return compiled;
  }

  private compiled(expression: Expression): Evaluator {
    switch (expression.kind) {
      case 'constant': {
        const { value } = expression;
        if (typeof value === 'number' && !Number.isFinite(value)) throw this.fail('The number is too large.', 0);
        return () => value;
      }
      case 'name':
        return this.name(expression.name);
      case 'item':
        return this.item(expression.object, expression.key);
      case 'list':
        return this.list(expression.items);
      case 'mapping':
        return this.mapping(expression.entries);
      case 'slice':
        return this.slice(expression.object, expression.bounds);
      case 'choice':
        return this.choice(expression.test, expression.then, expression.otherwise);
      case 'capture':
        if (this.blocks === undefined) throw new Error('a block outside of a template');
        return this.blocks.captured(expression.body);
      case 'filter':
      case 'test':
      case 'call':
      case 'method':
        return this.invocation(expression);
      default:
        return this.operation(expression);
    }
  }

  private operation(expression: Expression & { kind: 'sign' | 'not' | 'binary' | 'concatenation' | 'logic' | 'comparison' }): Evaluator {
    switch (expression.kind) {
      case 'sign': {
        const { operator } = expression;
        const operand = this.compile(expression.operand);
        return counted((frame) => signed(operator, operand(frame)));
      }
      case 'not': {
        const operand = this.compile(expression.operand);
        return counted((frame) => !isTrue(operand(frame)));
      }
      case 'binary': {
        const { operator } = expression;
        if (operator === '%') return this.remainder(expression);
        const left = this.compile(expression.left);
        const right = this.compile(expression.right);
        return counted((frame) => binary(operator, left(frame), right(frame), frame.rendering));
      }
      case 'concatenation':
        return this.concatenation(expression.parts);
      case 'logic':
        return this.logic(expression.operator, expression.parts);
      case 'comparison':
        return this.comparison(expression);
    }
  }

  /** Of numbers; of a text it is what Python formats with. */
  private remainder(expression: Expression & { kind: 'binary' }): Evaluator {
    const left = this.compile(expression.left);
    const right = this.compile(expression.right);
    return counted((frame) => {
      const pattern = settled(left(frame));
      const value = right(frame);
      if (typeof pattern !== 'string') return binary('%', pattern, value, frame.rendering);
      if (frame.rendering.secrets !== null) frame.rendering.refuseSecrets(pattern, 'The operator %');
      const plain = element(value);
      const values = Array.isArray(plain) ? plain : isObject(plain) && pattern.includes('%(') ? [] : [plain];
      return printf(pattern, values, plain, frame.rendering);
    });
  }

  private name(name: string): Evaluator {
    if (isRefusedName(name)) return () => undefined;
    if (!this.bound.has(name)) this.names.add(name);
    this.mentioned?.add(name);
    if (this.local.has(name) || this.mentioned !== undefined) return counted((frame) => frame.lookup(name));
    return counted((frame) => frame.scope.lookup(name, frame.rendering));
  }

  private item(objectExpression: Expression, keyExpression: Expression): Evaluator {
    const object = this.compile(objectExpression);
    if (keyExpression.kind === 'constant' && (typeof keyExpression.value === 'string' || typeof keyExpression.value === 'number')) {
      const { value: key } = keyExpression;
      if (typeof key === 'string') return counted((frame) => itemOf(object(frame), key));
      return counted((frame) => {
        const container = object(frame);
        if (frame.rendering.secrets !== null && typeof container === 'string') frame.rendering.refuseSecrets(container, 'A subscript');
        return countedItemOf(container, key, frame.rendering);
      });
    }
    const key = this.compile(keyExpression);
    return counted((frame) => {
      const container = object(frame);
      const plain = settled(key(frame));
      if (frame.rendering.secrets !== null && typeof container === 'string') frame.rendering.refuseSecrets(container, 'A subscript');
      return typeof plain === 'string' || typeof plain === 'number' ? countedItemOf(container, plain, frame.rendering) : undefined;
    });
  }

  private list(expressions: readonly Expression[]): Evaluator {
    const items = expressions.map((item) => this.compile(item));
    return (frame) => {
      frame.rendering.spend(1 + items.length);
      const list = items.map((item) => element(item(frame)));
      return this.changes ? frame.madeHere(list) : list;
    };
  }

  private mapping(pairs: readonly (readonly [Expression, Expression])[]): Evaluator {
    return this.mappingOf(pairs.map(([key, value]) => [this.compile(key), this.compile(value)]));
  }

  private mappingOf(entries: readonly (readonly [Evaluator, Evaluator])[]): Evaluator {
    return (frame) => {
      frame.rendering.spend(1 + entries.length);
      const mapping: JsonObject = {};
      for (const [key, value] of entries) mapping[mappingKey(key(frame))] = element(value(frame));
      return this.changes ? frame.madeHere(mapping) : mapping;
    };
  }

  private slice(objectExpression: Expression, boundExpressions: readonly (Expression | null)[]): Evaluator {
    const object = this.compile(objectExpression);
    const [start, stop, step] = boundExpressions.map((bound) => (bound === null ? () => undefined : this.compile(bound)));
    return counted((frame) => {
      const value = object(frame);
      if (frame.rendering.secrets !== null) frame.rendering.refuseSecretText(settled(value), 'A slice');
      return slice(value, start?.(frame), stop?.(frame), step?.(frame), frame.rendering);
    });
  }

  private choice(testExpression: Expression, thenExpression: Expression, otherwiseExpression: Expression | null): Evaluator {
    const test = this.compile(testExpression);
    const then = this.compile(thenExpression);
    const otherwise = otherwiseExpression === null ? () => undefined : this.compile(otherwiseExpression);
    return counted((frame) => (isTrue(test(frame)) ? then(frame) : otherwise(frame)));
  }

  private concatenation(expressions: readonly Expression[]): Evaluator {
    const parts = expressions.map((part) => this.compile(part));
    return counted((frame) => {
      const texts = parts.map((part) => textOf(part(frame), frame.rendering));
      frame.rendering.spendText(texts.reduce((length, text) => length + text.length, 0));
      return texts.join('');
    });
  }

  private logic(operator: 'and' | 'or', expressions: readonly Expression[]): Evaluator {
    const parts = expressions.map((part) => this.compile(part));
    const stopsAt = operator === 'or';
    return counted((frame) => {
      let value: unknown;
      for (const part of parts) {
        value = part(frame);
        if (isTrue(value) === stopsAt) return value;
      }
      return value;
    });
  }

  private comparison(expression: Expression & { kind: 'comparison' }): Evaluator {
    const first = this.compile(expression.first);
    const rest = expression.rest.map(({ operator, right }) => ({ operator, right: this.compile(right) }));
    return (frame) => {
      frame.rendering.spend(rest.length);
      let left = first(frame);
      for (const { operator, right } of rest) {
        const value = right(frame);
        if (frame.rendering.secrets !== null) frame.rendering.refuseSecrets([left, value].map(settled), `The comparison ${operator}`);
        if (!compare(operator, left, value, frame.rendering)) return false;
        left = value;
      }
      return true;
    };
  }

  private invocation(expression: Expression & { kind: 'filter' | 'test' | 'call' | 'method' }): Evaluator {
    const { name } = expression;
    const { offset } = expression.arguments;
    switch (expression.kind) {
      case 'filter': {
        const filter = FILTERS.get(name);
        if (filter === undefined) throw this.fail(`There is no filter ${name}.`, offset);
        const input = this.compile(expression.input);
        const args = this.arranged(name, filter, this.arguments(expression.arguments));
        if (SECRET_FILTERS.has(name)) return counted((frame) => filter.apply(input(frame), args(frame), frame));
        return counted((frame) => {
          const value = input(frame);
          if (frame.rendering.secrets !== null) frame.rendering.refuseSecrets(settled(value), `The filter ${name}`);
          return filter.apply(value, args(frame), frame);
        });
      }
      case 'test': {
        const test = TESTS.get(name);
        if (test === undefined) throw this.fail(`There is no test ${name}.`, offset);
        const input = this.compile(expression.input);
        const args = this.arranged(name, test, this.arguments(expression.arguments));
        const { negated } = expression;
        const compares = COMPARING_TESTS.has(name);
        return counted((frame) => {
          const value = input(frame);
          if (compares && frame.rendering.secrets !== null) frame.rendering.refuseSecrets(settled(value), `The test ${name}`);
          return test.holds(value, args(frame), frame) !== negated;
        });
      }
      case 'call':
        return this.call(expression);
      case 'method':
        return this.method(expression);
    }
  }

  private call({ name, arguments: given, caller }: Expression & { kind: 'call' }): Evaluator {
    const args = this.arguments(given);
    const ofLanguage = this.macros.has(name) ? undefined : this.functionCall(name, args);
    const isBound = this.local.has(name);
    if (!isBound && this.mentioned === undefined && caller === undefined) {
      if (ofLanguage === undefined) throw this.fail(`There is no function ${name}.`, given.offset);
      return ofLanguage;
    }
    if (ofLanguage === undefined && !isBound) this.unknownCalls.push({ name, offset: given.offset });
    this.mentioned?.add(name);
    if (caller !== undefined && given.named.some((argument) => argument.name === 'caller'))
      throw this.fail('The argument caller is given twice.', given.offset);
    const makeCaller = caller === undefined ? undefined : this.blocks?.caller(caller);
    return counted(callByName(name, args, makeCaller, ofLanguage));
  }

  private functionCall(name: string, given: CompiledArguments): Evaluator | undefined {
    const called = FUNCTIONS.get(name);
    if (called === undefined) return undefined;
    const args = this.arranged(name, called, given);
    return counted((frame) => {
      const value = called.call(args(frame), frame);
      return this.changes && isObject(value) && name === 'dict' ? frame.madeHere(value) : value;
    });
  }

  private method(expression: Expression & { kind: 'method' }): Evaluator {
    const { name } = expression;
    const { positional, named, offset } = expression.arguments;
    if (named.length > 0 && !NAMING_METHODS.has(name)) throw this.fail(`The method ${name} takes no named arguments.`, offset);
    if (isChange(name)) this.changes = true;
    const object = this.compile(expression.object);
    const args = positional.map((argument) => this.compile(argument));
    const others = this.mapping(named.map((argument) => [{ kind: 'constant', value: argument.name }, argument.value]));
    return counted((frame) => {
      const value = object(frame);
      if (frame.rendering.secrets !== null) frame.rendering.refuseSecretText(settled(value), `The method ${name}`);
      const given = args.map((argument) => argument(frame));
      return callMethod(value, name, given, named.length > 0 ? (others(frame) as JsonObject) : {}, frame);
    });
  }

  private arguments({ positional, named, offset }: Arguments): CompiledArguments {
    return {
      positional: positional.map((argument) => this.compile(argument)),
      named: named.map((argument) => ({ name: argument.name, value: this.compile(argument.value) })),
      offset,
    };
  }

  private arranged(name: string, signature: Signature, args: CompiledArguments): (frame: Frame) => readonly unknown[] {
    const mapping = (named: CompiledArguments['named']) => this.mappingOf(named.map((argument) => [() => argument.name, argument.value]));
    return arranged(name, signature, args, mapping, this.fail);
  }
}

function counted(evaluator: Evaluator): Evaluator {
  return (frame) => {
    frame.rendering.spend(1);
    return evaluator(frame);
  };
}

function mappingKey(value: unknown): string {
  const plain: Json | undefined = element(value);
  if (typeof plain !== 'string' && typeof plain !== 'number')
    throw new TemplateError(`A key of a mapping is a text, not ${kindOf(plain)}.`);
  if (plain === '__proto__') throw new TemplateError('The key __proto__ is refused.');
  return String(plain);
}
