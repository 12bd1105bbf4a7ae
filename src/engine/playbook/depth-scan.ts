import { Lexer, Parser, type CST } from 'yaml';
import { EngineError } from '../engine-error.js';
import { type ErrorCode } from '../error-codes.js';
import { type DocumentLimits } from './document-limits.js';

/**
 * Cuts a document into syntax tokens, one pass, and stops at the first sign of a bomb.
 *
 * The parser behind `yaml` recurses once per level and brings the whole process down on deep nesting, which nobody
 * can catch. Its tokenizer does not recurse, and the stack of open collections it keeps is the depth of the document
 * as the parser will see it: looking at that stack after every token can not be fooled by quotes, comments or block texts.
 *
 * @param newLines receives the offset of each line start.
 * @throws EngineError `unreadable`: `depth_exceeded`, `too_many_nodes`.
 */
export function scanTokens(text: string, limits: DocumentLimits, newLines: (offset: number) => void): CST.Token[] {
  const tokens: CST.Token[] = [];
  const parser = new Parser(newLines);
  newLines(0);
  const census = new Census(limits.nodes);
  let errors = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const excess = census.add(lexeme);
    if (excess) throw bomb('too_many_nodes', excess, text, parser.offset);
    for (const token of parser.next(lexeme)) {
      tokens.push(token);
      if (token.type === 'error' && ++errors > MOST_ERRORS) return tokens;
    }
    if (parser.stack.length > limits.depth && collectionsOf(parser.stack) > limits.depth)
      throw bomb('depth_exceeded', `The document is nested deeper than ${limits.depth} levels.`, text, parser.offset);
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

/** Enough to show an author; a hostile text can make one per character, and each costs a stack trace. */
const MOST_ERRORS = 20;

/** The lexer puts this before each plain text, and a start-of-text before each document. */
const ANNOUNCES_TEXT = '\u001f';
const ANNOUNCES_DOCUMENT = '\u0002';

/** Lexemes that begin a value or an entry, by their first character: each makes at least one node. */
const NODE_STARTS = new Set([ANNOUNCES_TEXT, '"', "'", '*', '[', '{', '-', ':', '?', ',']);
/** Marks that honest documents use a few times, while every one of them costs much to compose. */
const RARE = new Set([ANNOUNCES_DOCUMENT, '---', ',,', '%', '&', '!']);
const MOST_RARE = 1_000;

/** Counts lexemes by kind: a lower bound of the nodes to come, known before they are built. The exact count follows later. */
class Census {
  private readonly counts = new Map<string, number>();
  private before = '';
  private significant = '';

  constructor(private readonly mostNodes: number) {}

  /** What there is too much of; null while all is well. */
  add(lexeme: string): string | null {
    const kind = this.before === ANNOUNCES_TEXT ? 'text' : this.kindOf(lexeme);
    this.before = lexeme;
    if (!/^[ \t\r\n#]/.test(lexeme)) this.significant = lexeme;
    const most = RARE.has(kind) ? MOST_RARE : NODE_STARTS.has(kind) ? this.mostNodes : Number.POSITIVE_INFINITY;
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    if (count <= most) return null;
    return RARE.has(kind)
      ? `The document holds more than ${MOST_RARE} document marks, anchors, tags, directives or empty items.`
      : `The document holds more than ${this.mostNodes} values.`;
  }

  private kindOf(lexeme: string): string {
    if (lexeme === '---') return lexeme;
    return lexeme === ',' && /^[,[{]$/.test(this.significant) ? ',,' : (lexeme[0] ?? '');
  }
}

function collectionsOf(stack: readonly CST.Token[]): number {
  return stack.filter(({ type }) => type === 'block-map' || type === 'block-seq' || type === 'flow-collection').length;
}

function bomb(code: ErrorCode, message: string, text: string, offset: number): EngineError {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - (before.lastIndexOf('\n') + 1) + 1;
  return new EngineError('unreadable', code, message, [{ code, message, line, column }]);
}
