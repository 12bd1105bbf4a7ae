import { partsOf } from './python-text.js';

const MAIN = /(?:^|\n)(?:async[ \t]+)?def[ \t]+main[ \t]*\(/g;

/** Names of the parameters of the last top-level main(), without * and **; empty where there is none at the left margin. A lambda as default may add a name: main() never sees it. */
export function mainParameters(code: string): string[] {
  // Literals and comments may hold brackets and commas: only their places matter here.
  const source = partsOf(code)
    .map((part) => (part.kind === 'code' ? part.text : part.kind === 'string' ? '0' : ''))
    .join('');
  const start = [...source.matchAll(MAIN)].at(-1);
  if (!start) return [];
  return listUntilClosed(source, start.index + start[0].length)
    .map((parameter) => /^\s*([\p{L}_][\p{L}\p{N}_]*)/u.exec(parameter)?.[1])
    .filter((name): name is string => name !== undefined);
}

/** True where main() may be made in another way, so that its parameters are known to Python alone. */
export function hidesMain(code: string): boolean {
  return /\bmain\b/.test(code) && code.search(MAIN) < 0;
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
