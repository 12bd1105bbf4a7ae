const TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|z|[+-]\d{2}:?\d{2})?)?$/;

/** Epoch milliseconds of an RFC 3339 time; a date alone is its midnight, and what names no zone is UTC, wherever the service runs. */
export function timeMs(value: unknown): number | undefined {
  const match = typeof value === 'string' ? TIME.exec(value.trim()) : null;
  if (!match) return undefined;
  const [, date, time = '00:00', zone = 'Z'] = match;
  const at = Date.parse(`${date}T${time}${zone.toUpperCase().replace(/^([+-]\d{2})(\d{2})$/, '$1:$2')}`);
  return Number.isNaN(at) ? undefined : at;
}
