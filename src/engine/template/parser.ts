import { type Block, type Expression, type Statement } from './ast.js';
import { CONSTANTS, ExpressionParser, RESERVED } from './expression-parser.js';
import { Lexer } from './lexer.js';

/** Parts of Jinja that reach outside the one text: refused, so that a definition always stands alone. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['include', 'import', 'from', 'extends', 'block', 'macro', 'call']);

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
}
