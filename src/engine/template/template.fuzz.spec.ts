import fc from 'fast-check';
import { Environment } from 'minijinja-js/dist/node/minijinja_js.js';
import { type Json, type JsonObject } from '../values.js';
import { Rendering } from './rendering.js';
import { compileExpression, compileTemplate, TemplateError, TemplateSyntaxError } from './template.js';

const DATA: JsonObject = { n: 5, m: -3, name: 'Ada', empty: '', list: [3, 1, 2], user: { name: 'Ada', age: 36 }, yes: true };
const scope = { lookup: (name: string) => (Object.hasOwn(DATA, name) ? DATA[name] : undefined) };
const rendering = () => new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0, nextId: () => '1' });

const PIECES = [
  '{{', '}}', '{%', '%}', '{#', '#}', '-', '+', '|', '.', ',', '(', ')', '[', ']', '{', '}', ':', '~', '*', '**', '/', '//', '%', '<', '==', '=', "'", '"', '\\', '\n', ' ',
  'if', 'else', 'elif', 'endif', 'for', 'in', 'endfor', 'set', 'endset', 'with', 'endwith', 'macro', 'endmacro', 'call', 'endcall', 'filter', 'endfilter', 'upper', 'caller', 'varargs', 'kwargs', 'raw', 'endraw', 'not', 'and', 'or', 'is', 'defined', 'none', 'true',
  'n', 'name', 'list', 'user', 'loop', 'missing', 'constructor', '__proto__', 'prototype', 'toString', 'length', 'map', 'join', 'default', 'int', 'tojson', 'fromjson', 'sort', 'select',
  'attribute', 'range', 'dict', 'now', 'get', 'items', 'split', 'format', '0', '1', '9999999999', '1e308', '\ud800', '😀', 'text',
]; // prettier-ignore

/** Whole tags, so that many of the texts made of them are templates. */
const BLOCKS = [
  '{% macro m(a, b=n) %}', '{% macro m() %}', '{% endmacro %}', '{% call m() %}', '{% call(a) m(1, b=2) %}', '{% endcall %}', '{% with a = n, b = m %}', '{% endwith %}',
  '{% filter upper %}', '{% endfilter %}', '{% set v | trim %}', '{% endset %}', '{% set f = m %}', '{% for a in list %}', '{% endfor %}', '{% if a %}', '{% endif %}',
  '{{ m() }}', '{{ m(m) }}', '{{ f(1) }}', '{{ a(a) }}', '{{ caller() }}', '{{ caller(1) }}', '{{ caller }}', '{{ varargs }}', '{{ kwargs }}', '{{ a }}', '{{ m.name }}', '{{ v }}', ' x ',
]; // prettier-ignore

describe('grammar fuzz', () => {
  const check = (text: string) => {
    try {
      const value = compileTemplate(text).render(scope, rendering());
      expect(typeof value).not.toBe('function');
      JSON.stringify(value);
    } catch (error) {
      if (!(error instanceof TemplateSyntaxError) && !(error instanceof TemplateError)) throw error;
    }
  };

  it('random pieces never fail otherwise than as template errors', () => {
    const before = Reflect.ownKeys(globalThis).length;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 25 }), (pieces) => check(pieces.join(' '))),
      { numRuns: 20_000 },
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 15 }), (pieces) => check(`{{ ${pieces.join(' ')} }}`)),
      { numRuns: 20_000 },
    );
    fc.assert(
      fc.property(fc.string(), (text) => check(`{{${text}}}`)),
      { numRuns: 10_000 },
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...BLOCKS), { maxLength: 20 }), (pieces) => check(pieces.join(''))),
      { numRuns: 20_000 },
    );
    expect(Reflect.ownKeys(globalThis)).toHaveLength(before);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it.each(['{{', '{%', '{#', '{{ {{ ', '{{x}}', '{{ a|', '{%  raw', '{% if a %}', '{', '{{ "', '{{ -', '{{ not ', '{{ a.a'])(
    '512 KiB of %j ends',
    (piece) => {
      check(piece.repeat(Math.floor(524_288 / piece.length)));
    },
  );
});

/** Where both languages mean the same: no division (one kind of number here), no null in texts. */
describe('against minijinja', () => {
  const environment = new Environment();
  environment.enablePyCompat();
  /** False where the oracle refuses the expression. */
  const agree = (expression: string): boolean => {
    let expected: Json;
    try {
      expected = JSON.parse(environment.renderStr(`{{ (${expression}) | tojson }}`, DATA)) as Json;
    } catch {
      return false;
    }
    expect([expression, compileExpression(expression).render(scope, rendering())]).toEqual([expression, expected]);
    return true;
  };

  it.each([
    'n + 2 * 3 - m', 'n // 2', '7 % 3', '2 ** 5', 'name ~ n', '"a" in name', 'n not in list', 'not n', 'n > 3 and name', 'empty or name', '"x" if yes else "y"',
    'list[0]', 'list[-1]', 'list[1:]', 'list[::-1]', 'name[1:]', 'user.name', 'user["age"]', 'list | length', 'list | sort', 'list | first', 'list | last', 'list | join("-")',
    'name | upper', 'name | lower', 'name | replace("A", "B")', 'missing | default(1)', 'empty | default(2, true)', 'list | sum', 'list | min', 'list | max', 'list | reverse | list',
    'list | map("string") | join(",")', 'list | select("odd") | list', '[user] | map(attribute="name") | list', '[user] | selectattr("age", "eq", 36) | list', 'list | unique | list',
    'range(4) | list', 'name.upper()', '"a,b".split(",")', 'user.get("name")', 'n is odd', 'name is string', 'list is sequence', 'user is mapping', 'missing is defined', 'none is none',
    '[1, 2] + [3]', '{"a": 1}', '[1, 2] == [1, 2]', '1 == 1.0', '"  x " | trim', '"hello world" | title', '"hello" | capitalize', 'list | batch(2) | list', 'user | dictsort', 
  ])('%s', (expression) => expect(agree(expression)).toBe(true)); // prettier-ignore

  it('generated expressions', () => {
    const { expression } = fc.letrec<{ expression: string; atom: string; number: string }>((tie) => ({
      number: fc.constantFrom('n', 'm', '1', '2', 'user.age', 'list[0]'),
      atom: fc.constantFrom(
        'n',
        'm',
        'name',
        'empty',
        'list',
        'user.age',
        'user.name',
        'yes',
        '1',
        '2',
        '"a"',
        '"Ada"',
        '[1, 2]',
        'true',
        'list[0]',
      ),
      expression: fc.oneof(
        { maxDepth: 3 },
        tie('atom'),
        fc
          .tuple(tie('expression'), fc.constantFrom('+', '-', '==', '!=', 'and', 'or'), tie('expression'))
          .map(([a, o, b]) => `(${a} ${o} ${b})`),
        // Of numbers alone: a text times false is empty in Python and here, and false to the oracle.
        fc.tuple(tie('number'), tie('number')).map(([a, b]) => `(${a} * ${b})`),
        fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, t, b]) => `(${a} if ${t} else ${b})`),
        tie('expression').map((a) => `(not ${a})`),
      ),
    }));
    // Some mixtures of kinds have a meaning there and none here; refusing is the stricter answer.
    const strict = (text: string) => {
      try {
        agree(text);
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
      }
    };
    fc.assert(fc.property(expression, strict), { numRuns: 2_000 });
  });
});
