import { renderingWith } from '../testing/rendered.js';
import { type Json, type JsonObject } from '../values.js';
import { TemplateError } from './template.js';

const VALUES: JsonObject = {
  n: 5,
  yes: true,
  list: [3, 1, 2],
  long: 'The quick brown fox jumps over the lazy dog and runs far away',
  uni: 'äöü😀ß',
};
const rendered = renderingWith(VALUES);
const render = (expression: string): Json => rendered(`{{ ${expression} }}`);

/** Each as Jinja2 3.1.6 gives it. */
describe('filters of Jinja', () => {
  it.each<[string, Json]>([
    ['[0, 1, 999, 1000, 1023, 1500000, "1000", 13000000000] | map("filesizeformat") | list', ['0 Bytes', '1 Byte', '999 Bytes', '1.0 kB', '1.0 kB', '1.5 MB', '1.0 kB', '13.0 GB']],
    ['[1500000 | filesizeformat(true), 1024 | filesizeformat(binary=true), 1e30 | filesizeformat]', ['1.4 MiB', '1.0 KiB', '1000000.0 YB']],
    ['"<a> & \'" | forceescape', '&lt;a&gt; &amp; &#39;'],
    ['{"class": "a b", "id": "x-5", "n": none, "u": missing, "q": "<\\""} | xmlattr', ' class="a b" id="x-5" q="&lt;&#34;"'],
    ['[{"class": 1} | xmlattr(false), {} | xmlattr]', ['class="1"', '']],
    ['long | wordwrap(20)', 'The quick brown fox\njumps over the lazy\ndog and runs far\naway'],
    ['long | wordwrap(10)', 'The quick\nbrown fox\njumps over\nthe lazy\ndog and\nruns far\naway'],
    ['"abcdefghijklmnop qr" | wordwrap(5)', 'abcde\nfghij\nklmno\np qr'],
    ['"abcdefghijklmnop qr" | wordwrap(5, false)', 'abcdefghijklmnop\nqr'],
    ['"a\\nb c d e f" | wordwrap(4)', 'a\nb c\nd e\nf'],
    ['"a  b   c d" | wordwrap(4)', 'a  b\nc d'],
    ['long | wordwrap(40, wrapstring="|")', 'The quick brown fox jumps over the lazy|dog and runs far away'],
    ['"foo-bar-baz qux" | wordwrap(5)', 'foo-\nbar-\nbaz\nqux'],
    ['"foo-bar-baz qux" | wordwrap(5, break_on_hyphens=false)', 'foo-b\nar-ba\nz qux'],
    ['["a\\nb\\n\\nc" | wordwrap(3), "" | wordwrap, "  lead" | wordwrap(4), "one--two three" | wordwrap(6)]', ['a\nb\n\nc', '', 'lead', 'one--\ntwo\nthree']],
    ['"😀😀😀 😀" | wordwrap(2)', '😀😀\n😀\n😀'],
    ['"<!-- c --><b>a&amp;b</b>  &lt;c&gt; &#65;&#x42;&nbsp;&unknown; &eacute;"|striptags', 'a&b <c> AB\u00a0&unknown; é'],
    ['["a < b" | striptags, "a<b<!-- > -->c>d" | striptags, "<!-- a" | striptags]', ['a < b', 'ad', '<!-- a']],
    ['["abcd" | center(7), "abc" | center(6), "x" | center(7)]', ['  abcd ', ' abc  ', '   x   ']],
    ['["z" | int(0, 36), "0x1f" | int(0, 0), "0o17" | int(base=0), "1_0" | int(0, 2), "42.9" | int(0, 16), "12" | int(0, 7), "-f" | int(base=16)]', [35, 31, 15, 2, 42, 9, -15]],
    ['[n | replace(5, 6), "a5" | replace(5, none ~ "x")]', ['6', 'ax']],
    ['[[1, 2, 3, 4] | slice(2, "x") | list, [] | slice(2, "x") | list]', [[[1, 2, 'x'], [3, 4, 'x']], [['x'], ['x']]]],
    ['[{"a": 1, "b c": "d/e"} | urlencode, [["x", "y z"], ("k", 2)] | urlencode, "a b/c" | urlencode]', ['a=1&b+c=d%2Fe', 'x=y+z&k=2', 'a%20b/c']],
    ['["a-b c_d  e.f" | wordcount, "it is 3 o\'clock" | wordcount, uni | wordcount]', [5, 5, 2]],
    ['["😀😀😀😀" | truncate(3, true, "…", 0), uni | truncate(5), uni | center(7)]', ['😀😀…', 'äöü😀ß', ' äöü😀ß ']],
    // tests
    ['["upper" is filter, "nosuch" is filter, "odd" is test, "nosuch" is test, "<" is escaped]', [true, false, true, false, false]],
    ['[n is sameas 5, yes is sameas 1, true is sameas true, list is sameas list, [1] is sameas [1], none is sameas none]', [true, false, true, true, false, true]],
    // methods
    ['["abca".index("c"), "abca".rindex("a"), "abcd".center(7), "ab".center(6, "*"), "aB".swapcase(), "Straße".casefold()]', [2, 3, '  abcd ', '**ab**', 'Ab', 'strasse']],
    ['["12".isdecimal(), "Hello World".istitle(), "Hello world".istitle(), "ä".isascii(), "a\\tb".expandtabs(4)]', [true, true, false, false, 'a   b']],
    ['["it\'s 1st".title(), "%g %g %g" | format(1234567, 0.00001, 0.5), "%c%c" | format(65, "b"), "1__0" | int(7), "1_0.5" | float]', ["It'S 1St", '1.23457e+06 1e-05 0.5', 'Ab', 7, 10.5]],
    // numbers and powers
    ['[0x1F, 0b101, 0o17, 0xff_ff]', [31, 5, 15, 65535]],
    ['[-2 ** 2, 2 ** 3 ** 2, 2 ** -1, -2 | abs, 2 * 3 ** 2]', [4, 64, 0.5, 2, 18]],
  ])('%s', (expression, expected) => expect(render(expression)).toEqual(expected)); // prettier-ignore

  it.each([
    ['{"a b": 1} | xmlattr', /attribute/],
    ['"x" | int(0, 37)', /base/],
    ['long | wordwrap(0)', /width/],
    ['"abc".index("x")', /no such/],
    ['"x" | filesizeformat', /filesizeformat/],
  ])('%s fails the step', (expression, message) => {
    expect(() => render(expression)).toThrow(TemplateError);
    expect(() => render(expression)).toThrow(message);
  });

  it.each([
    '("<!--" * 200000) | striptags | length', '("<" * 900000) | striptags | length', '("a-" * 400000) | wordwrap(1) | length', '("-" * 900000) | wordwrap(5) | length',
    '("1" * 900000 ~ "x") | int', '("1_" * 400000) | int(0, 16)', '("1" * 900000 ~ "x") | float',
    '("a" * 900000) | wordwrap(1) | length', '("&" * 900000) | striptags | length', '("&#" * 400000) | striptags | length', '("a--" * 300000) | wordwrap(3) | length',
    '(" " * 900000) | wordwrap(5) | length', '("a b" * 300000) | wordcount', '("😀" * 200000) | wordwrap(1) | length', '("\\t" * 900000).expandtabs(1000) | length',
  ])('%s ends', (expression) => {
    const before = performance.now();
    try {
      render(expression);
    } catch (error) {
      expect(error).toMatchObject({ code: 'template_limit' });
    }
    expect(performance.now() - before).toBeLessThan(2_000);
  }); // prettier-ignore
});
