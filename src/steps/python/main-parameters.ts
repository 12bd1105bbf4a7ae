import { partsOf } from './python-text.js';

const MAIN = /(?:^|\n)(?:async[ \t]+)?def[ \t]+main[ \t]*\(/g;
/** What else may bind the name: a definition further in, an assignment, an import. */
const OTHER_MAIN = /\b(?:def|class|as)[ \t]+main\b|\bmain[ \t]*(?:[:=](?!=)|$)/m;

/** Names of the parameters of the last top-level main(), without * and **; empty where there is none at the left margin. A lambda as default may add a name: main() never sees it. */
export function mainParameters(code: string): string[] {
  const source = withoutLiterals(code);
  const start = [...source.matchAll(MAIN)].at(-1);
  if (!start) return [];
  return listUntilClosed(source, start.index + start[0].length)
    .map((parameter) => /^\s*([\p{L}_][\p{L}\p{N}_]*)/u.exec(parameter)?.[1])
    .filter((name): name is string => name !== undefined);
}

/** True where main() seems to be made in another way, so that its parameters are known to Python alone. */
export function hidesMain(code: string): boolean {
  const source = withoutLiterals(code);
  return OTHER_MAIN.test(source) && source.search(MAIN) < 0;
}

/** Literals and comments may hold brackets, commas and any words: only their places matter here. */
function withoutLiterals(code: string): string {
  return partsOf(code)
    .map((part) => (part.kind === 'code' ? part.text : part.kind === 'string' ? '0' : ''))
    .join('');
}

/** The comma-separated items from `from` to the bracket that closes the list. */
function listUntilClosed(source: string, from: number): string[] {
  const items: string[] = [];
  let depth = 0;
  let itemFrom = from;
  for (let at = from; at < source.length; at++) {
    const character = source[at]!;
    if ('([{'.includes(character)) depth++;
    else if (')]}'.includes(character) && depth-- === 0) return [...items, source.slice(itemFrom, at)];
    else if (character === ',' && depth === 0) {
      items.push(source.slice(itemFrom, at));
      itemFrom = at + 1;
    }
  }
  return [];
}
