import { SecretSession } from '../auth/secret-markers.js';
import { compileTemplate } from './compile-template.js';
import { Rendering } from './rendering.js';

/** Renders with `secret`, and `zero` that is 0. */
function render(text: string): unknown {
  const rendering = new Rendering({ now: '2026-01-01T00:00:00Z', random: () => 0.5, nextId: () => '1' });
  const session = (rendering.secrets = new SecretSession(() => 'ab'.repeat(16), true));
  const secret = session.mark({ secret: 'demo' });
  return compileTemplate(text).render({ lookup: (name) => ({ secret, zero: 0, list: [secret] })[name] }, rendering);
}

describe('a text with a secret in it', () => {
  it.each([
    ['by a number', '{{ secret[0] }}'],
    ['by a value', '{{ secret[zero] }}'],
    ['of a set block', '{% set x %}<{{ secret }}>{% endset %}{{ x[zero] }}'],
    [
      'of a macro',
      '{% macro m() %}{{ caller() }}{% endmacro %}{% set x %}{% call m() %}{{ secret }}{% endcall %}{% endset %}{{ x[zero] }}',
    ],
    ['of kwargs', '{% macro m() %}{{ kwargs.a[kwargs.b] }}{% endmacro %}{{ m(a=secret, b=0) }}'],
    ['in a filter block', '{% filter upper %}{{ secret }}{% endfilter %}'],
    ['with the filters of a set block', '{% set x | length %}{{ secret }}{% endset %}'],
    ['by the test of another filter', '{{ list | select("lower") | list }}'],
    ['by a path', '{{ list | map(attribute="0") | list }}'],
    ['by attr', '{{ [secret] | first | attr("0") }}'],
  ])('is not looked into: %s', (_name, text) => expect(() => render(text)).toThrow('cannot be applied to a secret'));

  it('stays one through macros and blocks', () => {
    const marker = `__secret_${'ab'.repeat(16)}_0__`;
    expect(render('{% macro m(x) %}<{{ x }}{{ caller() }}>{% endmacro %}{% call m(secret) %}{{ secret }}{% endcall %}')).toBe(
      `<${marker}${marker}>`,
    );
  });
});
