/** @returns the value below which `share` of the numbers lie, null of none */
export function quantile(numbers, share) {
  if (numbers.length === 0) return null;
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export const median = (numbers) => quantile(numbers, 0.5);

/**
 * The least-squares line through points, and how sure its slope is.
 * @param {readonly { t: number, value: number }[]} points
 * @returns {{ slope: number, noise: number }} per unit of t; `noise`: two standard errors. Neighbouring points are alike (memory is not drawn anew
 *   each time), so that n of them say as much as n (1 - r) / (1 + r) independent ones, r the correlation of neighbours' residuals.
 */
export function trend(points) {
  const n = points.length;
  if (n < 3) return { slope: 0, noise: Infinity };
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / n;
  const [t, v] = [mean((point) => point.t), mean((point) => point.value)];
  const spread = points.reduce((sum, point) => sum + (point.t - t) ** 2, 0);
  const slope = points.reduce((sum, point) => sum + (point.t - t) * (point.value - v), 0) / spread;
  const residuals = points.map((point) => point.value - v - slope * (point.t - t));
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  if (squares === 0) return { slope, noise: 0 };
  const neighbours = residuals.slice(1).reduce((sum, residual, i) => sum + residual * residuals[i], 0);
  const r = Math.min(0.99, Math.max(0, neighbours / squares));
  const independent = Math.max(3, (n * (1 - r)) / (1 + r));
  return { slope, noise: 2 * Math.sqrt(squares / (independent - 2) / spread / (independent / n)) };
}
