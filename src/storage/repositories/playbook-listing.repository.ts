import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { kindNamed } from '../../engine/playbook/kinds/kind-readers.js';
import { type EntryStatus, type ListedEntry } from '../catalog-entry.js';

export interface ListingFilter {
  /** Any case; null = every kind. */
  readonly kind: string | null;
  /** Part of path, name or description, any case; null = all. */
  readonly text: string | null;
}

/** A page of paths, each with the entry `latest` means. */
@Injectable()
export class PlaybookListingRepository {
  constructor(private readonly db: DataSource) {}

  /**
   * One entry per path, in the order of paths: the highest active release, else what resolution would fall back to.
   * Paths with nothing but yanked entries are left out.
   * @param after path of the last entry already seen; null = from the first
   */
  async list(tenantId: string, filter: ListingFilter, after: string | null, limit: number): Promise<readonly ListedEntry[]> {
    const rows = await this.db.query<ListedRow[]>(LIST, [
      tenantId,
      after,
      filter.kind && (kindNamed(filter.kind) ?? filter.kind),
      filter.text && `%${escapeLike(filter.text)}%`,
      limit,
    ]);
    return rows.map((row) => ({ ...row, registeredAt: row.registeredAt.getTime() }));
  }

  /** Playbooks below a path that have an active version, in the order of their paths (by code units), with the version `latest` means. */
  async below(tenantId: string, path: string, limit: number): Promise<readonly { readonly path: string; readonly version: string }[]> {
    return await this.db.query<{ path: string; version: string }[]>(BELOW, [tenantId, `${path}/`, limit]);
  }
}

interface ListedRow extends Omit<ListedEntry, 'registeredAt' | 'status'> {
  readonly registeredAt: Date;
  readonly status: EntryStatus;
}

/**
 * Each path has one head, the entry that `latest` means; paths with nothing that could be chosen have none, nor has what is written inside steps of
 * other playbooks. So a page reads as many rows as it shows, however many versions there are.
 */
const LIST = `
  SELECT p.id, p.tenant_id AS "tenantId", p.path, p.name, p.kind, p.version, p.revision, p.digest, p.status, p.status_reason AS "statusReason",
    p.registered_at AS "registeredAt", p.registered_by AS "registeredBy", left(p.description, 2000) AS description,
    CASE WHEN json_typeof(p.normalised -> 'workflow') = 'array' THEN json_array_length(p.normalised -> 'workflow') ELSE 0 END AS "stepCount"
  FROM catalog_head h JOIN playbook p ON p.id = h.entry_id
  WHERE h.tenant_id = $1 AND ($2::text IS NULL OR h.path > $2)
    AND ($3::text IS NULL OR h.kind = $3)
    AND ($4::text IS NULL OR h.path ILIKE $4 OR p.name ILIKE $4 OR p.description ILIKE $4)
  ORDER BY h.path
  LIMIT $5`;

const BELOW = `
  SELECT h.path, h.version
  FROM catalog_head h JOIN playbook p ON p.id = h.entry_id
  WHERE h.tenant_id = $1 AND starts_with(h.path, $2) AND p.status = 'active' AND h.kind = 'Playbook'
  ORDER BY h.path COLLATE "C"
  LIMIT $3`;

/** Text that LIKE takes word for word. */
function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, (character) => `\\${character}`);
}
