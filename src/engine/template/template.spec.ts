import { renderingWith, scopeOf, TEMPLATE_WORLD as world } from '../testing/rendered.js';
import { type Json, type JsonObject } from '../values.js';
import { Rendering, RENDER_LIMITS } from './rendering.js';
import { compileCondition, compileTemplate, compileValue, isTruthy, TemplateError, TemplateSyntaxError } from './template.js';

const SCOPE: JsonObject = {
  n: 5, name: 'Ada', empty: '', zero: 0, no: 'no', nil: null, list: [3, 1, 2], words: ['b', 'A', 'c'],
  user: { name: 'Ada', age: 36, 'a-b': 1 }, rows: [{ k: 'x', v: 1 }, { k: 'y', v: 2 }, { k: 'x', v: 3 }],
  hostile: '{{ n }}',
}; // prettier-ignore

const render = renderingWith(SCOPE);

describe(compileTemplate.name, () => {
  it.each<[string, Json]>([
    // lone expressions are native, text is text
    ['{{ n }}', 5],
    [' {{ user }} ', { name: 'Ada', age: 36, 'a-b': 1 }],
    ['{{ list }}', [3, 1, 2]],
    ['n={{ n }}', 'n=5'],
    ['{{ n }}{{ n }}', '55'],
    ['u={{ user.list }}|{{ list }}|{{ nil }}|{{ true }}', 'u=|[3,1,2]||true'],
    ['{{ missing }}', null],
    ['{{ missing.a.b[0] }}', null],
    ['{{}}', ''],
    ['a{{ }}b', 'ab'],
    ['{{ hostile }}', '{{ n }}'],
    ['{{ "{{ n }}" }}', '{{ n }}'],
    // access
    ['{{ user["a-b"] }}', 1],
    ['{{ list[-1] }}', 2],
    ['{{ list.0 }}', 3],
    ['{{ list[1:] }}', [1, 2]],
    ['{{ list[::-1] }}', [2, 1, 3]],
    ['{{ name[:2] }}', 'Ad'],
    ['{{ "a😀b"[1] }}', '😀'],
    // operators
    ['{{ 7 // 2 }}', 3],
    ['{{ -7 // 2 }}', -4],
    ['{{ -7 % 3 }}', 2],
    ['{{ 7 / 2 }}', 3.5],
    ['{{ -2 ** 2 }}', 4],
    ['{{ 2 ** 3 ** 2 }}', 64],
    ['{{ -5 | abs }}', 5],
    ['{{ 1 + 2 * 3 }}', 7],
    ['{{ "a" ~ 1 ~ none ~ [1] }}', 'a1[1]'],
    ['{{ "ab" * 2 }}', 'abab'],
    ['{{ [1] + [2] }}', [1, 2]],
    ['{{ 1 == 1.0 and {"a": [1]} == {"a": [1]} }}', true],
    ['{{ 1 < n < 6 }}', true],
    ['{{ 1 < n < 3 }}', false],
    ['{{ "d" in name and "x" not in name and "name" in user and 3 in list }}', true],
    ['{{ empty or name }}', 'Ada'],
    ['{{ no and 1 }}', 1],
    ['{{ not zero }}', true],
    ['{{ "y" if n > 3 else "z" }}', 'y'],
    ['{{ "y" if n > 9 }}', null],
    ['{{ x is defined or n is not none }}', true],
    ['{{ n is divisibleby 5 and n is odd }}', true],
    ['{{ n is in [5, 6] if n is defined else 0 }}', true],
    ['{{ (1, 2) }}', [1, 2]],
    ['{{ {"a": {"b": 1}} }}', { a: { b: 1 } }],
    ['{{ {"a":{"b":1}}}}', { a: { b: 1 } }],
    ["{{ ['a','b'] | join('\n') }}", 'a\nb'],
    ["{{ 'a\\n\\'\\d' }}", "a\n'\\d"],
    // filters
    ['{{ missing.x | default("d") }}', 'd'],
    ['{{ empty | default("d", true) }}', 'd'],
    ['{{ nil | default("d") }}', null],
    ['{{ user | tojson }}', '{"name":"Ada","age":36,"a-b":1}'],
    ['{{ "[1, 2]" | fromjson }}', [1, 2]],
    ['{{ "30" | int + 1 }}', 31],
    ['{{ ["x" | int, "x" | int(7), "3.9" | int, "ff" | int(0, 16), "2.5" | float] }}', [0, 7, 3, 255, 2.5]],
    ['{{ [2.5 | round, 3.5 | round, 2.675 | round(2), 2.71 | round(1, "floor"), 0.125 | round(2)] }}', [2, 4, 2.67, 2.7, 0.12]],
    ['{{ words | sort }}', ['A', 'b', 'c']],
    ['{{ list | sort(reverse=true) }}', [3, 2, 1]],
    ['{{ rows | map(attribute="v") | sum }}', 6],
    ['{{ rows | map(attribute="q", default=0) | list }}', [0, 0, 0]],
    ['{{ words | map("upper") | join("-") }}', 'B-A-C'],
    ['{{ rows | selectattr("k", "eq", "x") | map(attribute="v") | list }}', [1, 3]],
    ['{{ rows | rejectattr("v", "gt", 1) | length }}', 1],
    ['{{ list | select("odd") | list }}', [3, 1]],
    ['{{ (rows | groupby("k"))[0].grouper }}', 'x'],
    [
      '{{ list | batch(2, 0) }}',
      [
        [3, 1],
        [2, 0],
      ],
    ],
    [
      '{{ {"b": 1, "a": 2} | dictsort }}',
      [
        ['a', 2],
        ['b', 1],
      ],
    ],
    ['{{ ["a", "A", "b"] | unique | list }}', ['a', 'b']],
    ['{{ [list | min, list | max, list | first, list | last] }}', [1, 3, 3, 2]],
    ['{{ "hello world" | title }}', 'Hello World'],
    ['{{ "foo bar baz" | truncate(9, leeway=0) }}', 'foo...'],
    ['{{ "%s-%03d-%.1f" | format(name, 7, 1.25) }}', 'Ada-007-1.2'],
    ['{{ "a1b22" | regex_replace("[0-9]+", "<\\\\g<0>>") }}', 'a<1>b<22>'],
    ['{{ "ab" | b64encode | b64decode }}', 'ab'],
    ['{{ "a b&c/d" | urlencode }}', 'a%20b%26c/d'],
    ['{{ now() | date("%d.%m.%Y %H:%M") }} {{ "2026-01-02" | date }}', '03.02.2026 04:05 2026-01-02'],
    ['{{ now() }}', '2026-02-03T04:05:06.789Z'],
    ['{{ uuid() | length }} {{ get_snowflake_id() }} {{ range(3) }} {{ today() }}', '36 42 [0,1,2] 2026-02-03'],
    ['{{ dict(a=1, b=n) }}', { a: 1, b: 5 }],
    // methods
    ['{{ user.get("name") ~ user.get("q", "d") }}', 'Adad'],
    ['{{ "a,b".split(",") }}', ['a', 'b']],
    ['{{ " x ".strip().upper().startswith("X") }}', true],
    ['{{ user.items() | length }}', 3],
    // statements
    ['{% if n > 3 %}a{% elif n %}b{% else %}c{% endif %}', 'a'],
    ['{% if n > 9 %}a{% elif n > 4 %}b{% else %}c{% endif %}', 'b'],
    ['{% for x in list if x > 1 %}{{ loop.index }}/{{ loop.length }}={{ x }};{% else %}none{% endfor %}', '1/2=3;2/2=2;'],
    ['{% for x in [] %}x{% else %}none{% endfor %}', 'none'],
    ['{% for k, v in user.items() %}{{ k }}:{{ v }}{{ "," if not loop.last }}{% endfor %}', 'name:Ada,age:36,a-b:1'],
    ['{% set a = n + 1 %}{{ a }}{% if true %}{% set a = 9 %}{% endif %}{{ a }}', '69'],
    ['{% set a %}x{{ n }}{% endset %}[{{ a }}]', '[x5]'],
    ['{% set a = 1 %}{% for x in list %}{% set a = x %}{% endfor %}{{ a }}.', '1.'],
    ['a {{- n -}} b {#- c -#} d', 'a5bd'],
    ['{% raw %}{{ n }}{% endraw %}', '{{ n }}'],
  ])('%s', (text, expected) => expect(render(text)).toEqual(expected));

  it.each([
    '{{ n', '{% if n %}', '{{ n + }}', '{{ n | nosuch }}', '{{ n is nosuch }}', '{{ nosuch() }}', '{{ n() () }}', "{{ 'a }}", '{{ a b }}',
    "{% include 'x' %}", "{% extends 'x' %}", '{% block f %}{% endblock %}', '{% import "x" as y %}', '{# open', '{{ n | default(1, 2, 3) }}',
    '{{ n | default(nope=1) }}', '{{ 1e999 }}', `{{ ${'('.repeat(200)} }}`, `{{ 1${'+1'.repeat(5_000)} }}`,
  ])('refuses %.40s', (text) => expect(() => compileTemplate(text)).toThrow(TemplateSyntaxError)); // prettier-ignore

  it('says where a mistake is', () => {
    expect(() => compileTemplate('one\ntwo {{ n | }}')).toThrow(expect.objectContaining({ line: 2, column: 12 }));
  });

  it.each(['{{ 1 / 0 }}', '{{ name + 1 }}', '{{ name < 1 }}', '{{ nil.get("x") }}', '{{ name.translate({}) }}', '{{ 10 ** 400 }}'])(
    '%s fails the step',
    (text) => {
      expect(() => render(text)).toThrow(TemplateError);
    },
  );

  it('names what it read', () => {
    const { names } = compileTemplate('{% set a = x %}{{ a }}{% for r in rows %}{{ r.k }}{{ y | default(z) }}{% endfor %}{{ now() }}');
    expect([...names].sort()).toEqual(['rows', 'x', 'y', 'z']);
  });

  it('warns about undefined roots', () => {
    const rendering = new Rendering(world);
    render('{{ nope.a }}', rendering);
    render('x {{ nada }} {{ nada | default("") }}', rendering);
    expect(rendering.warnings).toEqual(['nope.a is undefined', 'nada is undefined']);
  });
});

describe('hostile templates', () => {
  it.each([
    '{{ user.constructor }}', '{{ user["__proto__"] }}', '{{ name.constructor.constructor }}', '{{ user["con" ~ "structor"] }}', '{{ list.map }}',
    '{{ constructor }}', '{{ user.toString }}', '{{ name.length }}', '{{ user | map(attribute="constructor") | first }}', '{{ user.get("__proto__") }}',
    '{{ process }}', '{{ globalThis }}', '{{ [user] | map(attribute="__proto__.polluted") | first }}', '{{ loop }}', '{{ self }}',
  ])('%s finds nothing', (text) => expect(render(text)).toBeNull()); // prettier-ignore

  it.each([
    '{{ user.constructor("return 1")() }}', '{{ [].constructor.constructor("return process")() }}', '{{ name.toString() }}',
    '{{ {"__proto__": {"x": 1}} }}', '{{ \'{"__proto__": 1}\' | fromjson }}', '{{ "{0.__class__}".format(n) }}', '{{ list.push(1) }}',
  ])('%s is refused', (text) => {
    expect(() => render(text)).toThrow(/TemplateSyntaxError|TemplateError|unknown method|refused|called/);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  }); // prettier-ignore

  it.each([
    '{% for i in range(10**9) %}x{% endfor %}', '{{ "a" * 10**9 }}', '{{ [0] * 10**9 }}', '{% for i in range(5000) %}{{ "%999d" | format(1) }}{% endfor %}',
    '{% for a in range(2000) %}{% for b in range(2000) %}{% endfor %}{% endfor %}',
    `{% set a = [1] %}${'{% set a = [a, a] %}'.repeat(60)}{{ a }}`, `{% set a = [1] %}${'{% set a = [a] %}'.repeat(5000)}{{ a | tojson }}`,
    `{% set a = 'x' %}${'{% set a = a ~ a %}'.repeat(60)}{{ a }}`, '{{ (["a" * 100000] * 1000) | join }}', '{{ (range(100000) | list) | join("aaaaaaaaaaaaaaaaaaaa") }}',
    `{{ ("aab" * 20000) | regex_search("(a|b)*a[ab]{900}[cd]") }}`, `{{ ("ab" * 20000) | regex_replace("(?:(a|b)?){900}(c|d)", "") }}`,
    `{{ "a" | regex_search("(?:${'a'.repeat(480)}){1000}") }}`, `{{ "a" | regex_search("((${'a'.repeat(480)}){100}){10}") }}`,
  ])('%.60s is cut', (text) => {
    expect(() => render(text)).toThrow(expect.objectContaining({ code: 'template_limit' }));
  }); // prettier-ignore

  it.each([
    '{{ ("2026-01-02" * 9000) | regex_search("^[0-9]{4}-[0-9]{2}-[0-9]{3}$") }}',
    '{{ ("ab" * 400) | regex_search("(a|b)*a[ab]{900}[cd]") }}',
  ])('%.60s is not cut', (text) => expect(render(text)).toBe(false));

  it('looks at the clock after each search of a replacement', () => {
    let ms = 0;
    const rendering = new Rendering({ ...world, monotonic: () => (ms += 200) }, RENDER_LIMITS);
    expect(() => render('{{ ("a" * 1000) | regex_replace("a.*z|a", "b") }}', rendering)).toThrow(
      expect.objectContaining({ code: 'template_limit', message: expect.stringContaining('500 ms') }),
    );
  });

  it('stops at the CPU net', () => {
    let ms = 0;
    const rendering = new Rendering({ ...world, monotonic: () => (ms += 200) }, RENDER_LIMITS);
    expect(() => render('{% for i in range(200000) %}{% endfor %}', rendering)).toThrow(
      expect.objectContaining({ code: 'template_limit', message: expect.stringContaining('500 ms') }),
    );
  });
});

describe(compileValue.name, () => {
  it('renders inside mappings and lists, keeps keys and shares constants', () => {
    const fixed = { deep: ['x', 1] };
    const value = compileValue({ a: '{{ n }}', '{{ n }}': [true, 'n {{ n }}'], fixed });
    const rendered = value.render(scopeOf(SCOPE), new Rendering(world)) as JsonObject;
    expect(rendered).toEqual({ a: 5, '{{ n }}': [true, 'n 5'], fixed });
    expect(rendered['fixed']).toBe(fixed);
    expect([...value.names]).toEqual(['n']);
  });

  it('gives the value before tojson', () => {
    expect(compileValue('{{ user | tojson }}').render(scopeOf(SCOPE), new Rendering(world))).toEqual(SCOPE['user']);
  });
});

describe(compileCondition.name, () => {
  it.each<[Json, boolean]>([
    ['{{ n > 3 }}', true], ['n > 3', true], ['n > 9', false], ['missing.x', false], ['enabled', true], ['false', false], ['No', false], ['', false],
    [true, true], [0, false], ['{{ no }}', false], ['{{ missing }}', false], ['{{ list[9:] }}', false], ['run always please', true], ['not zero', true],
  ])('%j is %s', (condition, expected) => expect(compileCondition(condition).isTrue(scopeOf(SCOPE), new Rendering(world))).toBe(expected)); // prettier-ignore
});

describe(isTruthy.name, () => {
  it.each<[Json, boolean]>([['OFF', false], [' none ', false], ['0', true], [[], false], [{}, false], [[0], true], ['x', true]])('%j', (value, truth) => expect(isTruthy(value)).toBe(truth)); // prettier-ignore
});
