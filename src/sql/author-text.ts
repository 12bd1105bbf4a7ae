import { type Block, type Expression, type Statement } from '../engine/template/template.js';
import { type SqlLexer } from './sql-lexer.js';

type Output = Statement & { kind: 'output' };

/** SQL that is no value: marks, and the words that follow what is ordered or combined. */
const FRAGMENT = /^\s*(?:[,;()]*|(?:ASC|DESC)?(?:\s*NULLS\s+(?:FIRST|LAST))?|AND|OR)\s*$/i;
/** Marks after which a value is expected. */
const EXPECTS_VALUE = /^[^\w)\]]$/;
/** Words whose brackets hold values with commas between. */
const LISTS: ReadonlySet<string> = new Set(['IN', 'ARRAY', 'VALUES']);

/**
 * What an author writes in an output although it is text of the SQL, written as it is: `{{ "DESC" if newest else "ASC" }}`, `{{ ", " if not loop.last }}`,
 * and what `join` puts between the values of `IN ({{ ids | join(", ") }})` and `IN ('{{ names | join("','") }}')`. The values stay values.
 * null: the output is a value like any other.
 */
export function withAuthorText(output: Output, lexer: SqlLexer): Statement | null {
  const { expression } = output;
  if (expression.kind === 'choice') return mayBeFragment(lexer) && isFragment(expression) ? chosen(expression) : null;
  if (expression.kind === 'filter' && expression.name === 'join') return joined(output, expression, lexer);
  return null;
}

/** Code where something has just ended, so that a value would be a mistake. */
function mayBeFragment({ mode, word, last }: SqlLexer): boolean {
  return mode === 'code' && (word !== '' || (last !== '' && last !== '?' && !EXPECTS_VALUE.test(last)));
}

function isFragment(expression: Expression | null): boolean {
  if (expression === null) return true;
  if (expression.kind === 'choice') return isFragment(expression.then) && isFragment(expression.otherwise);
  return expression.kind === 'constant' && typeof expression.value === 'string' && FRAGMENT.test(expression.value);
}

function chosen(expression: Expression | null): Statement {
  if (expression?.kind === 'choice') {
    return {
      kind: 'if',
      branches: [{ test: expression.test, body: [chosen(expression.then)] }],
      otherwise: [chosen(expression.otherwise)],
    };
  }
  return { kind: 'data', text: expression?.kind === 'constant' ? String(expression.value) : '' };
}

function joined(output: Output, { input, arguments: args }: Expression & { kind: 'filter' }, lexer: SqlLexer): Statement | null {
  const [separator, ...others] = args.positional;
  if (separator?.kind !== 'constant' || typeof separator.value !== 'string' || others.length > 0 || args.named.length > 0) return null;
  const isInList = lexer.mode === 'code' && lexer.word === '' && LISTS.has(lexer.brackets.at(-1) ?? '');
  const isList = isInList && /^\s*,\s*$/.test(separator.value);
  const isQuotedList = lexer.mode === 'text' && /^'\s*,\s*'$/.test(separator.value);
  if (!isList && !isQuotedList) return null;
  const each: Expression = { kind: 'name', name: '__each' };
  const isLast: Expression = { kind: 'item', object: { kind: 'name', name: 'loop' }, key: { kind: 'constant', value: 'last' } };
  const between: Block = [{ kind: 'data', text: separator.value }];
  const body: Block = [
    { ...output, expression: each },
    { kind: 'if', branches: [{ test: { kind: 'not', operand: isLast }, body: between }], otherwise: [] },
  ];
  return { kind: 'for', targets: ['__each'], iterable: input, filter: null, body, otherwise: [] };
}
