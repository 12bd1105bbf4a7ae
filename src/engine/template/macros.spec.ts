import { renderingWith } from '../testing/rendered.js';
import { type Json, type JsonObject } from '../values.js';
import { compileTemplate, TemplateError, TemplateSyntaxError } from './template.js';

const VALUES: JsonObject = {
  n: 5, x: 'ctx', list: [3, 1, 2], people: [{ name: 'Ann' }, { name: 'Bob' }], tree: { v: 1, kids: [{ v: 2, kids: [{ v: 3 }] }, { v: 4 }] },
}; // prettier-ignore

const render = renderingWith(VALUES);

/** Each as Jinja2 3.1.6 renders it, but for true and null. */
describe('macros', () => {
  it.each<[string, Json]>([
    // arguments
    ["{% macro m(a, b='x') %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }}{{ m() }}", '<1x><12><43><x>'],
    ['{% macro m(a, b=a) %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}', '<11>'],
    ['{% macro m(a=b, b=2) %}<{{ a }}{{ b }}>{% endmacro %}{{ m() }}{{ m(b=3) }}', '<2><33>'],
    ['{% macro m(a) %}{{ a is defined }},{% endmacro %}{{ m() }}{{ m(missing) }}{{ m(1) }}', 'false,false,true,'],
    ["{% macro m(a='d') %}[{{ a }}]{% endmacro %}{{ m(missing) }}{{ m() }}", '[][d]'],
    ['{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}', '[1,2]{"a":3}'],
    ['{% macro m(a) %}[{{ a.b.c }}]{% endmacro %}{{ m({"b": {}}) }}', '[]'],
    // scopes
    ['{% macro m() %}{{ x }}{% endmacro %}{{ m() }}', 'ctx'],
    ['{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}{% set x = 3 %}{{ m() }}', '23'],
    ['{% macro m() %}[{{ i }}{{ loop }}]{% endmacro %}{% for i in list %}{{ m() }}{% endfor %}', '[][][]'],
    ['{% for i in list %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}', '312'],
    ['{% set a = 1 %}{% for i in [1] %}{% macro m() %}{{ a }}{{ i }}{% endmacro %}{% set a = 2 %}{{ m() }}{% endfor %}{{ a }}', '211'],
    ['{% macro m(a) %}{% set a = 5 %}{% set z = 6 %}{{ a }}{% endmacro %}{{ m(1) }}[{{ z }}{{ a }}]', '5[]'],
    ['{% macro o() %}{% macro i() %}I{{ y }}{% endmacro %}{% set y = 4 %}{{ i() }}{% endmacro %}{{ o() }}{{ i is defined }}', 'I4false'],
    ['{% if true %}{% macro m() %}M{% endmacro %}{% endif %}{{ m() }}', 'M'],
    // recursion, and one that is defined later
    ['{% macro m(n) %}{% if n > 0 %}{{ n }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(4) }}', '4321'],
    ['{% macro t(e) %}{{ e.v }}{% for k in e.kids %}({{ t(k) }}){% endfor %}{% endmacro %}{{ t(tree) }}', '1(2(3))(4)'],
    ['{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}', 'B'],
    // what they give is text like any
    ["{% macro m() %}M{% endmacro %}{{ m() | lower }}{{ m() ~ 'x' }}{{ (m() ~ m()) | length }}{{ [m()] | join }}", 'mMx2M'],
    ['{% macro m(a) -%} {{ a }} {%- endmacro %}[{{ m(1) }}]', '[1]'],
    ['{% macro m() %}M{% endmacro %}{% set v = m() %}{{ v }}{% if m() == "M" %}!{% endif %}', 'M!'],
    // they are values
    ["{% macro m(f) %}{{ f('z') }}{% endmacro %}{% macro g(q) %}<{{ q }}>{% endmacro %}{{ m(g) }}", '<z>'],
    ['{% macro g(q) %}<{{ q }}>{% endmacro %}{% set f = g %}{{ f(1) }}{{ g }}{{ g.name }}', "<1><Macro 'g'>g"],
    ['{% macro g() %}{% endmacro %}{{ g is callable }} {{ n is callable }} {{ g is defined }}', 'true false true'],
    // names of functions
    ['{{ range(2) }}{% macro range(n, a, b, c) %}R{{ n }}{% endmacro %}{{ range(3) }}', '[0,1]R3'],
    ['{% set today = today() %}{{ today() }}', '2026-02-03'],
    ['{% macro m() %}{{ today() }}{{ range(2) }}{% endmacro %}{{ m() }}', '2026-02-03[0,1]'],
  ])('%s', (text, expected) => expect(render(text)).toEqual(expected));

  it.each<[string, Json]>([
    ['{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{{ n }}{% endcall %}', '<in5>'],
    ['{% macro m(rows) %}{% for r in rows %}{{ caller(r, loop.index) }};{% endfor %}{% endmacro %}{% call(r, i) m(people) %}{{ i }}{{ r.name }}{% endcall %}', '1Ann;2Bob;'],
    ["{% macro m() %}{{ caller() if caller else 'none' }}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}", 'nonex'],
    ['{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}', 'false'],
    ['{% macro m(caller=1) %}{{ caller }}{% endmacro %}{{ m(2) }}{{ m() }}', '21'],
    ['{% macro a() %}({{ caller() }}){% endmacro %}{% macro b() %}[{{ caller() }}]{% endmacro %}{% call a() %}{% call b() %}x{% endcall %}{% endcall %}', '([x])'],
    ['{% macro m() %}{% with k = 1 %}{{ caller(k) }}{% endwith %}{% endmacro %}{% call(z) m() %}{{ z }}{{ k }}{% endcall %}', '1'],
    ['{% macro m() %}{{ caller(1) }}{% endmacro %}{% call(a, b=2) m() %}{{ a }}{{ b }}{% endcall %}', '12'],
    ['{% macro m() %}{{ caller() }}{% endmacro %}{% for i in list %}{% call m() %}{{ i }}{{ loop.index }} {% endcall %}{% endfor %}', '31 12 23 '],
    ['{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{% set y = 1 %}{{ y }}{% endcall %}[{{ y }}]', '1[]'],
  ])('%s', (text, expected) => expect(render(text)).toEqual(expected)); // prettier-ignore

  it.each([
    ['{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}', /no caller/],
    ['{% macro a() %}{{ caller() }}{% endmacro %}{% macro b() %}{% call a() %}{{ caller() }}{% endcall %}{% endmacro %}{% call b() %}x{% endcall %}', /no caller/],
    ['{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}', /macro m .*caller/],
    ['{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}', /macro m takes at most 1/],
    ['{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}', /macro m has no argument a/],
    ['{% macro m(a) %}{{ a }}{% endmacro %}{{ m(q=2) }}', /macro m has no argument q/],
    ['{% if false %}{% macro m() %}M{% endmacro %}{% endif %}{{ m() }}', /m is undefined/],
    ['{% set f = 3 %}{{ f() }}', /f is a number/],
    ['{% macro m() %}{{ caller(1, 2, 3) }}{% endmacro %}{% call(a, b=2) m() %}{{ a }}{{ b }}{% endcall %}', /at most 2/],
    ['{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(__proto__=1) }}', /refused/],
    ['{% call range(3) %}x{% endcall %}', /range/],
  ])('%s fails the step', (text, message) => {
    expect(() => render(text)).toThrow(TemplateError);
    expect(() => render(text)).toThrow(message);
  }); // prettier-ignore

  it.each([
    ['{% macro m(a, b=1, c) %}{% endmacro %}', /c/],
    ['{% macro m(a, a) %}{% endmacro %}', /twice/],
    ['{% macro m(a,) %}{% endmacro %}', /name/],
    ['{% macro m %}{% endmacro %}', /\(/],
    ['{% macro true() %}{% endmacro %}', /assigned/],
    ['{% macro m(caller) %}{{ caller }}{% endmacro %}', /caller/],
    ['{% call n %}{% endcall %}', /call/],
    ['{% call n() | upper %}{% endcall %}', /call/],
    ['{% macro m() %}', /endmacro/],
    ['{% call n() %}', /endcall/],
    ['{{ m() }}{% macro m() %}{% endmacro %}', /no function m/],
    ['{% macro m() %}{{ nosuch() }}{% endmacro %}', /no function nosuch/],
    ['{% macro m() %}{% endmacro %}{{ m()() }}', /called/],
    ['{% macro m() %}{% endmacro %}{{ {"a": m}.a() }}{{ [m][0]() }}', /called/],
  ])('refuses %s', (text, message) => {
    expect(() => compileTemplate(text)).toThrow(TemplateSyntaxError);
    expect(() => compileTemplate(text)).toThrow(message);
  });

  it('names what it read', () => {
    const { names } = compileTemplate(
      '{% macro m(a, b=y) %}{{ a }}{{ x }}{{ m(1) }}{{ caller() }}{% endmacro %}{{ a }}{% call(q) m(z) %}{{ q }}{{ w }}{% endcall %}',
    );
    expect([...names].sort()).toEqual(['a', 'w', 'x', 'y', 'z']);
  });

  it('is never lone: what it gives is text', () => {
    expect(render('{% macro m() %}5{% endmacro %}{{ m() }}')).toBe('5');
  });
});

describe('hostile macros', () => {
  it.each([
    '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
    '{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}',
    '{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}',
    '{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}',
    '{% macro m(f) %}{{ f(f) }}{% endmacro %}{{ m(m) }}',
    '{% macro m(a=m()) %}{{ a }}{% endmacro %}{{ m() }}',
    '{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{% call m() %}x{% endcall %}',
    '{% macro m() %}{{ caller() }}{% endmacro %}{% macro r() %}{% call m() %}{{ r() }}{% endcall %}{% endmacro %}{{ r() }}',
    '{% macro m() %}{% for i in range(10**9) %}x{% endfor %}{% endmacro %}{{ m() }}',
    '{% macro m() %}{% for i in range(1000) %}x{% endfor %}{% endmacro %}{% for i in range(10000) %}{{ m() }}{% endfor %}',
    '{% macro m(a) %}{{ a ~ a }}{% endmacro %}{% set ns = namespace(v="xxxxxxxx") %}{% for i in range(60) %}{% set ns.v = m(ns.v) %}{% endfor %}{{ ns.v }}',
    `{% macro m(a) %}${'{{ a }}'.repeat(16)}{% endmacro %}{{ m(m(m(m(m(m(m("x"))))))) }}`,
    `{% macro m() %}{{ ${'('.repeat(90)}m()${')'.repeat(90)} }}{% endmacro %}{{ m() }}`,
    `{% macro m() %}{{ ""${' ~ ""'.repeat(900)} ~ m() }}{% endmacro %}{{ m() }}`,
    `{% macro m() %}{{ ${'0 + '.repeat(900)}m() }}{% endmacro %}{{ m() }}`,
    `{% macro m() %}${'{% if true %}'.repeat(95)}{{ m() }}${'{% endif %}'.repeat(95)}{% endmacro %}{{ m() }}`,
    `{% macro m() %}${'{% for i in [1] %}'.repeat(95)}{{ m() }}${'{% endfor %}'.repeat(95)}{% endmacro %}{{ m() }}`,
    '{% filter upper %}{% for i in range(10**9) %}x{% endfor %}{% endfilter %}',
    `${'{% filter upper %}'.repeat(60)}{% for i in range(60000) %}xxxxxxxxxxxxxxxx{% endfor %}${'{% endfilter %}'.repeat(60)}`,
    `{% with a = 'x' %}${'{% with a = a ~ a %}'.repeat(60)}{{ a }}${'{% endwith %}'.repeat(60)}{% endwith %}`,
  ])('%.70s is cut', (text) => {
    expect(() => render(text)).toThrow(expect.objectContaining({ code: 'template_limit' }));
  }); // prettier-ignore

  it('says that a macro calls itself too often', () => {
    expect(() => render('{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}')).toThrow(/macros.* deep/);
  });

  it('lets trees be as deep as values may be', () => {
    const depth = '{% macro m(n) %}{% if n > 1 %}{{ m(n - 1) }}{% else %}end{% endif %}{% endmacro %}';
    expect(render(`${depth}{{ m(100) }}`)).toBe('end');
    expect(() => render(`${depth}{{ m(101) }}`)).toThrow(expect.objectContaining({ code: 'template_limit' }));
  });

  it('counts text once, however many macros it goes through', () => {
    const text = 'x'.repeat(300_000);
    const wrapped = `{% macro a() %}${text}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{% macro c() %}{{ b() }}{% endmacro %}{{ c() }}`;
    expect(render(wrapped)).toBe(text);
  });

  it.each([
    '{% macro m(a) %}{{ a.constructor }}{{ a["__proto__"] }}{{ m.constructor }}{{ m["__proto__"] }}{{ m.form }}{{ m.call }}{{ m.closure }}{% endmacro %}{{ m({}) }}',
    '{% macro constructor() %}{% endmacro %}{{ constructor }}', '{% with constructor = 1, __proto__ = 2 %}{{ constructor }}{{ __proto__ }}{% endwith %}',
    '{% macro m(__proto__, constructor=1) %}{{ __proto__ }}{{ constructor }}{% endmacro %}{{ m(1) }}',
    '{% macro m() %}{{ caller.constructor }}{{ caller.form }}{{ caller["__proto__"] }}{% endmacro %}{% call m() %}{% endcall %}',
    '{% macro m() %}{% endmacro %}{{ m | attr("constructor") }}{{ [m] | map(attribute="constructor") | first }}',
  ])('%s finds nothing', (text) => expect(render(text)).toBe('')); // prettier-ignore

  it('leaves as text what would be a macro outside of its template', () => {
    expect(render('{% macro m() %}{% endmacro %}{{ [m] | tojson }}')).toBe('["<Macro \'m\'>"]');
  });
});

describe('compilation', () => {
  it('takes time linear in nested calls', () => {
    const nested = `${'dict(a='.repeat(90)}1${')'.repeat(90)}`;
    expect(render(`{% macro m() %}{{ ${nested} | length }}{% endmacro %}{{ m() }}`)).toBe('1');
  });
});
