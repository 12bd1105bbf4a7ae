/** What became of an entry after its registration; everything else about it never changes. `held`: it waits for a review, and nothing resolves to it. */
export const ENTRY_STATUSES = ['active', 'deprecated', 'yanked', 'held'] as const;
export type EntryStatus = (typeof ENTRY_STATUSES)[number];

/** One immutable version of a definition, without its text: small enough to keep every version of a path in memory. */
export interface CatalogEntry {
  /** Catalog id, decimal text. */
  readonly id: string;
  readonly tenantId: string;
  readonly path: string;
  /** `metadata.name` of the document. */
  readonly name: string;
  readonly kind: string;
  /** Canonical semantic version (1.2.0). */
  readonly version: string;
  /** Counts the registrations of the path, from 1. */
  readonly revision: number;
  /** sha-256 of the text, hex. */
  readonly digest: string;
  readonly status: EntryStatus;
  readonly statusReason: string | null;
  /** Database time, epoch ms. */
  readonly registeredAt: number;
  readonly registeredBy: string;
}

/** An entry as lists show it. */
export interface ListedEntry extends CatalogEntry {
  /** At most 2,000 characters of it. */
  readonly description: string | null;
  readonly stepCount: number;
}
