import { renderingWith } from '../testing/rendered.js';
import { type Json, type JsonObject } from '../values.js';
import { compileTemplate, TemplateError, TemplateSyntaxError } from './template.js';

const VALUES: JsonObject = { n: 5, list: [3, 1, 2], text: 'Hello' };

const render = renderingWith(VALUES);

/** Each as Jinja2 3.1.6 renders it, but for true. */
describe('blocks with a scope of their own', () => {
  it.each<[string, Json]>([
    ['{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}[{{ a }}]', '15[]'],
    ['{% set a = 7 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}', '177'],
    ['{% with %}{% set q = 1 %}{{ q }}{% endwith %}[{{ q }}]', '1[]'],
    ['{% with a, b = [1, 2] %}{{ a }}{{ b }}{% endwith %}', '12'],
    ['{% with (a, b) = (1, 2), c = 3 %}{{ a }}{{ b }}{{ c }}{% endwith %}', '123'],
    ['{% for i in list %}{% with j = i * 2 %}{{ j }}{{ loop.last }} {% endwith %}{% endfor %}', '6false 2false 4true '],
    ['{% with a = missing %}{{ a is defined }}{% endwith %}', 'false'],
    ['{% with n = n + 1 %}{% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}{% endwith %}{{ n }}', '765'],
    ['{% filter upper %}a{{ text }}{% endfilter %}', 'AHELLO'],
    ["{% filter upper | replace('A', 'b') %}a{{ text }}a{% endfilter %}", 'bHELLOb'],
    ['{% filter indent(2, true) | trim %} a{% endfilter %}!', 'a!'],
    [' {% filter upper %}a{% endfilter %} ', ' A '],
    ['{% filter upper %}{% set v = 1 %}{{ v }}{% endfilter %}[{{ v }}]', '1[]'],
    ["{% filter replace('a', y) %}{% set y = 'Q' %}aa{% endfilter %}", 'QQ'],
    ['{% filter upper %}{% filter replace("b", "c") %}ab{% endfilter %}{% endfilter %}', 'AC'],
    ['{% set a | upper %}x{{ text }}{% endset %}{{ a }}', 'XHELLO'],
    ['{% set a | replace("x", "y") | upper %}x{{ text }}{% endset %}{{ a }}', 'YHELLO'],
    ['{% set a %}{% set b = 1 %}{{ b }}{% endset %}{{ a }}[{{ b }}]', '1[]'],
    ['{% set ns = namespace() %}{% set ns.a %}q{% endset %}{{ ns.a }}', 'q'],
    ['{% set ns = namespace() %}{% set ns.a | upper %}q{% endset %}{{ ns.a }}', 'Q'],
  ])('%s', (text, expected) => expect(render(text)).toEqual(expected));

  it('gives text, whatever the filter makes', () => {
    expect(render('{% filter length %}abc{% endfilter %}')).toBe('3');
    expect(render('{% filter fromjson %}{"a": [1]}{% endfilter %}')).toBe('{"a":[1]}');
  });

  it.each([
    ['{% with a = 1, %}x{% endwith %}', /Expected a name/],
    ['{% with a %}x{% endwith %}', /Expected =/],
    ['{% with a = 1 %}x', /endwith/],
    ['{% filter %}x{% endfilter %}', /filter/],
    ['{% filter nosuch %}x{% endfilter %}', /no filter nosuch/],
    ['{% filter upper %}x', /endfilter/],
    ['{% do list.append(1) %}', /extension.*\{% set _ = … %\}/],
    ['{% for i in list %}{% break %}{% endfor %}', /extension/],
    ['{% for i in list %}{% continue %}{% endfor %}', /extension/],
    ['{% include "x" %}', /not part of this language/],
    ['{% block x %}{% endblock %}', /not part of this language/],
    ['{% endwith %}', /unknown/],
  ])('refuses %s', (text, message) => {
    expect(() => compileTemplate(text)).toThrow(TemplateSyntaxError);
    expect(() => compileTemplate(text)).toThrow(message);
  });

  it('fails where a value cannot be taken apart', () => {
    expect(() => render('{% with a, b = [1] %}{% endwith %}')).toThrow(TemplateError);
  });

  it('names what it read', () => {
    const { names } = compileTemplate(
      '{% with a = x, b = a %}{{ a }}{{ b }}{{ c }}{% endwith %}{{ b }}{% filter replace(d, e) %}{{ f }}{% endfilter %}',
    );
    expect([...names].sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'x']);
  });
});
