import { type Arguments, type BinaryOperator, type ComparisonOperator, type Expression } from './ast.js';
import { type Token } from './lexer.js';
import { TESTS } from './tests.js';
import { TokenReader } from './token-reader.js';

export const CONSTANTS: ReadonlyMap<string, null | boolean> = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
  ['null', null],
]);
export const RESERVED: ReadonlySet<string> = new Set(['and', 'or', 'not', 'in', 'is', 'if', 'else', 'elif']);
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);

export interface FilterCall {
  readonly name: string;
  readonly arguments: Arguments;
}

/** Recursive descent over the expressions of Jinja, with Jinja's precedences; the weakest binding comes first. */
export class ExpressionParser extends TokenReader {
  wholeExpression(): Expression {
    const expression = this.tuple();
    if (this.current.kind !== 'end') throw this.unexpected();
    return expression;
  }

  /** `a, b` is a list, as in Jinja; in the head of a for, `if` belongs to the loop and not to a choice. */
  protected tuple(place: 'anywhere' | 'for' = 'anywhere'): Expression {
    const element = () => (place === 'for' ? this.nested(() => this.or()) : this.expression());
    const first = element();
    if (!this.isOperator(',')) return first;
    const items = [first];
    while (this.acceptOperator(',')) {
      if (this.current.kind !== 'name' && this.current.kind !== 'number' && this.current.kind !== 'string' && !this.startsExpression())
        break;
      items.push(element());
    }
    return { kind: 'list', items };
  }

  private startsExpression(): boolean {
    return this.current.kind === 'operator' && '([{-+'.includes(this.current.text);
  }

  protected expression(): Expression {
    return this.nested(() => {
      const value = this.or();
      if (!this.acceptName('if')) return value;
      const test = this.or();
      const otherwise = this.acceptName('else') ? this.expression() : null;
      return { kind: 'choice', test, then: value, otherwise };
    });
  }

  private or(): Expression {
    return this.chain('or', () => this.chain('and', () => this.not()));
  }

  private chain(operator: 'and' | 'or', operand: () => Expression): Expression {
    const first = operand();
    if (!this.isName(operator)) return first;
    const parts = [first];
    while (this.acceptName(operator)) parts.push(operand());
    return { kind: 'logic', operator, parts };
  }

  private not(): Expression {
    if (!this.acceptName('not')) return this.comparison();
    return { kind: 'not', operand: this.nested(() => this.not()) };
  }

  private comparison(): Expression {
    const first = this.sum();
    const rest: { operator: ComparisonOperator; right: Expression }[] = [];
    for (let operator = this.comparisonOperator(); operator !== undefined; operator = this.comparisonOperator()) {
      rest.push({ operator, right: this.sum() });
    }
    return rest.length === 0 ? first : { kind: 'comparison', first, rest };
  }

  private comparisonOperator(): ComparisonOperator | undefined {
    if (this.acceptName('in')) return 'in';
    if (this.isName('not') && this.peek().kind === 'name' && this.peek().text === 'in') {
      this.advance();
      this.advance();
      return 'not in';
    }
    if (this.current.kind !== 'operator' || !COMPARISONS.has(this.current.text)) return undefined;
    return this.advance().text as ComparisonOperator;
  }

  private sum(): Expression {
    return this.binary(['+', '-'], () => this.concatenation());
  }

  private concatenation(): Expression {
    const first = this.product();
    if (!this.isOperator('~')) return first;
    const parts = [first];
    while (this.acceptOperator('~')) parts.push(this.product());
    return { kind: 'concatenation', parts };
  }

  private product(): Expression {
    return this.binary(['*', '/', '//', '%'], () => this.power());
  }

  private binary(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const operator = operators.find((candidate) => this.isOperator(candidate));
      if (operator === undefined) return left;
      this.advance();
      left = { kind: 'binary', operator, left, right: operand() };
    }
  }

  /** Powers bind to the left and weaker than signs, in Jinja other than in Python: -2 ** 2 is 4, and 2 ** 3 ** 2 is 64. */
  private power(): Expression {
    return this.binary(['**'], () => this.signed());
  }

  /** A filter after a signed number sees the sign: -5 | abs is 5. */
  private signed(filtered = true): Expression {
    if (this.isOperator('-') || this.isOperator('+')) {
      const operator = this.advance().text as '-' | '+';
      const operand = this.nested(() => this.signed(false));
      const value: Expression = { kind: 'sign', operator, operand };
      return filtered ? this.filtersAndTests(value) : value;
    }
    const primary = this.postfix(this.primary());
    return filtered ? this.filtersAndTests(primary) : primary;
  }

  private primary(): Expression {
    const token = this.current;
    switch (token.kind) {
      case 'name':
        if (RESERVED.has(token.text)) throw this.unexpected();
        this.advance();
        return this.named(token);
      case 'number':
        this.advance();
        return { kind: 'constant', value: Number(token.text.replaceAll('_', '')) };
      case 'string': {
        let text = '';
        while (this.current.kind === 'string') text += this.advance().text;
        return { kind: 'constant', value: text };
      }
      case 'operator':
        if (token.text === '(') return this.bracketed();
        if (token.text === '[') return this.list();
        if (token.text === '{') return this.mapping();
        throw this.unexpected();
      default:
        throw this.unexpected();
    }
  }

  /** A call is only ever one by name, of a function of the language or of a macro. */
  private named(token: Token): Expression {
    const constant = CONSTANTS.get(token.text);
    if (constant !== undefined) return { kind: 'constant', value: constant };
    if (!this.isOperator('(')) return { kind: 'name', name: token.text };
    return { kind: 'call', name: token.text, arguments: this.arguments() };
  }

  private bracketed(): Expression {
    this.advance();
    if (this.acceptOperator(')')) return { kind: 'list', items: [] };
    const inner = this.tuple();
    this.expectOperator(')');
    return inner;
  }

  private list(): Expression {
    this.advance();
    const items: Expression[] = [];
    while (!this.acceptOperator(']')) {
      items.push(this.expression());
      if (!this.isOperator(']')) this.expectOperator(',');
    }
    return { kind: 'list', items };
  }

  private mapping(): Expression {
    this.advance();
    const entries: (readonly [Expression, Expression])[] = [];
    while (!this.acceptOperator('}')) {
      const key = this.expression();
      this.expectOperator(':');
      entries.push([key, this.expression()]);
      if (!this.isOperator('}')) this.expectOperator(',');
    }
    return { kind: 'mapping', entries };
  }

  private postfix(start: Expression): Expression {
    let value = start;
    for (;;) {
      if (this.acceptOperator('.')) value = this.attribute(value);
      else if (this.acceptOperator('[')) value = this.subscript(value);
      else if (this.isOperator('(')) throw this.error('Only functions, macros by their names, and methods can be called.');
      else return value;
    }
  }

  private attribute(object: Expression): Expression {
    if (this.current.kind === 'number') return { kind: 'item', object, key: { kind: 'constant', value: Number(this.advance().text) } };
    const name = this.name('a name after the dot');
    if (this.isOperator('(')) return { kind: 'method', object, name, arguments: this.arguments() };
    return { kind: 'item', object, key: { kind: 'constant', value: name } };
  }

  private subscript(object: Expression): Expression {
    const bounds: (Expression | null)[] = [];
    let bound: Expression | null = null;
    for (;;) {
      if (this.isOperator(':')) {
        this.advance();
        bounds.push(bound);
        bound = null;
      } else if (this.acceptOperator(']')) break;
      else if (bound === null) bound = this.expression();
      else throw this.unexpected();
    }
    if (bounds.length > 0) {
      bounds.push(bound);
      if (bounds.length > 3) throw this.error('A slice has at most three parts.');
      return { kind: 'slice', object, bounds };
    }
    if (bound === null) throw this.error('The subscript is empty.');
    return { kind: 'item', object, key: bound };
  }

  private filtersAndTests(start: Expression): Expression {
    let value = start;
    for (;;) {
      if (this.acceptOperator('|')) value = { kind: 'filter', input: value, ...this.filter() };
      else if (this.acceptName('is')) value = this.test(value);
      else return value;
    }
  }

  /** `a | b(1)`, without the value they are applied to. */
  protected filters(): FilterCall[] {
    const filters = [this.filter()];
    while (this.acceptOperator('|')) filters.push(this.filter());
    return filters;
  }

  private filter(): FilterCall {
    const { offset } = this.current;
    const name = this.name('a filter');
    return { name, arguments: this.isOperator('(') ? this.arguments() : none(offset) };
  }

  private test(input: Expression): Expression {
    const negated = this.acceptName('not');
    const { offset } = this.current;
    const name = this.name('a test');
    const takesArgument = (TESTS.get(name)?.parameters.length ?? 0) > 0;
    let args = none(offset);
    if (this.isOperator('(')) args = this.arguments();
    else if (takesArgument) args = { positional: [this.nested(() => this.postfix(this.signedPrimary()))], named: [], offset };
    return { kind: 'test', input, name, negated, arguments: args };
  }

  private signedPrimary(): Expression {
    if (!this.acceptOperator('-')) return this.primary();
    return { kind: 'sign', operator: '-', operand: this.primary() };
  }

  private arguments(): Arguments {
    const { offset } = this.current;
    this.expectOperator('(');
    const positional: Expression[] = [];
    const named: { name: string; value: Expression }[] = [];
    const names = new Set<string>();
    while (!this.acceptOperator(')')) {
      if (this.current.kind === 'name' && this.peek().kind === 'operator' && this.peek().text === '=') {
        const name = this.advance().text;
        this.advance();
        if (names.size === names.add(name).size) throw this.error(`The argument ${name} is given twice.`);
        named.push({ name, value: this.expression() });
      } else if (named.length > 0) throw this.error('Arguments without a name come before those with one.');
      else positional.push(this.expression());
      if (!this.isOperator(')')) this.expectOperator(',');
    }
    return { positional, named, offset };
  }
}

function none(offset: number): Arguments {
  return { positional: [], named: [], offset };
}
