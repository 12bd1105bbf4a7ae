import { jsonListOf } from './json-list.js';

const textOf = (items: readonly object[]): string => jsonListOf(items, (item) => item).toString('utf8');

describe(jsonListOf.name, () => {
  it.each([
    ['none', []],
    ['one', [{ a: 1 }]],
    ['characters of one to four bytes', [{ text: 'aé€😀"\\\n' }, { text: '\ud800 alone' }]],
    ['items of any size', [1, 5_000, 1, 70_000, 2, 1_000_000, 3].map((size) => ({ text: '€'.repeat(size) }))],
    ['many', Array.from({ length: 1_000 }, (_, n) => ({ n, text: 'é'.repeat(n) }))],
    ['fields without a value', [{ a: undefined, b: null }]],
  ])('writes %s as JSON.stringify does', (_name, items) => expect(textOf(items)).toBe(JSON.stringify(items)));

  it('sends what is made of an item', () => expect(jsonListOf([1, 2], (n) => ({ n })).toString()).toBe('[{"n":1},{"n":2}]'));
});
