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

/** By the borders of the part (Knuth, Morris, Pratt), from where its beginning is first found. */
function* overlapping(text: string, part: string, from: number): Generator<number> {
  const start = text.indexOf(part.slice(0, SHORT), from);
  if (start < 0) return;
  const borders = new Int32Array(part.length);
  const next = (matched: number, unit: number): number => {
    while (matched > 0 && part.charCodeAt(matched) !== unit) matched = borders[matched - 1]!;
    return part.charCodeAt(matched) === unit ? matched + 1 : 0;
  };
  for (let index = 1; index < part.length; index += 1) borders[index] = next(borders[index - 1]!, part.charCodeAt(index));
  let matched = 0;
  for (let at = start; at < text.length; at += 1) {
    matched = next(matched, text.charCodeAt(at));
    if (matched < part.length) continue;
    yield at - part.length + 1;
    matched = borders[matched - 1]!;
  }
}
