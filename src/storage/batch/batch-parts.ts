import { type PendingUnit } from './pending-unit.js';

/**
 * Parts in which no idempotency key is claimed twice: two creates of one key cannot be in one statement, so the later ones go by themselves and find
 * the key taken (D31). The last part has to go first.
 */
export function withoutRepeatedKeys(batch: readonly PendingUnit[]): PendingUnit[][] {
  const parts: { readonly keys: Set<string>; readonly units: PendingUnit[] }[] = [{ keys: new Set(), units: [] }];
  for (const pending of batch) {
    const claim = pending.unit.create?.idempotency;
    if (!claim) {
      parts[0]!.units.push(pending);
      continue;
    }
    const key = `${pending.unit.tenantId}\n${claim.key}`;
    let part = parts.find(({ keys }) => !keys.has(key));
    if (!part) parts.push((part = { keys: new Set(), units: [] }));
    part.keys.add(key);
    part.units.push(pending);
  }
  return parts.map(({ units }) => units).reverse();
}

/**
 * Parts in which no row is written twice (D3): units of several batches waited for locks together, and some may tell the run of another that one it
 * called has ended.
 */
export function apartFromCallers(units: readonly PendingUnit[]): PendingUnit[][] {
  const parts: { readonly rows: Set<string>; readonly told: Set<string>; readonly units: PendingUnit[] }[] = [];
  for (const pending of units) {
    const { unit, tells } = pending;
    let part = parts.find(({ rows, told }) => !told.has(unit.runId) && (tells === null || !rows.has(tells.parentId)));
    if (!part) parts.push((part = { rows: new Set(), told: new Set(), units: [] }));
    part.rows.add(unit.runId);
    if (tells !== null) part.told.add(tells.parentId);
    part.units.push(pending);
  }
  return parts.map((part) => part.units);
}
