import { optionalTimeOf, timeOf } from './time-text.js';

describe(timeOf.name, () => {
  const DAY_MS = 86_400_000;
  const starts = ['2026-03-01', '2024-02-29', '1999-12-31', '1970-01-01', '1969-12-31', '9999-12-31', '+010000-01-01T00:00:00Z'].map(
    Date.parse,
  );
  const ofDay = [0, 1, 12, 123, 999, 1_000, 59_999, 60_000, 3_599_999, 3_600_000, 43_200_007, 86_399_999];

  it('is what toISOString says, also on a change of the day', () => {
    for (const ms of ofDay) for (const start of starts) expect(timeOf(start + ms)).toBe(new Date(start + ms).toISOString());
    for (const start of starts) for (const ms of ofDay) expect(timeOf(start + ms)).toBe(new Date(start + ms).toISOString());
    for (const ms of [DAY_MS - 1, DAY_MS, DAY_MS - 1, 0, -1]) expect(timeOf(ms)).toBe(new Date(ms).toISOString());
  });

  it('refuses what is no time', () => {
    expect(() => timeOf(NaN)).toThrow(RangeError);
    expect(() => timeOf(8.64e15 + DAY_MS)).toThrow(RangeError);
  });
});

describe(optionalTimeOf.name, () => {
  it('leaves null', () => expect([optionalTimeOf(null), optionalTimeOf(0)]).toEqual([null, '1970-01-01T00:00:00.000Z']));
});
