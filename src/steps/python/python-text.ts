/** A part of Python source: code, a comment, or one string literal (prefix and quotes apart). */
export type PythonPart = PlainPart | StringPart;

interface PlainPart {
  readonly kind: 'code' | 'comment';
  readonly text: string;
}
export interface StringPart {
  readonly kind: 'string';
  readonly prefix: string;
  readonly quote: string;
  readonly body: string;
  readonly closed: boolean;
}

// Longest first; a prefix counts only where no identifier runs into it.
const STRING_START = /(?<![\p{L}\p{N}_])(?:[rR][bBfF]|[bBfF][rR]|[rRbBfFuU])?("""|'''|"|')/uy;

/** Cuts source into parts that joined again give the source. Tolerant: an unclosed literal ends with its line, a triple one with the text. */
export function partsOf(source: string): PythonPart[] {
  const parts: PythonPart[] = [];
  let codeFrom = 0;
  const flush = (to: number) => {
    if (to > codeFrom) parts.push({ kind: 'code', text: source.slice(codeFrom, to) });
  };
  for (let at = 0; at < source.length;) {
    const string = stringAt(source, at);
    if (!string && source[at] !== '#') {
      at++;
      continue;
    }
    flush(at);
    const part: PythonPart = string ?? { kind: 'comment', text: /^[^\n]*/.exec(source.slice(at))![0] };
    parts.push(part);
    at += textOf(part).length;
    codeFrom = at;
  }
  flush(source.length);
  return parts;
}

/** The source text of a part. */
export function textOf(part: PythonPart): string {
  return part.kind === 'string' ? part.prefix + part.quote + part.body + (part.closed ? part.quote : '') : part.text;
}

function stringAt(source: string, at: number): PythonPart | null {
  STRING_START.lastIndex = at;
  const start = STRING_START.exec(source);
  if (!start) return null;
  const quote = start[1]!;
  const bodyFrom = at + start[0].length;
  let end = bodyFrom;
  while (end < source.length && !source.startsWith(quote, end)) {
    if (quote.length === 1 && source[end] === '\n') break;
    // In raw literals too, a backslash keeps the quote after it from closing.
    end += source[end] === '\\' ? 2 : 1;
  }
  end = Math.min(end, source.length);
  return {
    kind: 'string',
    prefix: start[0].slice(0, -quote.length),
    quote,
    body: source.slice(bodyFrom, end),
    closed: source.startsWith(quote, end),
  };
}
