import { INLINE_RESULT_BYTES, inlineResult, resultReference } from './inline-result.js';

describe(inlineResult.name, () => {
  it.each([
    ['null', null],
    ['a text of just 256 KiB', 'x'.repeat(INLINE_RESULT_BYTES - 2)],
    ['long numbers of just 256 KiB', Array.from({ length: INLINE_RESULT_BYTES / 16 - 1 }, () => 123_456_789.123_45)],
  ])('shows %s', (_what, result) => expect(inlineResult('1', result)).toBe(result));

  it.each([
    ['a text of a byte more', 'x'.repeat(INLINE_RESULT_BYTES - 1)],
    ['a text of more bytes than characters', 'ü'.repeat(INLINE_RESULT_BYTES / 2)],
    ['a text that is escaped', '"'.repeat(INLINE_RESULT_BYTES / 2)],
    ['long numbers', Array.from({ length: INLINE_RESULT_BYTES / 16 }, () => -123_456_789.123_45)],
    ['many that are small', Array.from({ length: INLINE_RESULT_BYTES / 3 + 1 }, () => [])],
  ])('refers to %s', (_what, result) => expect(inlineResult('1', result)).toEqual(resultReference('1')));
});
