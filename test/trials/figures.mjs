/** Numbers in words: how many, and the percentiles that bounds speak of. */

/** The value below which `share` of the sorted list is; null for an empty one. */
export const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;

/** @returns {{ n: number, p50: number | null, p99: number | null, max: number | null }} in whole numbers */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const whole = (value) => (value === null ? null : Math.round(value));
  return { n: sorted.length, p50: whole(at(sorted, 0.5)), p99: whole(at(sorted, 0.99)), max: whole(sorted.at(-1) ?? null) };
}

export const mean = (values) => (values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length);
