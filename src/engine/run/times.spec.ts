import { rfc3339Ms, timeMs } from './times.js';

describe(timeMs.name, () => {
  it.each([
    ['2026-01-31T09:00:00Z', '2026-01-31T09:00:00.000Z'],
    ['2026-01-31', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31 09:00', '2026-01-31T09:00:00.000Z'],
    ['2026-01-31T09:00:00.5+0130', '2026-01-31T07:30:00.500Z'],
    ['2028-02-29t23:59:59z', '2028-02-29T23:59:59.000Z'],
  ])('%s', (text, expected) => expect(new Date(timeMs(text)!).toISOString()).toBe(expected));

  it.each([
    '2026-06-31',
    '2026-02-29T00:00:00Z',
    '2026-13-01',
    '2026-00-10',
    '2026-01-01T24:00:00Z',
    '2026-01-01T10:61:00Z',
    '2026-01-01T10:00:00+25:00',
    'tomorrow',
    '',
    7,
    null,
  ])('%j is none', (value) => expect(timeMs(value)).toBeUndefined());
});

describe(rfc3339Ms.name, () => {
  it.each(['2026-01-31', '2026-01-31T09:00:00', '2026-01-31 09:00:00Z', '2026-01-31T09:00Z', '2026-06-31T00:00:00Z'])(
    '%s is none',
    (text) => expect(rfc3339Ms(text)).toBeUndefined(),
  );
  it('takes a full one', () => expect(rfc3339Ms('2025-10-11T22:00:00+02:00')).toBe(Date.UTC(2025, 9, 11, 20)));
});
