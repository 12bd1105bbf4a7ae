import { type Block, type Expression, type Parameter, type Statement } from './ast.js';
import { CONSTANTS, ExpressionParser, type FilterCall, RESERVED } from './expression-parser.js';
import { Lexer } from './lexer.js';

/** Parts of Jinja that reach outside the one text, or are of no use in one: refused, so that a definition always stands alone. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['include', 'import', 'from', 'extends', 'block', 'autoescape']);
/** What Jinja has only as extensions, and what to write instead. */
const EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['do', 'for what an expression changes write {% set _ = … %}'],
  ['break', 'a loop takes the items it is about with {% for … if … %}'],
  ['continue', 'a loop takes the items it is about with {% for … if … %}'],
  ['trans', 'texts are written as they are'],
  ['debug', 'values are written with {{ … }}'],
]);

/** Text with {{ }}, {% %} and {# #}. Throws TemplateSyntaxError. */
export function parseTemplate(text: string): Block {
  return new TemplateParser(new Lexer(text)).template();
}

/** One expression without braces. Throws TemplateSyntaxError. */
export function parseExpression(text: string): Expression {
  return new ExpressionParser(new Lexer(text, 'expression')).wholeExpression();
}

/** The statements of Jinja, and the text between them. */
class TemplateParser extends ExpressionParser {
  template(): Block {
    const body = this.block([]);
    if (this.current.kind !== 'end') throw this.unexpected();
    return body;
  }

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
      case 'with':
        return this.withStatement();
      case 'filter':
        return this.filterStatement();
      case 'macro':
        return this.macroStatement();
      case 'call':
        return this.callStatement();
      default:
        if (EXTENSIONS.has(name))
          throw this.error(`{% ${name} %} is an extension of Jinja that this language does not have: ${EXTENSIONS.get(name)}.`);
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
      if (!this.acceptOperator('=')) return this.setBlock(targets[0]!, part);
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
    return this.setBlock(target, null);
  }

  /** `{% set x | upper %}…{% endset %}`, after the target. */
  private setBlock(target: string, part: string | null): Statement {
    const filters = this.acceptOperator('|') ? this.filters() : [];
    return { kind: 'set_block', target, part, value: applied(filters, { kind: 'capture', body: this.body('endset') }) };
  }

  private withStatement(): Statement {
    const bindings: { targets: readonly string[]; value: Expression }[] = [];
    while (this.current.kind !== 'statement_end') {
      if (bindings.length > 0) this.expectOperator(',');
      const targets = this.targets();
      this.expectOperator('=');
      bindings.push({ targets, value: this.expression() });
    }
    return { kind: 'with', bindings, body: this.body('endwith') };
  }

  private filterStatement(): Statement {
    const start = this.current.offset;
    const filters = this.filters();
    const source = `filter ${this.lexer.text.slice(start, this.previousEnd)}`;
    return { kind: 'output', expression: applied(filters, { kind: 'capture', body: this.body('endfilter') }), source, isBlock: true };
  }

  private macroStatement(): Statement {
    const name = this.target();
    return { kind: 'macro', name, parameters: this.parameters(), body: this.body('endmacro') };
  }

  private callStatement(): Statement {
    const parameters = this.isOperator('(') ? this.parameters() : [];
    const start = this.current.offset;
    const called = this.expression();
    if (called.kind !== 'call') throw this.error('{% call %} needs the call of a macro by its name.');
    const source = `call ${this.lexer.text.slice(start, this.previousEnd)}`;
    return { kind: 'output', expression: { ...called, caller: { parameters, body: this.body('endcall') } }, source, isBlock: true };
  }

  /** The rest of the head of a statement, its block, and its end. */
  private body(end: string): Block {
    this.expectKind('statement_end');
    const body = this.block([end]);
    this.advance();
    this.expectKind('statement_end');
    return body;
  }

  private parameters(): Parameter[] {
    const parameters: Parameter[] = [];
    const names = new Set<string>();
    this.expectOperator('(');
    while (!this.acceptOperator(')')) {
      if (parameters.length > 0) this.expectOperator(',');
      const { offset } = this.current;
      const name = this.target();
      if (names.size === names.add(name).size) throw this.error(`The parameter ${name} is there twice.`);
      const fallback = this.acceptOperator('=') ? this.expression() : null;
      if (fallback === null && parameters.at(-1)?.fallback)
        throw this.error(`The parameter ${name} comes after one with a default and has none.`);
      parameters.push({ name, fallback, offset });
    }
    return parameters;
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
}

/** What `| a | b` makes of a value. */
function applied(filters: readonly FilterCall[], input: Expression): Expression {
  return filters.reduce<Expression>((value, filter) => ({ kind: 'filter', input: value, ...filter }), input);
}
