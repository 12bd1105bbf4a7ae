import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { type Json } from '../../engine/values.js';
import { fillPlaceholders } from './placeholders.js';
import { partsOf, textOf } from './python-text.js';

const known: Record<string, Json> = {
  n: 100,
  flag: true,
  none: null,
  text: `it's "a" \\ b\nc {d}`,
  list: [1, 'x', { k: false }],
  plain: 'abc',
  é: 1,
};
const fill = (code: string) => fillPlaceholders(code, ([name, ...rest]) => (rest.length === 0 ? known[name!] : undefined));

describe(fillPlaceholders.name, () => {
  it.each([
    ['a literal in code', 'x = {{ n }} + {{flag}}', 'x = 100 + True'],
    ['nested values in code', 'x = {{ list }}; y = {{ none }}', 'x = [1, "x", {"k": False}]; y = None'],
    ['text inside a string', 'x = "id-{{ n }}"', 'x = "id-100"'],
    ['escaped text inside a string', "x = '{{ text }}'", String.raw`x = 'it\'s \"a\" \\ b\nc {d}'`],
    ['braces doubled in an f-string', 'x = f"{{ text }}"', String.raw`x = f"it\'s \"a\" \\ b\nc {{d}}"`],
    ['raw strings', 'x = r"{{ plain }}"', 'x = r"abc"'],
    ['triple quotes over lines', 'x = """a\n"b" {{ n }}\n"""; y = {{ n }}', 'x = """a\n"b" 100\n"""; y = 100'],
    ['null inside a string', 'x = "<{{ none }}>"', 'x = "<>"'],
    ['comments stay', 'x = 1 # "{{ n }}\ny = {{ n }}', 'x = 1 # "{{ n }}\ny = 100'],
    [
      'unknown names, paths, calls and braces of Python stay',
      'x = {{ who }}; {{ n.a }}; "{{ now() }}"; f"{{n}} {y}"[{1: {2}}]',
      'x = {{ who }}; {{ n.a }}; "{{ now() }}"; f"100 {y}"[{1: {2}}]',
    ],
  ])('%s', (_name, code, expected) => expect(fill(code)).toBe(expected));

  it('refuses what a raw string cannot hold', () => expect(() => fill('x = r"{{ text }}"')).toThrow('raw string'));

  it('never lets a value out of its literal: Python reads back what went in', () => {
    const texts = fc
      .sample(fc.string({ unit: 'grapheme' }), { numRuns: 300, seed: 7 })
      .concat(['"""', "'''", '\\', '\\"', '\r\n', "'+exit()+'", '\u2028', '\0']);
    const quotes = ['"', "'", '"""', "'''"];
    const code = texts.map((text, index) => {
      const [quote, prefix] = [quotes[index % 4]!, ['', 'f', 'b', 'u'][Math.floor(index / 4) % 4]!];
      const line = (template: string) => fillPlaceholders(template, () => text);
      return `(${line(`${prefix}${quote}{{ v }}${quote}`)}, ${line('{{ v }}')})`;
    });
    const program = `import json, sys\nfor a, b in eval(json.loads(sys.stdin.read())): assert (a.decode() if isinstance(a, bytes) else a) == b, (a, b)\nprint("same")`;
    expect(execFileSync('python3', ['-c', program], { input: JSON.stringify(`[${code.join(',')}]`), encoding: 'utf8' })).toBe('same\n');
  });
});

describe(partsOf.name, () => {
  it('loses nothing of any text', () => {
    const source = fc
      .array(fc.constantFrom('"', "'", '"""', "'''", '\\', '\n', '#', 'r', 'f"', 'x', ' ', '{'))
      .map((parts) => parts.join(''));
    fc.assert(fc.property(source, (text) => partsOf(text).map(textOf).join('') === text));
  });
});
