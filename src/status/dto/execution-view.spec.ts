import { durationInWords, errorLineOf } from './execution-view.js';

describe(durationInWords.name, () => {
  it.each([
    [0, '0s'],
    [0.25, '0.25s'],
    [59.9994, '59.999s'],
    [60, '1m 0s'],
    [65, '1m 5s'],
    [7_203, '2h 0m 3s'],
  ])('%p', (seconds, words) => expect(durationInWords(seconds)).toBe(words));
});

describe(errorLineOf.name, () => {
  const details = {
    code: 'python_error',
    step: 'a',
    step_type: 'python',
    attempt: 1,
    retryable: false,
    item_index: null,
    cause: null,
  } as const;
  it('is one line', () => expect(errorLineOf({ ...details, message: 'Traceback:\n  line 1\r\nboom\n' })).toBe('Traceback: line 1 boom'));
  it('is null without an error', () => expect(errorLineOf(null)).toBeNull());
});
