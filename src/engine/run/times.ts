/** Ten years: no wait and no start is further ahead. What asks for more is a mistake, and the database's times have to hold it. */
export const TEN_YEARS_MS = 3_653 * 86_400_000;

const TIME = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)([Zz]|[+-]\d\d:?\d\d)?)?$/;
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Epoch milliseconds of a time as authors write it; a date alone is its midnight, and what names no zone is UTC, wherever the service runs. */
export function timeMs(value: unknown): number | undefined {
  const match = typeof value === 'string' ? TIME.exec(value.trim()) : null;
  if (!match) return undefined;
  const [, date = '', time = '00:00', zone = 'Z'] = match;
  // Date.parse takes a 31st of June for the 1st of July.
  if (new Date(`${date}T00:00:00Z`).toJSON()?.slice(0, 10) !== date || time >= '24') return undefined;
  const at = Date.parse(`${date}T${time}${zone.toUpperCase().replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')}`);
  return Number.isNaN(at) ? undefined : at;
}

/** The same for the wire, where a time is a full RFC 3339 one. */
export function rfc3339Ms(text: string): number | undefined {
  return RFC_3339.test(text) ? timeMs(text) : undefined;
}
