/** Shorter parts are found by the engine's own search, which takes time in the product of both lengths where a text is hostile. */
const SHORT = 64;

/** Where a text first has a part from a position on; -1: nowhere. Linear in both, however they repeat themselves. */
export function firstIn(text: string, part: string, from = 0): number {
  if (part.length <= SHORT) return text.indexOf(part, from);
  for (const at of overlapping(text, part, from)) return at;
  return -1;
}

/** Where a text last has a part; -1: nowhere. Linear as well. */
export function lastIn(text: string, part: string): number {
  if (part.length <= SHORT) return text.lastIndexOf(part);
  let last = -1;
  for (const at of overlapping(text, part, 0)) last = at;
  return last;
}

/** As `split` of texts; the separator is not empty. Linear as well. */
export function splitAt(text: string, separator: string): string[] {
  if (separator.length <= SHORT) return text.split(separator);
  const parts: string[] = [];
  let from = 0;
  for (const at of overlapping(text, separator, 0)) {
    if (at < from) continue;
    parts.push(text.slice(from, at));
    from = at + separator.length;
  }
  parts.push(text.slice(from));
  return parts;
}

interface Matcher {
  next(this: void, matched: number, unit: number): number;
  /** How many characters at the end of the part are its beginning as well, at most and not all. */
  readonly border: number;
}

/**
 * How many characters of a part are matched after one more of a text, told how many were before it: by its borders (Knuth, Morris, Pratt), so that no
 * part makes it slow.
 */
export function matcherOf(part: string): Matcher {
  const borders = new Int32Array(part.length);
  const next = (matched: number, unit: number): number => {
    let length = matched === part.length ? borders[matched - 1]! : matched;
    while (length > 0 && part.charCodeAt(length) !== unit) length = borders[length - 1]!;
    return part.charCodeAt(length) === unit ? length + 1 : 0;
  };
  for (let index = 1; index < part.length; index += 1) borders[index] = next(borders[index - 1]!, part.charCodeAt(index));
  return { next, border: borders[part.length - 1]! };
}

/** From where the beginning of the part is first found. */
function* overlapping(text: string, part: string, from: number): Generator<number> {
  const start = text.indexOf(part.slice(0, SHORT), from);
  if (start < 0) return;
  const { next } = matcherOf(part);
  let matched = 0;
  for (let at = start; at < text.length; at += 1) {
    matched = next(matched, text.charCodeAt(at));
    if (matched === part.length) yield at - part.length + 1;
  }
}
