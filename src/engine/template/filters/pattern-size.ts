const REPETITION = /\{(\d{1,9})(,(\d{0,9}))?\}/y;

/**
 * About how many instructions a regular expression of RE2 compiles to. A counted repetition stands for as many copies of what it repeats, so that a
 * short pattern may be a large program. Told before it is compiled, as that takes its time, too.
 */
export function sizeOfPattern(source: string): number {
  const outer: number[] = [];
  /** Of the group that is open, and of the atom in it that a repetition would repeat. */
  let [size, last] = [0, 0];
  const add = (atom: number): void => {
    size += atom;
    last = atom;
  };
  for (let at = 0; at < source.length;) {
    const character = source[at]!;
    const count = character === '{' ? repetitionAt(source, at) : null;
    if (count !== null) {
      size += last * (count - 1);
      last *= count;
      at = REPETITION.lastIndex;
    } else if (character === '\\') {
      const end = endOfEscape(source, at);
      add(source[at + 1] === 'Q' ? end - at : 1);
      at = end;
    } else if (character === '[') {
      add(1);
      at = endOfClass(source, at);
    } else {
      at += 1;
      if (character === '(') {
        outer.push(size);
        size = 0;
      } else if (character === ')') {
        last = size + 2;
        size = last + (outer.pop() ?? 0);
      } else if ('*+?'.includes(character)) {
        size += 1;
        last += 1;
      } else add(1);
    }
  }
  return outer.reduce((sum, open) => sum + open, size);
}

/** How many copies the repetition stands for that begins here; null: none does. */
function repetitionAt(source: string, at: number): number | null {
  REPETITION.lastIndex = at;
  const match = REPETITION.exec(source);
  if (!match) return null;
  return Math.max(1, Number(match[1]) + (match[3] === '' ? 1 : 0), Number(match[3] ?? 0));
}

/** Where what a backslash begins is over: a quotation, a class such as \p{Greek}, a character such as \x{10FFFF}, or one letter. */
function endOfEscape(source: string, at: number): number {
  const kind = source[at + 1] ?? '';
  if (kind === 'Q') return after(source, '\\E', at);
  return 'pPx'.includes(kind) && source[at + 2] === '{' ? after(source, '}', at) : at + 2;
}

function endOfClass(source: string, from: number): number {
  let at = from + (source[from + 1] === '^' ? 2 : 1);
  // The first one is a member.
  if (source[at] === ']') at += 1;
  while (at < source.length && source[at] !== ']') {
    if (source[at] === '\\') at = source[at + 1] === 'Q' ? at + 2 : endOfEscape(source, at);
    else if (source.startsWith('[:', at) && source.includes(':]', at + 2)) at = after(source, ':]', at + 2);
    else at += 1;
  }
  return at + 1;
}

function after(source: string, end: string, from: number): number {
  const at = source.indexOf(end, from);
  return at < 0 ? source.length : at + end.length;
}
