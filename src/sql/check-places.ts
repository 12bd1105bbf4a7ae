import { type Block, type Expression, type Statement } from '../engine/template/template.js';
import { describe } from './arrange.js';
import { withAuthorText } from './author-text.js';
import { type Dialect, isWordPart, SqlLexer } from './sql-lexer.js';
import { SqlPlaceError } from './sql-place-error.js';

/**
 * Walks SQL with templates as all its renders could go, and gives every output its slot: `raw` for text that is SQL
 * itself, `identifier` for names, `value` for anything else. What a value becomes is decided when it is rendered, from
 * the text that is really there; here is found, before anything runs, where no value could ever stand.
 * Throws SqlPlaceError.
 */
export function checkPlaces(block: Block, dialect: Dialect): Block {
  const walk = new Walk();
  const lexer = new SqlLexer(dialect);
  const arranged = walk.block(block, lexer);
  if (lexer.mode !== 'code' && lexer.mode !== 'line_comment')
    throw new SqlPlaceError(`The SQL ends inside ${describe(lexer.mode)}: it is not closed.`);
  return arranged;
}

/** Loops inside of loops: each is walked from as many states as those around it may leave. */
const MAX_LOOPS = 20;

/** What stands after a statement. */
interface Following {
  readonly block: Block;
  readonly from: number;
}

/** A block that was walked from one state of the lexer. */
interface Walked {
  readonly start: SqlLexer;
  readonly end: SqlLexer;
  readonly arranged: Block;
}

class Walk {
  /** Of the bodies of loops, which are walked as the first iteration begins and as the others do: in loops inside of loops that would double with each. */
  private readonly walks = new Map<Block, Walked[]>();
  private loops = 0;

  block(block: Block, lexer: SqlLexer): Block {
    return block.map((statement, index) => this.statement(statement, lexer, { block, from: index + 1 }));
  }

  private statement(statement: Statement, lexer: SqlLexer, following: Following): Statement {
    switch (statement.kind) {
      case 'data':
        lexer.readAll(statement.text);
        return statement;
      case 'output': {
        const written = withAuthorText(statement, lexer);
        return written === null ? this.output(statement, lexer, following) : this.statement(written, lexer, following);
      }
      case 'if':
        return this.ifStatement(statement, lexer);
      case 'for':
        return this.forStatement(statement, lexer);
      case 'with':
        return { ...statement, body: this.block(statement.body, lexer) };
      // What these make is text, which is a value like any where it is used.
      case 'set':
      case 'set_part':
      case 'set_block':
      case 'macro':
        return statement;
    }
  }

  private output(output: Statement & { kind: 'output' }, lexer: SqlLexer, following: Following): Statement {
    const slot = slotOf(output.expression);
    const where = `{{ ${output.source.slice(0, 80)} }}`;
    if (slot === 'raw') {
      if (lexer.mode === 'code') lexer.readValue();
      return { ...output, slot };
    }
    const { mode } = lexer;
    if (mode === 'code') this.checkCode(where, slot, lexer, following);
    else if (mode === 'unicode' || mode === 'bits' || mode === 'unicode_name')
      throw new SqlPlaceError(`${where} stands inside ${describe(mode)}, where no value can be written.`);
    else if (lexer.isAfterBackslash) throw new SqlPlaceError(`${where} comes right after a backslash.`);
    else if (lexer.isInBody && (mode === 'text' || mode === 'escape' || mode === 'dollar'))
      throw new SqlPlaceError(
        `${where} stands in the body of a function, which the database runs: pass it as an argument, or say | sql_raw if it is SQL.`,
      );
    else if (mode === 'block_comment' && lexer.dialect === 'duckdb' && lexer.commentDepth > 1)
      throw new SqlPlaceError(`${where} stands in a comment inside a comment.`);
    lexer.readValue();
    const inText = mode === 'text' || mode === 'dollar';
    return { ...output, expression: inText ? withoutQuoting(output.expression) : output.expression, slot };
  }

  private checkCode(where: string, slot: string, lexer: SqlLexer, following: Following): void {
    const next = following.block[following.from];
    const isPart = lexer.word !== '' || (next?.kind === 'data' && isWordPart(next.text[0], lexer.dialect));
    if (/^[0-9$]/.test(lexer.word)) throw new SqlPlaceError(`${where} follows a number or a parameter without a blank.`);
    if (isPart || slot === 'identifier') return;
    const { place } = lexer;
    if (place === 'unclear')
      throw new SqlPlaceError(`${where} is a name or a value, depending on the {% if %} before it: write it into both of its branches.`);
    if (place === 'start' && !endsStatement(following))
      throw new SqlPlaceError(`${where} stands where a statement begins: a value cannot, and if it is SQL, say so with | sql_raw.`);
  }

  private ifStatement(statement: Statement & { kind: 'if' }, lexer: SqlLexer): Statement {
    const ends: SqlLexer[] = [];
    const walked = (body: Block): Block => {
      const branch = lexer.copy();
      ends.push(branch);
      return this.block(body, branch);
    };
    const branches = statement.branches.map(({ test, body }) => ({ test, body: walked(body) }));
    const otherwise = walked(statement.otherwise);
    continueFrom(lexer, ends, 'the parts of an {% if %}');
    return { ...statement, branches, otherwise };
  }

  private forStatement(statement: Statement & { kind: 'for' }, lexer: SqlLexer): Statement {
    // Once to see how an iteration ends, then as each iteration but the first begins.
    if (this.loops >= MAX_LOOPS) throw new SqlPlaceError(`More than ${MAX_LOOPS} {% for %} stand inside of each other.`);
    this.loops += 1;
    const once = this.walked(statement.body, lexer.copy());
    const again = lexer.copy();
    continueFrom(again, [lexer, once.end], 'the iterations of a {% for %}');
    const { end, arranged: body } = this.walked(statement.body, again);
    this.loops -= 1;
    const other = lexer.copy();
    const otherwise = this.block(statement.otherwise, other);
    continueFrom(lexer, [end, other], 'a {% for %} and its {% else %}');
    return { ...statement, body, otherwise };
  }

  private walked(block: Block, start: SqlLexer): Walked {
    const known = this.walks.get(block) ?? [];
    let walked = known.find((one) => one.start.equals(start));
    if (walked === undefined) {
      const end = start.copy();
      walked = { start, end, arranged: this.block(block, end) };
      this.walks.set(block, [...known, walked]);
    }
    return walked;
  }
}

/** Goes on from where several ways meet: all must have the same quotes open. */
function continueFrom(lexer: SqlLexer, ends: readonly SqlLexer[], what: string): void {
  const [first, ...others] = ends;
  if (first === undefined) return;
  const other = others.find((end) => end.shape !== first.shape);
  if (other !== undefined)
    throw new SqlPlaceError(
      `Of ${what}, one ends inside ${describe(first.mode)} and another inside ${describe(other.mode)}: open and close quotes in the same part.`,
    );
  const places = new Set(ends.map((end) => end.place));
  const words = new Set(ends.map((end) => end.word));
  Object.assign(lexer, first.copy());
  if (words.size > 1) lexer.word = '?';
  if (places.size > 1) {
    lexer.last = '?';
    lexer.blank = false;
  }
  if (ends.some((end) => end.first[0] !== first.first[0])) lexer.first = ['?'];
}

/** What an output says about itself, by its last filter. */
function slotOf(expression: Expression): 'raw' | 'identifier' | 'value' {
  if (expression.kind !== 'filter') return 'value';
  if (expression.name === 'sql_raw') return 'raw';
  return expression.name === 'sql_identifier' ? 'identifier' : 'value';
}

/** Authors who double quotes themselves (`| replace("'", "''")`) would have them doubled twice. */
function withoutQuoting(expression: Expression): Expression {
  if (expression.kind !== 'filter' || expression.name !== 'replace') return expression;
  const [from, to, ...more] = expression.arguments.positional;
  const isQuoting = from?.kind === 'constant' && from.value === "'" && to?.kind === 'constant' && to.value === "''" && more.length === 0;
  return isQuoting && expression.arguments.named.length === 0 ? expression.input : expression;
}

function endsStatement({ block, from }: Following): boolean {
  let at = from;
  for (let part = block[at]; part?.kind === 'data' && part.text.trim() === ''; part = block[at]) at += 1;
  const rest = block[at];
  return rest === undefined || (rest.kind === 'data' && rest.text.trimStart().startsWith(';'));
}
