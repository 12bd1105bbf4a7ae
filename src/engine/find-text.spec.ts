import { firstIn, lastIn, splitAt } from './find-text.js';

describe('parts of texts', () => {
  const long = 'ab'.repeat(50);
  it.each<[string, string, string]>([
    ['short', 'a-b-c', '-'],
    ['long, twice', `x${long}y${long}z`, long],
    ['long, over each other', `x${long}${long}ab`, long],
    ['long, at both ends', long + 'y' + long, long],
    ['only its beginning', `${long.slice(0, 80)}c${long}`.slice(0, 170), long],
    ['missing', 'x'.repeat(300), long],
    ['that repeats itself', `${'a'.repeat(200)}b${'a'.repeat(150)}b${'a'.repeat(99)}`, `${'a'.repeat(100)}b`],
  ])('%s: as the methods of texts', (_name, text, part) => {
    expect([firstIn(text, part), firstIn(text, part, 5), lastIn(text, part), splitAt(text, part)]).toEqual([
      text.indexOf(part),
      text.indexOf(part, 5),
      text.lastIndexOf(part),
      text.split(part),
    ]);
  });
});
