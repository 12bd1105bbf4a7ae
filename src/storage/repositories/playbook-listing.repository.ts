import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
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
      filter.kind,
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

/** What is written inside steps of other playbooks is kept here too, and listed nowhere. The order inside a path is that of resolution for `latest`: state, release before pre-release, then the version. */
const LIST = `
  SELECT id, tenant_id AS "tenantId", path, name, kind, version, revision, digest, status, status_reason AS "statusReason",
    registered_at AS "registeredAt", registered_by AS "registeredBy", left(description, 2000) AS description,
    CASE WHEN json_typeof(normalised -> 'workflow') = 'array' THEN json_array_length(normalised -> 'workflow') ELSE 0 END AS "stepCount"
  FROM (
    SELECT DISTINCT ON (path) *
    FROM playbook
    WHERE tenant_id = $1 AND ($2::text IS NULL OR path > $2) AND status NOT IN ('yanked', 'held')
      AND strpos(path, '/@inline/') = 0
    ORDER BY path, status = 'deprecated', version_prerelease COLLATE "C" <> '~', version_major DESC, version_minor DESC, version_patch DESC,
      version_prerelease COLLATE "C" DESC
  ) latest
  WHERE ($3::text IS NULL OR lower(kind) = lower($3))
    AND ($4::text IS NULL OR path ILIKE $4 OR name ILIKE $4 OR description ILIKE $4)
  ORDER BY path
  LIMIT $5`;

const BELOW = `
  SELECT path, version
  FROM (
    SELECT DISTINCT ON (path) path, version
    FROM playbook
    WHERE tenant_id = $1 AND starts_with(path, $2) AND status = 'active' AND lower(kind) = 'playbook'
      AND strpos(path, '/@inline/') = 0
    ORDER BY path, version_prerelease COLLATE "C" <> '~', version_major DESC, version_minor DESC, version_patch DESC,
      version_prerelease COLLATE "C" DESC
  ) latest
  ORDER BY path COLLATE "C"
  LIMIT $3`;

/** Text that LIKE takes word for word. */
function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, (character) => `\\${character}`);
}
