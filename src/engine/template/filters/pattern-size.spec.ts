import { RE2JS } from 're2js';
import { sizeOfPattern } from './pattern-size.js';

describe(sizeOfPattern.name, () => {
  it.each([
    '[0-9]+', '(foo|bar)*baz', 'a{3}', 'a{2,}', 'a{2,50}', 'a{0}', 'a{,5}', 'x{', '(a|b)*a[ab]{900}[cd]', '(?:(a|b)?){900}(c|d)', '((a{10}){10}){10}',
    'a{100}b{100}', '(?i)(?P<n>ab){70}', String.raw`\x{1000}{30}`, String.raw`\p{Greek}{40}`, String.raw`\pL{100}`, String.raw`[\p{Greek}\]]{40}`,
    String.raw`(?:aaaaaaaaaa\Q(\E){100}`, String.raw`(?:aaaaaaaaaa\(){100}`, '(?:aaaaaaaaaa[(]){100}', '(?:aaaaaaaaaa[]()]){100}', '(?:aaaaaaaaaa[^]()[:alpha:]]){100}',
    String.raw`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}`, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', '(?:a{3}|b{4}|(?:c{5}d){6}){7}',
  ])('is about as large as the program: %s', (source) => {
    const instructions = RE2JS.compile(source).programSize();
    const size = sizeOfPattern(source);
    expect(3 * size).toBeGreaterThanOrEqual(instructions - 2);
    expect(size).toBeLessThanOrEqual(3 * instructions);
  }); // prettier-ignore

  it.each(['(', ')', ')))', '[', '[]', '[^', '\\', '\\Q', '\\p{', '{3}', '*', 'a{3'])('takes what is no expression: %s', (source) =>
    expect(sizeOfPattern(source)).toBeLessThanOrEqual(2 * source.length),
  );
});
