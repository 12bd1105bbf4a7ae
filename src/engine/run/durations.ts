const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const ISO = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** Milliseconds of a duration: seconds as number or digits, `500ms 30s 5m 2h 7d`, or ISO 8601 (`PT5M`); undefined for anything else. */
export function durationMs(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value * 1000 : undefined;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  const simple = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  if (simple) return Number(simple[1]) * UNITS[simple[2] ?? 's']!;
  const iso = ISO.exec(text);
  if (!iso || text.length < 3 || text.endsWith('T')) return undefined;
  const [days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
  return days! * UNITS['d']! + hours! * UNITS['h']! + minutes! * UNITS['m']! + seconds! * 1000;
}
