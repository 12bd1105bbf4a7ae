import { type EntityManager } from 'typeorm';

/** Nodes tell each other on this channel that a path has new versions, tags or states; the payload is what `publishChange` wrote. */
export const CATALOG_CHANNEL = 'showrunner_catalog';

/** A path whose versions, tags or states changed. */
export interface CatalogChange {
  readonly tenantId: string;
  readonly path: string;
}

/**
 * What other nodes (and this one) changed in the catalog. A hint only: notices may be lost while a connection is down,
 * so listeners keep nothing longer than a second on its word.
 */
export interface CatalogChanges {
  /** Calls `changed` for every notice, with null where notices may have been lost; the returned function ends it. */
  subscribe(changed: (change: CatalogChange | null) => void): () => void;
}

/** Where a node hears of changes, for constructors; without it a node is up to a second behind. */
export const CATALOG_CHANGES = Symbol('CATALOG_CHANGES');

/** Sent with the commit of the transaction around `db`, or not at all. */
export async function publishChange(db: EntityManager, tenantId: string, path: string): Promise<void> {
  await db.query('SELECT pg_notify($1, $2)', [CATALOG_CHANNEL, JSON.stringify([tenantId, path])]);
}

/** Reads a payload; null for one this version does not understand. */
export function parseChange(payload: string): CatalogChange | null {
  try {
    const parsed: unknown = JSON.parse(payload);
    if (!Array.isArray(parsed)) return null;
    const [tenantId, path] = parsed as unknown[];
    return typeof tenantId === 'string' && typeof path === 'string' ? { tenantId, path } : null;
  } catch {
    return null; // a newer node may say it in other words
  }
}

/**
 * One writer per path until the transaction around `db` ends: registrations of a path number themselves one after the other.
 * Two paths that share a lock by accident wait for each other and nothing worse.
 */
export async function lockPath(db: EntityManager, tenantId: string, path: string): Promise<void> {
  // Longer than the connection's own lock_timeout: many clients registering one path stand in line here, for as long as a statement may take.
  await db.query(`SELECT set_config('lock_timeout', '15s', true)`);
  await db.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`catalog ${tenantId} ${path}`]);
}
