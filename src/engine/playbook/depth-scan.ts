import { Lexer, Parser, type CST } from 'yaml';
import { EngineError } from '../engine-error.js';
import { type ErrorCode } from '../error-codes.js';

export const DOCUMENT_LIMITS = { bytes: 512 * 1024, depth: 64, nodes: 100_000, aliases: 100, steps: 1_000 } as const;

/**
 * Cuts a document into syntax tokens, one pass, and stops at the first sign of a bomb.
 *
 * The parser behind `yaml` recurses once per level and brings the whole process down on deep nesting, which nobody
 * can catch. Its tokenizer does not recurse, and the stack of open collections it keeps is the depth of the document
 * as the parser will see it: looking at that stack after every token can not be fooled by quotes, comments or block texts.
 *
 * @param newLines receives the offset of each line start.
 * @throws EngineError `unreadable`: `depth_exceeded` (more than 64 levels), `too_many_nodes` (more than 100,000).
 */
export function scanTokens(text: string, newLines: (offset: number) => void): CST.Token[] {
  const tokens: CST.Token[] = [];
  const parser = new Parser(newLines);
  newLines(0);
  const counted = new Map<string, number>();
  let before = '';
  for (const lexeme of new Lexer().lex(text)) {
    if (before !== ANNOUNCES_TEXT) count(counted, lexeme);
    before = lexeme;
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > DOCUMENT_LIMITS.depth && collectionsOf(parser.stack) > DOCUMENT_LIMITS.depth)
      throw bomb('depth_exceeded', `The document is nested deeper than ${DOCUMENT_LIMITS.depth} levels.`, text, parser.offset);
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;

  /** A lower bound of the nodes to come: each kind of lexeme makes at least one node. The exact count follows later. */
  function count(seen: Map<string, number>, lexeme: string): void {
    const kind = lexeme[0] ?? '';
    if (!NODE_STARTS.has(kind)) return;
    const soFar = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, soFar);
    if (soFar > DOCUMENT_LIMITS.nodes)
      throw bomb('too_many_nodes', `The document holds more than ${DOCUMENT_LIMITS.nodes} values.`, text, parser.offset);
  }
}

/** First characters of the lexemes that begin a value or an entry; U+001F is how the lexer announces a plain text. */
const ANNOUNCES_TEXT = '\u001f';
const NODE_STARTS = new Set([ANNOUNCES_TEXT, '"', "'", '*', '[', '{', '-', ':', '?', ',']);

function collectionsOf(stack: readonly CST.Token[]): number {
  return stack.filter(({ type }) => type === 'block-map' || type === 'block-seq' || type === 'flow-collection').length;
}

function bomb(code: ErrorCode, message: string, text: string, offset: number): EngineError {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - (before.lastIndexOf('\n') + 1) + 1;
  return new EngineError('unreadable', code, message, [{ code, message, line, column }]);
}
