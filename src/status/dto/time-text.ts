const DAY_MS = 86_400_000;
const TWO_DIGITS = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'));

/** The date of the last time that was written: those of one list are mostly of few days. */
let lastDay = NaN;
let dateText = '';

/** RFC 3339 with milliseconds and Z, as of `toISOString`, which computes the date anew each time. @param epochMs whole milliseconds */
export function timeOf(epochMs: number): string {
  const day = Math.floor(epochMs / DAY_MS);
  if (day !== lastDay) {
    dateText = new Date(day * DAY_MS).toISOString().slice(0, -'00:00:00.000Z'.length);
    lastDay = day;
  }
  const ofDay = epochMs - day * DAY_MS;
  const seconds = Math.floor(ofDay / 1_000);
  const minutes = Math.floor(seconds / 60);
  const ms = ofDay - seconds * 1_000;
  const [hh, mm, ss] = [TWO_DIGITS[Math.floor(minutes / 60)]!, TWO_DIGITS[minutes % 60]!, TWO_DIGITS[seconds % 60]!];
  return `${dateText}${hh}:${mm}:${ss}.${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
}

export const optionalTimeOf = (epochMs: number | null): string | null => (epochMs === null ? null : timeOf(epochMs));
