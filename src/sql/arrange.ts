import { type SqlPolicy } from '../engine/database-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { type Part } from '../engine/template/template.js';
import { type Json } from '../engine/values.js';
import { bindAt, type Binds } from './binds.js';
import { contextFailure } from './sql-failure.js';
import { type Dialect, isWordPart, SqlLexer } from './sql-lexer.js';
import { type SqlStatement, type WrittenAs } from './sql-statement.js';

export interface ArrangeOptions {
  readonly dialect: Dialect;
  readonly unsafe: SqlPolicy['unsafe'];
  readonly binds: Binds | null;
}

/**
 * Turns rendered parts into statements, each with its values in the form of the place where they stand. Whatever a value
 * holds, it stays one token (or part of one) and ends no statement. Throws StepFailure where it has no place.
 */
export function arrangeStatements(parts: readonly Part[], options: ArrangeOptions): SqlStatement[] {
  const arranger = new Arranger(options);
  parts.forEach((part, index) => arranger.add(part, { parts, from: index + 1 }));
  return arranger.end();
}

/** What stands after a part. */
interface Following {
  readonly parts: readonly Part[];
  readonly from: number;
}

class Arranger {
  private readonly statements: SqlStatement[] = [];
  private readonly lexer: SqlLexer;
  private parts: SqlStatement['parts'] = [];
  private text = '';
  /** A name that is being put together of text and values. */
  private name: Json[] | null = null;
  /** Where in `text` the dollar quote that is open begins; null once it has been given ordinary quotes. */
  private dollarAt: number | null = null;

  constructor(private readonly options: ArrangeOptions) {
    this.lexer = new SqlLexer(options.dialect);
  }

  add(part: Part, following: Following): void {
    if (typeof part === 'string') this.addText(part, true);
    else if (part.slot === 'raw') this.addRaw(part.value, this.options.unsafe !== 'refuse');
    else this.addValue(part.value, part.slot, following);
  }

  end(): SqlStatement[] {
    this.endName();
    if (this.lexer.mode !== 'code' && this.lexer.mode !== 'line_comment')
      throw contextFailure(`The SQL ends inside ${describe(this.lexer.mode)}.`);
    const isBlank = this.lexer.blank;
    this.lexer.endToken();
    this.endStatement(isBlank, this.lexer.first);
    return this.statements;
  }

  private addText(text: string, withBinds: boolean): void {
    for (let at = 0; at < text.length;) {
      if (this.name !== null) {
        if (isWordPart(text[at], this.options.dialect)) {
          this.name.push(text[at]!);
          at += 1;
          continue;
        }
        this.endName();
      }
      const bind = withBinds && this.options.binds !== null ? bindAt(this.options.binds, text, at, this.lexer) : null;
      if (bind === null) {
        this.addCharacter(text[at]!);
        at += 1;
      } else if (bind.kind === 'text') {
        for (const character of bind.text) this.addCharacter(character);
        at += bind.length;
      } else {
        at += bind.length;
        const isArray = this.isArray(bind.value, text.slice(at, at + 80));
        this.write(isArray ? 'bind_array' : 'bind', bind.value);
      }
    }
  }

  private addCharacter(character: string): void {
    const { lexer } = this;
    const { mode, blank } = lexer;
    const first = lexer.first;
    if (lexer.read(character)) return this.endStatement(blank, first);
    this.text += character;
    if (mode !== 'dollar' && lexer.mode === 'dollar') this.dollarAt = this.text.length - lexer.dollarTag.length - 2;
    if (mode === 'dollar' && lexer.mode !== 'dollar') this.endDollar();
  }

  /** Text that a template made and that is taken as it stands: it must leave the quotes around it as they were. */
  private addRaw(value: Json, isAllowed: boolean): void {
    if (!isAllowed) {
      throw new StepFailure('unsafe_sql', 'The SQL has text that is taken as it stands, which UNSAFE_SQL does not allow here', {
        retryable: false,
      });
    }
    this.endName();
    const { shape } = this.lexer;
    this.addText(rawText(value), false);
    if (this.lexer.shape !== shape)
      throw contextFailure(`The text of a raw value ends inside ${describe(this.lexer.mode)}, or outside of what it began in.`);
  }

  private addValue(value: Json, slot: string, following: Following): void {
    const { lexer } = this;
    if (this.name !== null) {
      this.name.push(value);
      return;
    }
    switch (lexer.mode) {
      case 'code':
        return this.addToCode(value, slot, following);
      case 'line_comment':
      case 'block_comment':
        return; // nobody reads it
      case 'text':
      case 'escape':
      case 'dollar':
        if (lexer.isInBody) throw contextFailure('A value inside the body of a function would be run as its code.');
        if (lexer.isAfterBackslash) throw contextFailure('A value comes right after a backslash.');
        if (lexer.mode === 'dollar') return this.addToDollar(value);
        return this.write(lexer.mode, value);
      case 'name':
        return this.write('quoted', value);
      default:
        throw contextFailure(`A value cannot be written inside ${describe(lexer.mode)}.`);
    }
  }

  private addToCode(value: Json, slot: string, following: Following): void {
    const { lexer } = this;
    const next = following.parts[following.from];
    const nextText = typeof next === 'string' ? next : '';
    const word = lexer.word;
    if (Array.isArray(value) && this.isAfterArray()) return this.write('elements', value);
    if (word !== '') {
      if (/^[0-9$]/.test(word)) throw contextFailure('A value follows a number or a parameter without a blank.');
      this.text = this.text.slice(0, -word.length);
      lexer.word = '';
      this.beginName([word, value]);
      return;
    }
    const { place } = lexer;
    const joins = typeof next === 'object' && next.slot !== 'raw' && place === 'name';
    if (isWordPart(nextText[0], this.options.dialect) || joins) return this.beginName([value]);
    if (place === 'start') {
      if (slot === 'identifier' || !endsStatement(following))
        throw contextFailure('A statement cannot begin with a value; if it is SQL, say so with | sql_raw.');
      return this.addRaw(value, this.options.unsafe === 'allow');
    }
    const isPart = lexer.last === '.' || nextText.startsWith('.');
    if (isPart) return this.write('identifier', [value]);
    if (slot === 'identifier' || place === 'name' || (place === 'name_or_number' && typeof value !== 'number'))
      return this.write('object', value);
    this.write(this.isArray(value, nextText) ? 'array' : 'value', value);
  }

  /** Behind the keyword of an array its elements follow in brackets. */
  private isAfterArray(): boolean {
    const { word, last } = this.lexer;
    return word === '' ? last === 'ARRAY' : word.toUpperCase() === 'ARRAY' && last !== '.';
  }

  /** Arrays of PostgreSQL are written otherwise than JSON: after ANY and ALL, and before a cast to one. */
  private isArray(value: Json, nextText: string): boolean {
    if (!Array.isArray(value) || this.options.dialect !== 'postgres') return false;
    const inAny = this.lexer.last === '(' && /^(?:ANY|ALL|SOME)$/.test(this.lexer.brackets.at(-1) ?? '');
    return inAny || /^\s*::\s*[\w". ]+\[/.test(nextText);
  }

  /** A dollar quote with a value in it gets ordinary quotes: there is nothing then that a value could close. */
  private addToDollar(value: Json): void {
    if (this.dollarAt !== null) {
      const content = this.text.slice(this.dollarAt + this.lexer.dollarTag.length + 2);
      this.text = `${this.text.slice(0, this.dollarAt)} '`;
      this.dollarAt = null;
      this.flush();
      this.text = content;
    }
    this.flushDollar();
    this.parts.push({ as: 'text', value });
    this.lexer.readValue();
  }

  private endDollar(): void {
    if (this.dollarAt === null) {
      this.text = this.text.slice(0, -this.lexer.dollarTag.length - 2);
      this.flushDollar();
      this.text = "' ";
    }
    this.dollarAt = null;
  }

  private flushDollar(): void {
    if (this.text !== '') this.parts.push({ as: 'text', value: this.text });
    this.text = '';
  }

  private beginName(pieces: Json[]): void {
    this.name = pieces;
    this.lexer.readValue('name');
  }

  private endName(): void {
    if (this.name === null) return;
    const pieces = this.name;
    this.name = null;
    this.flush();
    this.parts.push({ as: 'identifier', value: pieces });
  }

  private write(as: WrittenAs, value: Json): void {
    this.flush();
    this.parts.push({ as, value });
    this.lexer.readValue(as === 'identifier' || as === 'object' ? 'name' : 'literal');
  }

  private flush(): void {
    if (this.text !== '') this.parts.push(this.text);
    this.text = '';
  }

  private endStatement(isBlank: boolean, words: readonly string[]): void {
    this.flush();
    if (!isBlank) this.statements.push({ parts: this.parts, words: [...words] });
    this.parts = [];
  }
}

function rawText(value: Json): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(';\n');
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw contextFailure('What is taken as SQL is a mapping, not a text.');
}

/** Nothing but a semicolon, or the end, follows. */
function endsStatement({ parts, from }: Following): boolean {
  let at = from;
  for (let part = parts[at]; typeof part === 'string' && part.trim() === ''; part = parts[at]) at += 1;
  const rest = parts[at];
  return rest === undefined || (typeof rest === 'string' && rest.trimStart().startsWith(';'));
}

const MODES: Readonly<Record<SqlLexer['mode'], string>> = {
  code: 'a statement',
  text: "a text '…'",
  escape: "a text E'…'",
  unicode: "a text U&'…'",
  bits: "a bit string B'…' or X'…'",
  name: 'a name "…"',
  unicode_name: 'a name U&"…"',
  dollar: 'a dollar quote',
  line_comment: 'a comment',
  block_comment: 'a comment',
};

export function describe(mode: SqlLexer['mode']): string {
  return MODES[mode];
}
