import { renderingWith, TEMPLATE_WORLD } from '../testing/rendered.js';
import { type Json, type JsonObject } from '../values.js';
import { Rendering } from './rendering.js';
import { compileTemplate, TemplateError, TemplateSyntaxError } from './template.js';

const people = [
  { name: 'Ann', age: 30, active: true },
  { name: 'Bob', age: 25, active: false },
  { name: 'Cid', age: 41, active: true },
];
const VALUES: JsonObject = {
  people,
  list: [3, 1, 2],
  text: 'Hello World',
  teams: [
    { name: 'Ann', team: 'a' },
    { name: 'Bob', team: 'b' },
    { name: 'Cid', team: 'a' },
  ],
  pi: 3.14159,
  none: null,
};

const render = renderingWith(VALUES);

/** What Jinja itself gives for each, but for how null, true and lists are written in text. */
describe('idioms of Jinja', () => {
  it.each<[string, Json]>([
    // texts made of values
    ['{{ "%s is %d, %.1f%%" % ("a", 5, 2.25) }}', 'a is 5, 2.2%'],
    ['{{ "%05d" % 42 }}', '00042'],
    ['{{ "%(name)s:%(age)d" % people[0] }}', 'Ann:30'],
    ['{{ 7 % 4 }}', 3],
    ['{{ "{} is {}".format("a", 5) }}', 'a is 5'],
    ['{{ "{1}-{0}-{name}".format("a", "b", name="c") }}', 'b-a-c'],
    ['{{ "{:.2f}|{:>6}|{:<4}|{:^5}|{:05d}|{:,}|{:.1%}|{:x}".format(pi, "ab", 1, "m", 42, 1234567, 0.256, 255) }}', '3.14|    ab|1   |  m  |00042|1,234,567|25.6%|ff'],
    ['{{ "{:+d}|{:*^8}|{:08.3f}|{:,.2f}|{:.3}|{:e}".format(5, "ab", -pi, 1234567.891, "abcdef", 12345.678) }}', '+5|***ab***|-003.142|1,234,567.89|abc|1.234568e+04'],
    ['{{ "{{}} {:.1f} {:.0f}".format(2.25, 2.5) }}', '{} 2.2 2'],
    // methods of texts
    ['{{ [text.find("World"), text.find("x"), text.rfind("o"), text.count("o"), "aaa".count("aa")] }}', [6, -1, 7, 2, 1]],
    ['{{ ["5".zfill(3), "-5".zfill(4), "ab".ljust(4, "."), "ab".rjust(4)] }}', ['005', '-005', 'ab..', '  ab']],
    ['{{ ["12".isdigit(), "1.5".isdigit(), "".isdigit(), "ab".isalpha(), "a1".isalnum(), "AB".isupper(), "ab".islower(), " ".isspace()] }}', [true, false, false, true, true, true, true, true]],
    ['{{ ["a-b-c".rsplit("-", 1), "a b  c ".rsplit(none, 1), "a-b-c".rsplit("-", 0)] }}', [['a-b', 'c'], ['a b', 'c'], ['a-b-c']]],
    ['{{ ["x\\ny\\n".splitlines(), "a\\n\\nb".splitlines(), "".splitlines()] }}', [['x', 'y'], ['a', '', 'b'], []]],
    ['{{ ["a=b=c".partition("="), "abc".partition("="), "a.b.c".rpartition("."), "abc".rpartition(".")] }}', [['a', '=', 'b=c'], ['abc', '', ''], ['a.b', '.', 'c'], ['', '', 'abc']]],
    ['{{ ["a/b.yaml".removesuffix(".yaml"), "a/b.yaml".removeprefix("a/"), "x".endswith(("y", "x"))] }}', ['a/b', 'b.yaml', true]],
    ['{{ now().strftime("%Y/%m/%d %H") }}', '2026/02/03 04'],
    // lists
    ['{{ [list.index(1), list.count(3), list.copy()] }}', [1, 1, [3, 1, 2]]],
    ['{{ [[1], [2, 3]] | sum(start=[]) }}', [1, 2, 3]],
    ['{{ [{"l": [1]}, {"l": [2]}] | sum(attribute="l", start=[]) }}', [1, 2]],
    ['{{ [1, 2, 3, 4, 5, 6, 7] | slice(3) | list }}', [[1, 2, 3], [4, 5], [6, 7]]],
    ['{{ [1, 2, 3, 4, 5, 6, 7] | slice(3, 0) | list }}', [[1, 2, 3], [4, 5, 0], [6, 7, 0]]],
    ['{{ list | random }}', 1],
    ['{{ [[{"v": 1}, {"v": 2}], [{"v": 5}]] | map("sum", attribute="v") | list }}', [3, 5]],
    ['{{ [[3, 1], [2]] | map("sort", reverse=true) | list }}', [[3, 1], [2]]],
    ['{{ [1.234, 2.345] | map("round", precision=1) | list }}', [1.2, 2.3]],
    ['{{ ["a", none] | map("default", default_value="x", boolean=true) | list }}', ['a', 'x']],
    ['{{ [[1, 2], [3]] | map("map", "string") | map("join", d="-") | list }}', ['1-2', '3']],
    ['{{ ["ab" | center(5), "<a>x</a>  y" | striptags] }}', ['  ab ', 'x y']],
    // groups are pairs whose parts have names
    ['{% for k, items in teams | groupby("team") %}{{ k }}:{% for i in items %}{{ i.name }}{% endfor %};{% endfor %}', 'a:AnnCid;b:Bob;'],
    ['{% for g in teams | groupby("team") %}{{ g.grouper }}{{ g[0] }}{{ g.list | length }}{{ g[1] | length }}{{ g | length }}{{ g | first }};{% endfor %}', 'aa222a;bb112b;'],
    ['{{ teams | groupby("team") | map(attribute="grouper") | join }} {{ teams | groupby("team") | map(attribute=0) | join }} {{ teams | groupby("team") | map("first") | join }}', 'ab ab ab'],
    ['{{ teams | groupby("team") | map(attribute="1.0.name") | join }} {{ (teams | groupby("team") | map(attribute="list") | first | last).name }}', 'AnnBob Cid'],
    ['{{ dict(teams | groupby("team")).a | length }}', 2],
    ['{{ (teams | groupby("team") | sort(attribute="grouper", reverse=true) | first).grouper }}', 'b'],
    ['{{ [{"k": 1, "v": "x"}] | groupby("k") }}', [[1, [{ k: 1, v: 'x' }]]]],
    ['{{ [[1, 2]][0].grouper is defined }}', false],
    ['{{ [{"k": none}, {"j": 1}] | map(attribute="k", default="z") | list }}', [null, 'z']],
    // what is made step by step
    ['{% set r = [] %}{% for p in people %}{% set _ = r.append(p.name) %}{% endfor %}{{ r | join("+") }}', 'Ann+Bob+Cid'],
    ['{% set r = [0] %}{% set _ = r.extend(list) %}{{ r | join }}', '0312'],
    ['{% set r = {} %}{% for p in people %}{{ r.update({p.name: p.age}) or "" }}{% endfor %}{{ r.Bob + r.Cid }}', '66'],
    ['{% set r = dict(a=1) %}{% set _ = r.update(b=2) %}{% set c = list.copy() %}{% set _ = c.append(9) %}{{ r | length }}{{ c | length }}{{ list | length }}', '243'],
    ['{% set ns = namespace(total=0) %}{% for p in people if p.active %}{% set ns.total = ns.total + p.age %}{% endfor %}{{ ns.total }}', '71'],
    ['{% set ns = namespace(names=[], best=none) %}{% for p in people %}{% if ns.best is none or p.age > ns.best.age %}{% set ns.best = p %}{% endif %}{% set _ = ns.names.append(p.name) %}{% endfor %}{{ ns.best.name }} {{ ns.names | join("/") }}', 'Cid Ann/Bob/Cid'],
    ['{% set ns = namespace() %}{% set ns.x = 1 %}{{ ns.x }}{{ ns.y is defined }}', '1false'],
    ['{% for n in list %}{{ loop.cycle("odd", "even") }} {% endfor %}', 'odd even odd '],
    // the line break at the end of a block of YAML
    ['{% if pi > 3 %}yes{% endif %}\n', 'yes'],
    ['{{ text }}!\n\n', 'Hello World!\n'],
    ['no template\n', 'no template\n'],
  ])('%s', (text, expected) => expect(render(text)).toEqual(expected)); // prettier-ignore

  it.each([
    ['what belongs to the run', '{{ list.append(4) }}'],
    ['what belongs to the run, below what is made here', '{% set r = [list] %}{% set _ = r[0].append(4) %}{{ r }}'],
    ['mappings of the run', '{% set _ = people[0].update({"age": 1}) %}{{ people }}'],
  ])('does not change %s', (_what, text) => {
    const before = JSON.stringify(VALUES);
    expect(() => render(text)).toThrow(/changes only what the template has made/);
    expect(JSON.stringify(VALUES)).toBe(before);
  });

  it('leaves pairs of groupby that mean the same as what is read from where they are stored', () => {
    const groups = render('{{ people | groupby("active") }}');
    const names = compileTemplate('{{ groups[0].grouper is defined }}');
    const rendering = new Rendering(TEMPLATE_WORLD);
    expect(names.render({ lookup: () => groups }, rendering)).toBe(false);
  });

  it('cuts what contains itself', () => {
    expect(() => render('{% set r = [] %}{% set _ = r.append(r) %}{{ r }}')).toThrow(expect.objectContaining({ code: 'template_limit' }));
  });

  it.each([
    '{{ "%s %s" % ("a",) }}', '{{ "%d" % "x" }}', '{{ "{}".format() }}', '{{ "{:d}".format("x") }}', '{{ "{a}".format(b=1) }}', '{{ "{0[0]}".format(list) }}', '{{ "{" .format(1) }}',
    '{{ list.index(9) }}', '{{ ["x"] | map("upper", foo=1) | list }}', '{{ [1] | map(foo=1) | list }}', '{{ [1] | map(attribute="a", foo=1) | list }}',
    '{% set q = {} %}{% set q.x = 2 %}', '{% set people.x = 2 %}', '{% set a.b %}x{% endset %}', '{{ people[0].cycle(1) }}', '{{ "a".partition("") }}',
  ])('%s fails the step', (text) => expect(() => render(text)).toThrow(TemplateError)); // prettier-ignore

  it.each(['{{ text.upper(a=1) }}', '{% set a.b, c = 1, 2 %}'])('refuses %s', (text) => {
    expect(() => render(text)).toThrow(TemplateSyntaxError);
  });
});
