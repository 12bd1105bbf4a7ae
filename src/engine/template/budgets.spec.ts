import { type Json, type JsonObject } from '../values.js';
import { compileTemplate } from './compile-template.js';
import { Rendering } from './rendering.js';

const WORLD = { now: '2026-01-01T00:00:00.000Z', random: () => 0.5, nextId: () => '1' };

function render(text: string, values: JsonObject = {}): Json {
  return compileTemplate(text).render({ lookup: (name) => values[name] }, new Rendering(WORLD));
}

const TEXTS = "{% set a = 'a' * 999999 ~ 'b' %}{% set b = 'a' * 999999 ~ 'c' %}";

describe('work that is counted before it is done', () => {
  it.each([
    ['lines with a long text between them', "{{ ('ab ' * 100000) | wordwrap(1, wrapstring='x' * 4000) | length }}"],
    [
      'JSON with margins',
      '{% set ns = namespace(x=[1] * 300000) %}{% for i in range(190) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson(10) | length }}',
    ],
  ])('text: %s', (_name, text) => expect(() => render(text)).toThrow('characters of text'));

  it.each([
    ['texts that are compared', `${TEXTS}{{ b in [a] * 5000 }}`],
    ['texts that are ordered', `${TEXTS}{{ ([a, b] * 1000) | sort | length }}`],
    ['texts that may begin another', `${TEXTS}{{ b.startswith([a] * 1500) }}`],
    ['methods of long texts', `${TEXTS}{% for i in range(1500) %}{{ a.isascii() }}{% endfor %}`],
    ['tests of long texts', `${TEXTS}{{ ([a] * 1500) | select('upper') | list | length }}`],
    ['characters that are counted', "{% set x = '😀' * 400000 %}{{ ([x] * 5000) | map(attribute=1) | list | length }}"],
    ['characters of a subscript', "{% set x = '😀' * 400000 %}{% for i in range(5000) %}{% set y = x[0] %}{% endfor %}"],
    ['copies', '{% set l = [0] * 200000 %}{% for i in range(100) %}{% set y = l.copy() %}{% endfor %}'],
    [
      'arguments of macros',
      `{% macro m() %}{{ varargs is defined }}{% endmacro %}{% for i in range(2000) %}{{ m(${'1,'.repeat(1000)}1) }}{% endfor %}`,
    ],
  ])('steps: %s', (_name, text) => expect(() => render(text)).toThrow('evaluation steps'));

  it('a margin below zero takes nothing back', () => {
    expect(() => render('{% for i in range(400000) %}{{ [1] | tojson(-9007199254740991) }}{{ i and 1 and 1 }}{% endfor %}')).toThrow(
      'evaluation steps',
    );
  });

  it('takes any number of arguments', () => {
    expect(() => render(`{{ '%s' | format(${'1,'.repeat(150_000)}1) }}`)).toThrow('more values than placeholders');
  });
});
