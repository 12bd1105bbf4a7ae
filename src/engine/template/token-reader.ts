import { type Lexer, type Token } from './lexer.js';
import { TemplateSyntaxError } from './template-error.js';

/** Nesting of expressions and blocks; far above what people write, far below what the stack carries. */
const MAX_DEPTH = 100;

/** The tokens of one text, read in order with one to look ahead, and how deep what is being read is nested. */
export class TokenReader {
  protected current: Token;
  /** Where the token before the current one ends. */
  protected previousEnd = 0;
  private ahead: Token | undefined;
  private depth = 0;

  constructor(protected readonly lexer: Lexer) {
    this.current = lexer.next();
  }

  protected nested<T>(parse: () => T): T {
    if (this.depth >= MAX_DEPTH) throw this.error(`The template is nested deeper than ${MAX_DEPTH} levels.`);
    this.depth += 1;
    const result = parse();
    this.depth -= 1;
    return result;
  }

  protected advance(): Token {
    const token = this.current;
    this.previousEnd = token.end;
    this.current = this.ahead ?? this.lexer.next();
    this.ahead = undefined;
    return token;
  }

  protected peek(): Token {
    this.ahead ??= this.lexer.next();
    return this.ahead;
  }

  protected isOperator(text: string): boolean {
    return this.current.kind === 'operator' && this.current.text === text;
  }

  protected isName(text: string): boolean {
    return this.current.kind === 'name' && this.current.text === text;
  }

  protected acceptOperator(text: string): boolean {
    if (!this.isOperator(text)) return false;
    this.advance();
    return true;
  }

  protected acceptName(text: string): boolean {
    if (!this.isName(text)) return false;
    this.advance();
    return true;
  }

  protected expectOperator(text: string): void {
    if (!this.acceptOperator(text)) throw this.unexpected(text);
  }

  protected expectName(text: string): void {
    if (!this.acceptName(text)) throw this.unexpected(text);
  }

  protected expectKind(kind: 'output_end' | 'statement_end'): void {
    if (this.current.kind !== kind) throw this.unexpected(kind === 'output_end' ? '}}' : '%}');
    this.advance();
  }

  protected name(what: string): string {
    if (this.current.kind !== 'name') throw this.unexpected(what);
    return this.advance().text;
  }

  protected unexpected(expected?: string): TemplateSyntaxError {
    const found = this.current.kind === 'end' ? 'the end of the text' : JSON.stringify(this.current.text.slice(0, 40));
    return this.error(expected === undefined ? `Unexpected ${found}.` : `Expected ${expected} before ${found}.`);
  }

  protected error(message: string): TemplateSyntaxError {
    return TemplateSyntaxError.at(this.lexer.text, this.current.offset, message);
  }
}
