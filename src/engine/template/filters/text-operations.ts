import { splitAt } from '../../find-text.js';
import { charactersOf } from '../access.js';
import { type Rendering } from '../rendering.js';

/** `limit` is the number of replacements. */
export function replaced(value: string, from: string, to: string, limit: number, rendering: Rendering): string {
  rendering.spendText(value.length);
  const parts = from === '' ? ['', ...value, ''] : splitAt(value, from);
  const times = Math.min(parts.length - 1, limit);
  rendering.spendText(value.length + times * Math.max(0, to.length - from.length));
  if (times === parts.length - 1) return parts.join(to);
  return parts.slice(0, times + 1).join(to) + from + parts.slice(times + 1).join(from);
}

/** Python's split: without a separator at runs of blanks; `limit` is the number of cuts, the rest stays whole. */
export function splitText(value: string, separator: string | undefined, limit: number, rendering: Rendering): string[] {
  rendering.spendText(value.length);
  const parts = separator === undefined ? blankSeparated(value, limit) : separator === '' ? [value] : splitAt(value, separator);
  rendering.spend(parts.length);
  if (separator === undefined || parts.length - 1 <= limit) return parts;
  return [...parts.slice(0, limit), parts.slice(limit).join(separator)];
}

function blankSeparated(value: string, limit: number): string[] {
  const words = value
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length - 1 <= limit) return words;
  let rest = value.trimStart();
  const cut = Array.from({ length: limit }, () => {
    const word = rest.slice(0, rest.search(/\s/));
    rest = rest.slice(word.length).trimStart();
    return word;
  });
  return [...cut, rest.trimEnd()];
}

export function stripped(value: string, characters: string | undefined, side: 'start' | 'end' | 'both'): string {
  if (characters === undefined) return side === 'start' ? value.trimStart() : side === 'end' ? value.trimEnd() : value.trim();
  const set = new Set(characters);
  let start = 0;
  let end = value.length;
  if (side !== 'end') while (start < end && set.has(value[start] ?? '')) start += 1;
  if (side !== 'start') while (end > start && set.has(value[end - 1] ?? '')) end -= 1;
  return value.slice(start, end);
}

/** Every word with a capital first letter, the rest small; words end at blanks, hyphens and brackets, as in Jinja. */
export function titled(value: string): string {
  return value.replace(/[^-\s({[<]+/g, capitalized);
}

export function capitalized(value: string): string {
  return value.slice(0, 1).toUpperCase() + value.slice(1).toLowerCase();
}

/** As Python: of an odd number of blanks, the one that is left over comes first where the width is odd. */
export function centered(text: string, width: number, fill: string): string {
  const missing = Math.max(0, width - charactersOf(text).length);
  const before = Math.floor(missing / 2) + (missing & width & 1);
  return fill.repeat(before) + text + fill.repeat(missing - before);
}
