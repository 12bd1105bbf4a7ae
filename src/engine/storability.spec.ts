import { MAX_RESULT_BYTES, recordFault, storabilityFault } from './storability.js';

const nested = (depth: number): unknown => Array.from({ length: depth - 1 }).reduce((inner: unknown) => [inner], []);

describe(storabilityFault.name, () => {
  it.each<[string, unknown, string]>([
    ['NUL', ['a\0'], 'result_not_storable'],
    ['a lone surrogate in a key', { '\ud800': 1 }, 'result_not_storable'],
    ['a number that JSON does not have', { a: Infinity }, 'result_not_storable'],
    ['undefined', { a: undefined }, 'result_not_storable'],
    ['__proto__', JSON.parse('{"__proto__":1}'), 'result_not_storable'],
    ['65 levels', nested(65), 'result_not_storable'],
    ['text', 'x'.repeat(MAX_RESULT_BYTES - 1), 'result_too_large'],
    ['text of three bytes a character', '€'.repeat(MAX_RESULT_BYTES / 3), 'result_too_large'],
    ['text that is too long only with its escape', `\n${'x'.repeat(MAX_RESULT_BYTES - 3)}`, 'result_too_large'],
    [
      'texts that are too long only with what is between them',
      ['x'.repeat(100_000), 'x'.repeat(MAX_RESULT_BYTES - 100_006)],
      'result_too_large',
    ],
    ['a key that is too long only with its value', { ['x'.repeat(MAX_RESULT_BYTES - 5)]: 1 }, 'result_too_large'],
    ['long numbers', new Array<number>(800_000).fill(-1.2345678901234567e-100), 'result_too_large'],
  ])('refuses %s', (_name, value, code) => {
    expect(storabilityFault(value)).toMatchObject({ code });
  });

  it.each<[string, unknown]>([
    ['64 levels', nested(64)],
    ['text of exactly 16 MiB', 'x'.repeat(MAX_RESULT_BYTES - 2)],
    ['text of exactly 16 MiB with an escape', `\n${'x'.repeat(MAX_RESULT_BYTES - 4)}`],
    ['texts of exactly 16 MiB', ['x'.repeat(100_000), 'x'.repeat(MAX_RESULT_BYTES - 100_007)]],
    ['a key of exactly 16 MiB', { ['x'.repeat(MAX_RESULT_BYTES - 6)]: 1 }],
    ['many small lists', new Array<unknown>(4_000_000).fill([1])],
  ])('takes %s', (_name, value) => {
    expect(storabilityFault(value)).toBeNull();
  });
});

describe(recordFault.name, () => {
  it('leaves undefined fields out and allows for what is around values', () => {
    expect(recordFault({ a: undefined, b: nested(199) })).toBeNull();
    expect(recordFault(nested(201))).toMatchObject({ code: 'result_not_storable' });
  });
});

describe('the measure of a long text', () => {
  /** Says when its JSON is made. */
  class Watched {
    made = 0;
    toJSON(): null {
      this.made += 1;
      return null;
    }
  }

  it('needs no JSON text of it, unless its escapes make it doubtful', () => {
    const watched = new Watched();
    expect(storabilityFault({ pad: '€'.repeat(5_000_000), watched })).toBeNull();
    expect(watched.made).toBe(0);
    expect(storabilityFault({ pad: '\n'.repeat(5_000_000), watched })).toBeNull();
    expect(watched.made).toBe(1);
  });
});
