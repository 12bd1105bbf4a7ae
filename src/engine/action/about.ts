/** A cheap guess at the length of a value's JSON. */
export function aboutCharacters(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (value === null || value === undefined || typeof value !== 'object') return 8;
  let size = 2;
  for (const each of Object.values(value as object)) {
    size += 12 + aboutCharacters(each);
    if (size > 1_000_000) return size;
  }
  return size;
}
