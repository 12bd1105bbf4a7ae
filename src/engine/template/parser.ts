import { type Arguments, type BinaryOperator, type Block, type ComparisonOperator, type Expression, type Statement } from './ast.js';
import { Lexer, type Token } from './lexer.js';
import { TemplateSyntaxError } from './template-error.js';
import { TESTS } from './tests.js';

/** Nesting of expressions and blocks; far above what people write, far below what the stack carries. */
const MAX_DEPTH = 100;

const CONSTANTS: ReadonlyMap<string, null | boolean> = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
  ['null', null],
]);
const RESERVED: ReadonlySet<string> = new Set(['and', 'or', 'not', 'in', 'is', 'if', 'else', 'elif']);
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);
/** Parts of Jinja that reach outside the one text: refused, so that a definition always stands alone. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['include', 'import', 'from', 'extends', 'block', 'macro', 'call']);

/** Text with {{ }}, {% %} and {# #}. Throws TemplateSyntaxError. */
export function parseTemplate(text: string): Block {
  return new Parser(new Lexer(text)).template();
}

/** One expression without braces. Throws TemplateSyntaxError. */
export function parseExpression(text: string): Expression {
  return new Parser(new Lexer(text, 'expression')).wholeExpression();
}

/** Recursive descent over Jinja's grammar, with Jinja's precedences. */
class Parser {
  private current: Token;
  private ahead: Token | undefined;
  private previousEnd = 0;
  private depth = 0;

  constructor(private readonly lexer: Lexer) {
    this.current = lexer.next();
  }

  template(): Block {
    const body = this.block([]);
    if (this.current.kind !== 'end') throw this.unexpected();
    return body;
  }

  wholeExpression(): Expression {
    const expression = this.tuple();
    if (this.current.kind !== 'end') throw this.unexpected();
    return expression;
  }

  // blocks

  /** Statements up to `{% end` where end is one of the names; the opening `{%` is consumed, the name is current. */
  private block(ends: readonly string[]): Block {
    return this.nested(() => {
      const body: Statement[] = [];
      for (;;) {
        switch (this.current.kind) {
          case 'data': {
            const { text } = this.advance();
            if (text !== '') body.push({ kind: 'data', text });
            break;
          }
          case 'output_begin':
            body.push(this.output());
            break;
          case 'statement_begin': {
            this.advance();
            if (ends.includes(this.current.text)) return body;
            body.push(this.statement());
            break;
          }
          default:
            if (ends.length > 0) throw this.error(`The block is not closed: {% ${ends.at(-1)} %} is missing.`);
            return body;
        }
      }
    });
  }

  private output(): Statement {
    const { end: start } = this.advance();
    if (this.current.kind === 'output_end') {
      this.advance();
      return { kind: 'data', text: '' };
    }
    const expression = this.tuple();
    const source = this.lexer.text.slice(start, this.previousEnd).trim();
    this.expectKind('output_end');
    return { kind: 'output', expression, source };
  }

  private statement(): Statement {
    const name = this.name('a statement');
    switch (name) {
      case 'if':
        return this.ifStatement();
      case 'for':
        return this.forStatement();
      case 'set':
        return this.setStatement();
      default:
        if (UNSUPPORTED.has(name)) throw this.error(`{% ${name} %} is not part of this language.`);
        throw this.error(`{% ${name} %} is unknown here.`);
    }
  }

  private ifStatement(): Statement {
    const branches: { test: Expression; body: Block }[] = [];
    for (;;) {
      const test = this.tuple();
      this.expectKind('statement_end');
      branches.push({ test, body: this.block(['elif', 'else', 'endif']) });
      const end = this.advance().text;
      if (end !== 'elif') return { kind: 'if', branches, otherwise: this.elseBlock(end, 'endif') };
    }
  }

  private forStatement(): Statement {
    const targets = this.targets();
    this.expectName('in');
    const iterable = this.tuple('for');
    const filter = this.acceptName('if') ? this.expression() : null;
    this.expectKind('statement_end');
    const body = this.block(['else', 'endfor']);
    return { kind: 'for', targets, iterable, filter, body, otherwise: this.elseBlock(this.advance().text, 'endfor') };
  }

  /** After the name that ended the part before it: the else block, if that name was else, and the end of the statement. */
  private elseBlock(found: string, end: string): Block {
    this.expectKind('statement_end');
    if (found !== 'else') return [];
    const body = this.block([end]);
    this.advance();
    this.expectKind('statement_end');
    return body;
  }

  private setStatement(): Statement {
    const targets = this.targets();
    if (targets.length === 1 && this.acceptOperator('.')) {
      const part = this.name('a name after the dot');
      this.expectOperator('=');
      const value = this.tuple();
      this.expectKind('statement_end');
      return { kind: 'set_part', namespace: targets[0]!, part, value };
    }
    if (this.acceptOperator('=')) {
      const value = this.tuple();
      this.expectKind('statement_end');
      return { kind: 'set', targets, value };
    }
    const [target] = targets;
    if (target === undefined || targets.length > 1) throw this.unexpected();
    this.expectKind('statement_end');
    const body = this.block(['endset']);
    this.advance();
    this.expectKind('statement_end');
    return { kind: 'set_block', target, body };
  }

  private targets(): string[] {
    const inBrackets = this.acceptOperator('(');
    const targets = [this.target()];
    while (this.acceptOperator(',')) {
      if (this.current.kind !== 'name' || this.current.text === 'in') break;
      targets.push(this.target());
    }
    if (inBrackets) this.expectOperator(')');
    return targets;
  }

  private target(): string {
    const name = this.name('a name');
    if (RESERVED.has(name) || CONSTANTS.has(name)) throw this.error(`${name} cannot be assigned.`);
    return name;
  }

  // expressions, weakest binding first

  /** `a, b` is a list, as in Jinja; in the head of a for, `if` belongs to the loop and not to a choice. */
  private tuple(place: 'anywhere' | 'for' = 'anywhere'): Expression {
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

  private expression(): Expression {
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
    return this.binary(['*', '/', '//', '%'], () => this.signed());
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

  /** Python's binding: -2 ** 2 is -(2 ** 2). A filter after a signed number sees the sign: -5 | abs is 5. */
  private signed(filtered = true): Expression {
    if (this.isOperator('-') || this.isOperator('+')) {
      const operator = this.advance().text as '-' | '+';
      const operand = this.nested(() => this.signed(false));
      const value: Expression = { kind: 'sign', operator, operand };
      return filtered ? this.filtersAndTests(value) : value;
    }
    const primary = this.postfix(this.primary());
    const base = filtered ? this.filtersAndTests(primary) : primary;
    if (!this.acceptOperator('**')) return base;
    return { kind: 'binary', operator: '**', left: base, right: this.nested(() => this.signed(filtered)) };
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

  /** A call is only ever a call of a function of the language by name: no expression yields something callable. */
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
      else if (this.isOperator('(')) throw this.error('Only functions of the language and methods can be called.');
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
      if (this.acceptOperator('|')) {
        const { offset } = this.current;
        const name = this.name('a filter');
        value = { kind: 'filter', input: value, name, arguments: this.isOperator('(') ? this.arguments() : none(offset) };
      } else if (this.acceptName('is')) value = this.test(value);
      else return value;
    }
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
    while (!this.acceptOperator(')')) {
      if (this.current.kind === 'name' && this.peek().kind === 'operator' && this.peek().text === '=') {
        const name = this.advance().text;
        this.advance();
        if (named.some((argument) => argument.name === name)) throw this.error(`The argument ${name} is given twice.`);
        named.push({ name, value: this.expression() });
      } else if (named.length > 0) throw this.error('Arguments without a name come before those with one.');
      else positional.push(this.expression());
      if (!this.isOperator(')')) this.expectOperator(',');
    }
    return { positional, named, offset };
  }

  // tokens

  private nested<T>(parse: () => T): T {
    if (this.depth >= MAX_DEPTH) throw this.error(`The template is nested deeper than ${MAX_DEPTH} levels.`);
    this.depth += 1;
    const result = parse();
    this.depth -= 1;
    return result;
  }

  private advance(): Token {
    const token = this.current;
    this.previousEnd = token.end;
    this.current = this.ahead ?? this.lexer.next();
    this.ahead = undefined;
    return token;
  }

  private peek(): Token {
    this.ahead ??= this.lexer.next();
    return this.ahead;
  }

  private isOperator(text: string): boolean {
    return this.current.kind === 'operator' && this.current.text === text;
  }

  private isName(text: string): boolean {
    return this.current.kind === 'name' && this.current.text === text;
  }

  private acceptOperator(text: string): boolean {
    if (!this.isOperator(text)) return false;
    this.advance();
    return true;
  }

  private acceptName(text: string): boolean {
    if (!this.isName(text)) return false;
    this.advance();
    return true;
  }

  private expectOperator(text: string): void {
    if (!this.acceptOperator(text)) throw this.unexpected(text);
  }

  private expectName(text: string): void {
    if (!this.acceptName(text)) throw this.unexpected(text);
  }

  private expectKind(kind: 'output_end' | 'statement_end'): void {
    if (this.current.kind !== kind) throw this.unexpected(kind === 'output_end' ? '}}' : '%}');
    this.advance();
  }

  private name(what: string): string {
    if (this.current.kind !== 'name') throw this.unexpected(what);
    return this.advance().text;
  }

  private unexpected(expected?: string): TemplateSyntaxError {
    const found = this.current.kind === 'end' ? 'the end of the text' : JSON.stringify(this.current.text.slice(0, 40));
    return this.error(expected === undefined ? `Unexpected ${found}.` : `Expected ${expected} before ${found}.`);
  }

  private error(message: string): TemplateSyntaxError {
    return TemplateSyntaxError.at(this.lexer.text, this.current.offset, message);
  }
}

function none(offset: number): Arguments {
  return { positional: [], named: [], offset };
}
