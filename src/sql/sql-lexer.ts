import { isBodyStatement, type Place, placeAfter } from './sql-places.js';

export type Dialect = 'postgres' | 'duckdb';

/** Where a character of SQL text stands, as the scanner of PostgreSQL (and DuckDB, which took it over) sees it. */
export type Mode =
  | 'code'
  /** Between the quotes of '…', N'…'. */
  | 'text'
  /** Of E'…': a backslash escapes. */
  | 'escape'
  /** Of U&'…'. */
  | 'unicode'
  /** Of B'…' and X'…'. */
  | 'bits'
  /** Of "…". */
  | 'name'
  /** Of U&"…". */
  | 'unicode_name'
  | 'dollar'
  | 'line_comment'
  | 'block_comment';
type Quoted = 'text' | 'escape' | 'unicode' | 'bits' | 'name' | 'unicode_name';

const WORD_START = /[A-Za-z_\u0080-\uffff]/;
const WORD_PART = /[A-Za-z0-9_$\u0080-\uffff]/;
const DIGIT = /[0-9]/;
/** The scanner's own blanks; other Unicode blanks are parts of words to it. */
const BLANK = /[ \t\n\r\f\v]/;
/** DuckDB makes plain blanks of these, outside of quotes and comments, before its scanner sees them. */
const BLANK_OF_DUCKDB = /[\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]/;

export function isWordPart(character: string | undefined, dialect: Dialect): boolean {
  return character !== undefined && WORD_PART.test(character) && !(dialect === 'duckdb' && BLANK_OF_DUCKDB.test(character));
}

/**
 * Reads SQL text in pieces of any size and knows after each character what the next one would mean to the server. All it
 * knows is in plain fields, so that two states can be compared. It assumes standard_conforming_strings = on.
 */
export class SqlLexer {
  mode: Mode = 'code';
  /** The unquoted word or number that the text so far ends in; empty where it ends in something else. */
  word = '';
  /** The last two whole tokens of the statement: a word in upper case, a punctuation mark, or 'literal', 'name'. */
  last = '';
  before = '';
  /** The first words of the statement, upper case, at most four. */
  first: string[] = [];
  /** For each open bracket, the word before it. */
  brackets: string[] = [];
  /** Nothing but blanks and comments since the statement began. */
  blank = true;
  /** Open BEGIN and CASE of a function body in standard SQL: its semicolons end no statement. */
  private bodies = 0;
  /** A character that may be the first of two: - / of code, * / of block comments, \ of E'…', the quote that may be doubled. */
  private pending = '';
  /** Of a literal that has just been closed: another quote after a line break goes on with it. */
  private closed: Quoted | null = null;
  private closedBreak = false;
  private tag = '';
  private tagMatch = 0;
  private depth = 0;
  /** `$tag` has begun and may yet become a dollar quote. */
  private tagging: string | null = null;
  /** U& has been read. */
  private unicodeMark = false;

  constructor(readonly dialect: Dialect) {}

  copy(): SqlLexer {
    const copy = Object.assign(new SqlLexer(this.dialect), this);
    copy.first = [...this.first];
    copy.brackets = [...this.brackets];
    return copy;
  }

  /** Whatever is read next would mean the same. */
  equals(other: SqlLexer): boolean {
    const mine = Object.entries(this) as [keyof SqlLexer, unknown][];
    return mine.every(([name, value]) => {
      const its: unknown = other[name];
      return Array.isArray(value) && Array.isArray(its) ? isSameList(value, its) : value === its;
    });
  }

  /** Reads a character. True: it is a semicolon that ends a statement; the fields already speak of the next one. */
  read(character: string): boolean {
    switch (this.mode) {
      case 'code':
        return this.readCode(character);
      case 'line_comment':
        if (character === '\n' || character === '\r') {
          this.mode = 'code';
          if (this.closed) this.closedBreak = true;
        }
        return false;
      case 'block_comment':
        this.readComment(character);
        return false;
      case 'dollar':
        this.readDollar(character);
        return false;
      default:
        this.readQuoted(character, this.mode);
        return false;
    }
  }

  readAll(text: string): void {
    for (let at = 0; at < text.length; at += 1) this.read(text[at]!);
  }

  /** A value stands here: as code a token of its own, in quotes and comments some more of their text. */
  readValue(kind: 'literal' | 'name' = 'literal'): void {
    if (this.mode === 'code') {
      this.endToken();
      this.push(kind);
    } else {
      this.pending = '';
      this.tagMatch = 0;
    }
  }

  /** Ends what is pending, as a blank would. Only for code. */
  endToken(): void {
    this.endWord();
    this.pending = '';
    this.closed = null;
    this.tagging = null;
    this.unicodeMark = false;
  }

  /** What a value would be that stood here as code. */
  get place(): Place {
    return placeAfter(this);
  }

  /** The text of the statement's literals is a program to the server, not data. */
  get isInBody(): boolean {
    return isBodyStatement(this.first);
  }

  /** In E'…' right after a backslash. */
  get isAfterBackslash(): boolean {
    return this.mode === 'escape' && this.pending === '\\';
  }

  /** The tag of the dollar quote that is open. */
  get dollarTag(): string {
    return this.tag;
  }

  get commentDepth(): number {
    return this.depth;
  }

  /** Open quotes, tags and comments: two texts may follow each other only if these agree. */
  get shape(): string {
    const quoted = this.mode === 'code' ? '' : this.pending;
    return [this.mode, this.mode === 'dollar' ? this.tag : '', this.depth, quoted, this.bodies].join(' ');
  }

  private readCode(character: string): boolean {
    if (this.tagging !== null && this.readTag(character)) return false;
    if (this.closed && this.readAfterQuote(character)) return false;
    const { pending, unicodeMark } = this;
    this.pending = '';
    this.unicodeMark = false;
    if (this.word !== '' && isWordPart(character, this.dialect)) {
      this.word += character;
      return false;
    }
    if (character === "'" || character === '"') {
      this.openQuote(character, unicodeMark);
      return false;
    }
    const { word } = this;
    this.endWord();
    if (this.isBlank(character)) return false;
    if (character === '-' && pending === '-') return this.openComment('line_comment');
    if (character === '*' && pending === '/') return this.openComment('block_comment');
    if (pending !== '') this.push(pending);
    if (character === ';') return this.readSemicolon();
    this.blank = false;
    if (WORD_START.test(character) || DIGIT.test(character)) this.word = character;
    else if (character === '$') this.tagging = '';
    else if (character === '-' || character === '/') this.pending = character;
    else if (character === '&' && /^u$/i.test(word)) {
      this.unicodeMark = true;
      this.push('&');
    } else this.punctuation(character);
    return false;
  }

  private isBlank(character: string): boolean {
    return BLANK.test(character) || (this.dialect === 'duckdb' && BLANK_OF_DUCKDB.test(character));
  }

  private punctuation(character: string): void {
    if (character === '(' || character === '[') this.brackets.push(this.last);
    else if (character === ')' || character === ']') this.brackets.pop();
    this.push(character);
  }

  /** A pending - or / belongs to what came before: `blank` is set by what follows it, so it is set here too. */
  private openComment(mode: 'line_comment' | 'block_comment'): false {
    this.mode = mode;
    this.depth = mode === 'block_comment' ? 1 : 0;
    // The mark itself made the statement look begun.
    if (this.last === '' && this.before === '' && this.brackets.length === 0) this.blank = true;
    return false;
  }

  private readSemicolon(): boolean {
    if (this.brackets.length > 0 || this.bodies > 0) {
      this.push(';');
      return false;
    }
    this.first = [];
    this.last = this.before = '';
    this.blank = true;
    return true;
  }

  private readTag(character: string): boolean {
    const tag = this.tagging ?? '';
    if (character === '$') {
      this.tagging = null;
      this.mode = 'dollar';
      this.tag = tag;
      this.tagMatch = 0;
      return true;
    }
    if ((tag === '' ? WORD_START : WORD_PART).test(character)) {
      this.tagging = tag + character;
      return true;
    }
    this.tagging = null;
    this.word = `$${tag}`; // $1, $name, or a stray mark
    return false;
  }

  private readDollar(character: string): void {
    const closing = `$${this.tag}$`;
    if (character === closing[this.tagMatch]) this.tagMatch += 1;
    else this.tagMatch = character === '$' ? 1 : 0;
    if (this.tagMatch < closing.length) return;
    this.tagMatch = 0;
    this.mode = 'code';
    this.push('literal');
  }

  private openQuote(character: "'" | '"', unicodeMark: boolean): void {
    const prefix = this.word.toLowerCase();
    this.blank = false;
    if (character === '"') {
      this.endWord();
      this.mode = unicodeMark ? 'unicode_name' : 'name';
      return;
    }
    const kind = unicodeMark ? 'unicode' : ({ e: 'escape', b: 'bits', x: 'bits', n: 'text' } as const)[prefix];
    if (kind === undefined || unicodeMark) this.endWord();
    this.word = '';
    this.mode = kind ?? 'text';
  }

  private readQuoted(character: string, mode: Quoted): void {
    if (this.pending === '\\') {
      this.pending = '';
      return;
    }
    if (mode === 'escape' && character === '\\') {
      this.pending = '\\';
      return;
    }
    const isName = mode === 'name' || mode === 'unicode_name';
    if (character !== (isName ? '"' : "'")) return;
    this.mode = 'code';
    this.closed = mode;
    this.closedBreak = false;
    this.pending = 'quote';
    this.push(isName ? 'name' : 'literal');
  }

  /** After a closing quote: a second one is a quote in the text, and after a line break a literal goes on. */
  private readAfterQuote(character: string): boolean {
    const closed = this.closed!;
    if (this.pending === '-') {
      if (character !== '-') this.closed = null; // an operator, not a comment
      return false;
    }
    const isName = closed === 'name' || closed === 'unicode_name';
    const quote = isName ? '"' : "'";
    const goesOn = character === quote && (this.pending === 'quote' || (this.closedBreak && !isName));
    if (this.pending === 'quote') this.pending = '';
    if (goesOn) {
      this.mode = closed;
      this.last = this.before;
      this.closed = null;
      return true;
    }
    if (this.isBlank(character)) {
      if (character === '\n' || character === '\r') this.closedBreak = true;
      return true;
    }
    if (character === '-') return false; // perhaps a comment, which such a pause may hold
    this.closed = null;
    return false;
  }

  private readComment(character: string): void {
    const pair = this.pending + character;
    this.pending = '';
    if (pair === '*/') {
      this.depth -= 1;
      if (this.depth === 0) {
        this.mode = 'code';
        this.closed = null;
      }
    } else if (pair === '/*') this.depth += 1;
    else if (character === '*' || character === '/') this.pending = character;
  }

  private endWord(): void {
    if (this.word === '') return;
    const word = this.word.toUpperCase();
    this.word = '';
    if (this.first.length < 4) this.first.push(word);
    if (this.first[0] === 'CREATE' && this.isInBody) {
      if (word === 'ATOMIC' && this.last === 'BEGIN') this.bodies += 1;
      else if (this.bodies > 0 && word === 'CASE') this.bodies += 1;
      else if (this.bodies > 0 && word === 'END') this.bodies -= 1;
    }
    this.push(word);
  }

  private push(token: string): void {
    this.blank = false;
    this.before = this.last;
    this.last = token;
  }
}

function isSameList(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}
