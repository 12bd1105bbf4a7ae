import { TemplateSyntaxError } from './template-error.js';

export type TokenKind =
  'data' | 'output_begin' | 'output_end' | 'statement_begin' | 'statement_end' | 'name' | 'number' | 'string' | 'operator' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As meant: the text of a string literal without quotes and escapes, of everything else as written. */
  readonly text: string;
  /** Where it starts, in UTF-16 units. */
  readonly offset: number;
  /** Where it ends. */
  readonly end: number;
}

const OPENING = /\{[{%#]/g;
const RAW_BEGIN = /\{%[-+]?\s*raw\s*[-+]?%\}/y;
const RAW_END = /\{%[-+]?\s*endraw\s*[-+]?%\}/g;
const BLANKS = /\s+/y;
const NAME = /[\p{ID_Start}_]\p{ID_Continue}*/uy;
const NUMBER = /0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const INDEX = /\d+/y;
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))/g;
const SIMPLE_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'], ['t', '\t'], ['r', '\r'], ['b', '\b'], ['f', '\f'], ['v', '\v'], ['0', '\0'], ['a', '\x07'],
  ['\\', '\\'], ["'", "'"], ['"', '"'], ['\n', ''],
]); // prettier-ignore
const LONG_OPERATORS: ReadonlySet<string> = new Set(['//', '**', '==', '!=', '<=', '>=']);
const OPERATORS = '+-*/%~<>=()[]{},:.|';

/** Cuts template text into tokens, one at a time and in linear time however hostile the text. */
export class Lexer {
  private position = 0;
  private mode: 'data' | 'output' | 'statement' | 'expression' = 'data';
  /** Open brackets of the current expression: inside them `}}` are two closing braces. */
  private open = 0;
  private afterDot = false;
  private trimNext = false;

  /** `mode` expression: the text is one expression without braces around it. */
  constructor(
    readonly text: string,
    mode: 'data' | 'expression' = 'data',
  ) {
    this.mode = mode;
  }

  next(): Token {
    return this.mode === 'data' ? this.nextData() : this.nextInExpression();
  }

  private nextData(): Token {
    const start = this.position;
    if (start >= this.text.length) return this.token('end', '', start);
    OPENING.lastIndex = start;
    const opening = OPENING.exec(this.text);
    if (opening === null) {
      this.position = this.text.length;
      return this.token('data', this.trimmed(this.text.slice(start), false), start);
    }
    if (opening.index > start) {
      this.position = opening.index;
      return this.token('data', this.trimmed(this.text.slice(start, opening.index), this.text[opening.index + 2] === '-'), start);
    }
    this.trimNext = false;
    if (opening[0] === '{#') return this.comment();
    if (opening[0] === '{%' && match(RAW_BEGIN, this.text, start)) return this.raw();
    this.position += /[-+]/.test(this.text[start + 2] ?? '') ? 3 : 2;
    this.mode = opening[0] === '{{' ? 'output' : 'statement';
    this.open = 0;
    return this.token(opening[0] === '{{' ? 'output_begin' : 'statement_begin', opening[0], start);
  }

  private trimmed(text: string, trimEnd: boolean): string {
    const started = this.trimNext ? text.trimStart() : text;
    this.trimNext = false;
    return trimEnd ? started.trimEnd() : started;
  }

  private comment(): Token {
    const start = this.position;
    const close = this.text.indexOf('#}', start + 2);
    if (close < 0) throw this.error(start, 'The comment {# is not closed.');
    this.position = close + 2;
    this.trimNext = this.text[close - 1] === '-';
    return this.token('data', '', start);
  }

  private raw(): Token {
    const start = this.position;
    const bodyStart = RAW_BEGIN.lastIndex;
    RAW_END.lastIndex = bodyStart;
    const close = RAW_END.exec(this.text);
    if (close === null) throw this.error(start, 'The block {% raw %} is not closed.');
    let body = this.text.slice(bodyStart, close.index);
    if (this.text[bodyStart - 3] === '-') body = body.trimStart();
    if (close[0][2] === '-') body = body.trimEnd();
    this.position = RAW_END.lastIndex;
    this.trimNext = close[0].at(-3) === '-';
    return this.token('data', body, start);
  }

  private nextInExpression(): Token {
    if (match(BLANKS, this.text, this.position)) this.position = BLANKS.lastIndex;
    const start = this.position;
    const character = this.text[start];
    if (character === undefined) {
      if (this.mode !== 'expression')
        throw this.error(start, `The ${this.mode === 'output' ? 'expression {{' : 'block {%'} is not closed.`);
      return this.token('end', '', start);
    }
    const closing = this.closing(start);
    if (closing !== undefined) return closing;
    if (character === "'" || character === '"') return this.string(character);
    const number = this.afterDot ? INDEX : NUMBER;
    this.afterDot = false;
    if (match(number, this.text, start)) return this.word('number', number.lastIndex);
    if (match(NAME, this.text, start)) return this.word('name', NAME.lastIndex);
    return this.operator(start, character);
  }

  private closing(start: number): Token | undefined {
    if (this.open > 0 || this.mode === 'expression') return undefined;
    const mark = this.mode === 'output' ? '}}' : '%}';
    const sign = this.text[start] === '-' || (this.text[start] === '+' && this.mode === 'statement') ? 1 : 0;
    if (!this.text.startsWith(mark, start + sign)) return undefined;
    const kind = this.mode === 'output' ? 'output_end' : 'statement_end';
    this.position = start + sign + 2;
    this.trimNext = this.text[start] === '-';
    this.mode = 'data';
    return this.token(kind, mark, start);
  }

  private word(kind: 'number' | 'name', end: number): Token {
    const start = this.position;
    this.position = end;
    return this.token(kind, this.text.slice(start, end), start);
  }

  private string(quote: string): Token {
    const start = this.position;
    let at = start + 1;
    let escaped = false;
    for (; this.text[at] !== quote; at += 1) {
      if (this.text[at] === '\\') {
        escaped = true;
        at += 1;
      }
      if (at >= this.text.length) throw this.error(start, 'The text literal is not closed.');
    }
    this.position = at + 1;
    const body = this.text.slice(start + 1, at);
    return this.token('string', escaped ? this.unescaped(body, start) : body, start);
  }

  /** Unknown escapes keep their backslash, as in Python: patterns for regex_replace stay readable. */
  private unescaped(body: string, offset: number): string {
    return body.replace(ESCAPE, (whole: string, x?: string, u?: string, long?: string, other?: string) => {
      const code = x ?? u ?? long;
      if (code === undefined) return SIMPLE_ESCAPES.get(other ?? '') ?? whole;
      const point = Number.parseInt(code, 16);
      if (point > 0x10ffff) throw this.error(offset, 'The text literal names a character that does not exist.');
      return String.fromCodePoint(point);
    });
  }

  private operator(start: number, character: string): Token {
    const two = this.text.slice(start, start + 2);
    const text = LONG_OPERATORS.has(two) ? two : character;
    if (text.length === 1 && !OPERATORS.includes(text)) throw this.error(start, `Unexpected character ${JSON.stringify(character)}.`);
    if (text === '(' || text === '[' || text === '{') this.open += 1;
    if (text === ')' || text === ']' || text === '}') this.open = Math.max(0, this.open - 1);
    this.afterDot = text === '.';
    this.position = start + text.length;
    return this.token('operator', text, start);
  }

  private token(kind: TokenKind, text: string, offset: number): Token {
    return { kind, text, offset, end: this.position };
  }

  private error(offset: number, message: string): TemplateSyntaxError {
    return TemplateSyntaxError.at(this.text, offset, message);
  }
}

function match(pattern: RegExp, text: string, position: number): boolean {
  pattern.lastIndex = position;
  return pattern.test(text);
}
