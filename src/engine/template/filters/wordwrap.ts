import { charactersOf } from '../access.js';
import { filter } from '../operation.js';
import { textOf } from '../operators.js';
import { type Rendering } from '../rendering.js';
import { TemplateError } from '../template-error.js';
import { flagArgument, integerArgument, textArgument } from './arguments.js';

/** Where Python's textwrap cuts: blanks, words, words with hyphens after each hyphen between letters, dashes between words. */
const WITH_HYPHENS =
  /[\t\n\v\f\r ]+|(?<=[\p{L}\p{N}_!"'&.,?])-{2,}(?=[\p{L}\p{N}_])|[^\t\n\v\f\r ]+?(?:-(?:(?<=[\p{L}_]{2}-)|(?<=[\p{L}_]-[\p{L}_]-))(?=[\p{L}_]-?[\p{L}_])|(?=[\t\n\v\f\r ]|$)|(?<=[\p{L}\p{N}_!"'&.,?])(?=-{2,}[\p{L}\p{N}_]))/gu;
const AT_BLANKS = /[\t\n\v\f\r ]+|[^\t\n\v\f\r ]+/g;

/** A blank or a word, of which something may be on the lines before. */
interface Chunk {
  readonly characters: string | string[];
  readonly isBlank: boolean;
  from: number;
}

export const wordwrap = filter(
  ['width', 'break_long_words', 'wrapstring', 'break_on_hyphens'],
  (value, [widthValue, breakWords, wrapString, breakHyphens], { rendering }) => {
    const text = textOf(value, rendering);
    const width = integerArgument(widthValue, 'width', 79);
    if (width < 1) throw new TemplateError('wordwrap needs a width of at least 1.');
    const newLine = textArgument(wrapString, 'wrapstring', '\n');
    rendering.spend(text.length);
    const lines = text.replace(/\r\n?/g, '\n').replace(/\n$/, '').split('\n');
    const atHyphens = flagArgument(breakHyphens, true);
    const breaksWords = flagArgument(breakWords, true);
    const wrapped: string[] = [];
    for (const line of lines) {
      const parts = linesOf(line, width, breaksWords, atHyphens, rendering);
      for (const part of parts.length > 0 ? parts : ['']) wrapped.push(part);
    }
    rendering.spendText(wrapped.reduce((length, line) => length + line.length + newLine.length, 0));
    return wrapped.join(newLine);
  },
);

/** As Python's TextWrapper: blanks at the ends of lines go, others stay. */
function linesOf(line: string, width: number, breaksWords: boolean, atHyphens: boolean, rendering: Rendering): string[] {
  const chunks = chunksOf(line, atHyphens).reverse();
  const lines: string[] = [];
  let length = 0;
  while (chunks.length > 0) {
    rendering.spend(1);
    const parts: { readonly text: string; readonly isBlank: boolean }[] = [];
    let used = 0;
    if (chunks.at(-1)!.isBlank && lines.length > 0) chunks.pop();
    for (let next = chunks.at(-1); next !== undefined && used + sizeOf(next) <= width; next = chunks.at(-1)) {
      parts.push({ text: partOf(next, sizeOf(next)), isBlank: next.isBlank });
      used += sizeOf(next);
      chunks.pop();
    }
    const next = chunks.at(-1);
    if (next !== undefined && sizeOf(next) > width) {
      if (breaksWords) {
        const end = atHyphens ? afterHyphen(next, width - used) : width - used;
        parts.push({ text: partOf(next, end), isBlank: next.isBlank && end > 0 });
        next.from += end;
      } else if (parts.length === 0) {
        parts.push({ text: partOf(next, sizeOf(next)), isBlank: next.isBlank });
        chunks.pop();
      }
    }
    if (parts.at(-1)?.text.trim() === '') parts.pop();
    if (parts.length === 0) continue;
    lines.push(parts.map((part) => part.text).join(''));
    length += lines.at(-1)!.length + 1;
    if (length > rendering.limits.outputCharacters) rendering.spendText(length);
  }
  return lines;
}

function chunksOf(line: string, atHyphens: boolean): Chunk[] {
  return (line.match(atHyphens ? WITH_HYPHENS : AT_BLANKS) ?? []).map((text) => {
    return { characters: charactersOf(text), isBlank: text.trim() === '', from: 0 };
  });
}

const sizeOf = ({ characters, from }: Chunk): number => characters.length - from;

function partOf({ characters, from }: Chunk, count: number): string {
  const part = characters.slice(from, from + count);
  return typeof part === 'string' ? part : part.join('');
}

/** Of a word that is too long, as much as has room, up to its last hyphen where something is before that. */
function afterHyphen({ characters, from }: Chunk, room: number): number {
  let hyphen = room - 1;
  while (hyphen > 0 && characters[from + hyphen] !== '-') hyphen -= 1;
  if (hyphen <= 0) return room;
  for (let at = 0; at < hyphen; at += 1) if (characters[from + at] !== '-') return hyphen + 1;
  return room;
}
