import { RE2JS } from 're2js';
import { charactersOf, element } from '../access.js';
import { type Calls, filter, type Filter, type Filters } from '../operation.js';
import { textOf } from '../operators.js';
import { type Rendering } from '../rendering.js';
import { TemplateError } from '../template-error.js';
import { flagArgument, integerArgument, textArgument } from './arguments.js';
import { printf } from './printf.js';
import { sizeOfPattern } from './pattern-size.js';
import { capitalized, centered as centeredText, replaced, splitText, stripped, titled } from './text-operations.js';
import { wordwrap } from './wordwrap.js';

const MAX_PATTERN = 500;
const MAX_WIDTH = 1_000;
const DEFAULT_TRUNCATION = 255;

/** A filter from text to text; other values take part with the text they have inside text. */
function ofText(change: (text: string) => string): Filter {
  return filter([], (value, _args, { rendering }) => {
    const text = textOf(value, rendering);
    rendering.spendText(text.length);
    return change(text);
  });
}

const trim = filter(['chars'], (value, [characters], { rendering }) => {
  const set = element(characters);
  return stripped(textOf(value, rendering), typeof set === 'string' ? set : undefined, 'both');
});

const replace = filter(['old', 'new', 'count'], (value, [from, to, count], { rendering }) => {
  const limit = integerArgument(count, 'count', -1);
  const times = limit < 0 ? Number.POSITIVE_INFINITY : limit;
  return replaced(textOf(value, rendering), textOf(from, rendering), textOf(to, rendering), times, rendering);
});

const truncate = filter(['length', 'killwords', 'end', 'leeway'], (value, [length, killWords, endText, leeway], { rendering }) => {
  const text = textOf(value, rendering);
  rendering.spendText(text.length);
  const limit = integerArgument(length, 'length', DEFAULT_TRUNCATION);
  const end = textArgument(endText, 'end', '...');
  if (limit < end.length) throw new TemplateError('truncate: the length is shorter than the end.');
  const characters = charactersOf(text);
  if (characters.length <= limit + integerArgument(leeway, 'leeway', 5)) return text;
  const part = characters.slice(0, limit - end.length);
  const cut = typeof part === 'string' ? part : part.join('');
  const lastBlank = cut.lastIndexOf(' ');
  return (flagArgument(killWords) || lastBlank < 0 ? cut : cut.slice(0, lastBlank)) + end;
});

const center = filter(['width'], (value, [width], { rendering }) => {
  const text = textOf(value, rendering);
  const centered = centeredText(text, Math.min(integerArgument(width, 'width', 80), MAX_WIDTH), ' ');
  rendering.spendText(centered.length);
  return centered;
});

const indent = filter(['width', 'first', 'blank'], (value, [width, first, blank], { rendering }) => {
  const text = textOf(value, rendering);
  const given = element(width);
  const margin = typeof given === 'string' ? given : ' '.repeat(Math.max(0, Math.min(integerArgument(given, 'width', 4), MAX_WIDTH)));
  const lines = text.split('\n');
  rendering.spendText(text.length + lines.length * margin.length);
  const indents = (line: string, index: number) =>
    (index > 0 || flagArgument(first)) && (index === 0 || line.trim() !== '' || flagArgument(blank));
  return lines.map((line, index) => (indents(line, index) ? margin + line : line)).join('\n');
});

const split = filter(['separator', 'limit'], (value, [separator, limit], { rendering }) => {
  const given = element(separator);
  const cuts = integerArgument(limit, 'limit', -1);
  return splitText(
    textOf(value, rendering),
    typeof given === 'string' ? given : undefined,
    cuts < 0 ? Number.POSITIVE_INFINITY : cuts,
    rendering,
  );
});

const format = filter([], (value, [named, ...args], { rendering }) => {
  return printf(textOf(value, rendering), args, element(named), rendering);
}, { rest: true, anyName: true }); // prettier-ignore

/** Evaluation steps that an instruction costs which only a counted repetition makes. */
const STEPS_PER_COPY = 16;
/** A character costs an evaluation step with each so many instructions of the program. */
const INSTRUCTIONS_PER_STEP = 32;

/** RE2 runs in time linear in the text; text times program is what it may cost. */
function compiled(pattern: unknown, ignoreCase: unknown, text: string, rendering: Rendering): RE2JS {
  const source = textArgument(pattern, 'pattern');
  if (source.length > MAX_PATTERN) throw new TemplateError(`The pattern is longer than ${MAX_PATTERN} characters.`, 'template_limit');
  rendering.spend(source.length + STEPS_PER_COPY * Math.max(0, sizeOfPattern(source) - source.length));
  const expression = re2(source, flagArgument(ignoreCase) ? RE2JS.CASE_INSENSITIVE : 0);
  rendering.spend(Math.ceil(text.length * Math.max(1, expression.programSize() / INSTRUCTIONS_PER_STEP)));
  return expression;
}

function re2(source: string, flags: number): RE2JS {
  try {
    return RE2JS.compile(source, flags);
  } catch {
    throw new TemplateError('The pattern is not a regular expression of RE2.');
  }
}

/** `\1` and `\g<name>` in the replacement mean groups, as in Python. */
const regexReplace = filter(['pattern', 'replacement', 'ignorecase'], (value, [pattern, replacement, ignoreCase], { rendering }) => {
  const text = textOf(value, rendering);
  const matcher = compiled(pattern, ignoreCase, text, rendering).matcher(text);
  const template = textArgument(replacement, 'replacement', '');
  const parts: string[] = [];
  let end = 0;
  let size = 0;
  rendering.checkClock();
  while (matcher.find()) {
    rendering.spend(1);
    // Each search may go to the end of the text before it knows.
    rendering.checkClock();
    const part = text.slice(end, matcher.start()) + expanded(template, (group) => matcher.group(group) ?? '');
    size += part.length;
    if (size > rendering.limits.outputCharacters) rendering.spendText(size);
    parts.push(part);
    end = matcher.end();
  }
  parts.push(text.slice(end));
  rendering.spendText(size + text.length - end);
  return parts.join('');
});

function expanded(replacement: string, group: (name: number | string) => string): string {
  return replacement.replace(/\\(?:(\d)|g<(\w{1,40})>|\\)/g, (_whole, digit?: string, name?: string) => {
    const key = digit ?? name;
    if (key === undefined) return '\\';
    try {
      return group(/^\d+$/.test(key) ? Number(key) : key);
    } catch {
      throw new TemplateError('The replacement names a group that the pattern does not have.');
    }
  });
}

function regexTest(value: unknown, [pattern, ignoreCase]: readonly unknown[], { rendering }: Calls): boolean {
  const text = textOf(value, rendering);
  return compiled(pattern, ignoreCase, text, rendering).matcher(text).find();
}

export const TEXT_FILTERS: Filters = {
  upper: ofText((text) => text.toUpperCase()),
  lower: ofText((text) => text.toLowerCase()),
  title: ofText(titled),
  capitalize: ofText(capitalized),
  wordcount: filter([], (value, _args, { rendering }) => {
    const text = textOf(value, rendering);
    rendering.spendText(text.length);
    return text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0;
  }),
  wordwrap,
  trim,
  replace,
  truncate,
  center,
  indent,
  split,
  format,
  regex_replace: regexReplace,
  regex_search: filter(['pattern', 'ignorecase'], regexTest),
};
