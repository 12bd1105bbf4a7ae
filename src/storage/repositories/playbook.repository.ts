import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, In } from 'typeorm';
import { type Issue } from '../../engine/engine-error.js';
import { type EntryContract, NO_CONTRACT, type Playbook } from '../../engine/playbook/playbook.js';
import { lockPath, publishChange } from '../catalog-changes.js';
import { refreshHead } from '../catalog-heads.js';
import { type CatalogEntry, type EntryStatus } from '../catalog-entry.js';
import { PlaybookEntity } from '../entities/playbook.entity.js';
import { moveTag } from './playbook-tag.repository.js';

/** An entry with all that is kept of it but its canonical form. */
export interface StoredEntry extends CatalogEntry {
  readonly description: string | null;
  readonly warnings: readonly Issue[];
  readonly contract: EntryContract;
  /** The text as registered. */
  readonly source: string;
}

/** What a registration decided to add. */
export interface NewEntry {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly version: VersionColumns;
  readonly digest: string;
  readonly source: string;
  readonly normalised: Playbook;
  readonly description: string | null;
  readonly warnings: readonly Issue[];
  readonly registeredBy: string;
  /** Why it waits for a review; left out: it is active at once. */
  readonly heldFor?: string;
}

/** A canonical version and the columns it is sorted by. */
export interface VersionColumns {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Sorts bytewise as semantic versions order pre-releases; a release sorts last. */
  readonly prereleaseKey: string;
}

/** Decided from the versions that exist while nobody else can add one; throws to refuse. */
export type DecideRegistration = (versions: readonly CatalogEntry[]) => { readonly existing: CatalogEntry } | { readonly add: NewEntry };

export interface Registered {
  readonly entry: CatalogEntry;
  readonly created: boolean;
}

export const ENTRY_COLUMNS = {
  id: true,
  tenantId: true,
  path: true,
  name: true,
  kind: true,
  version: true,
  revision: true,
  digest: true,
  status: true,
  statusReason: true,
  registeredAt: true,
  registeredBy: true,
} as const;

/** The catalog's table: entries are added and change their status, nothing else. */
@Injectable()
export class PlaybookRepository {
  constructor(private readonly db: DataSource) {}

  /** Every version of a path, newest registration first. */
  async versionsOf(tenantId: string, path: string): Promise<readonly CatalogEntry[]> {
    return versionsOf(this.db.manager, tenantId, path);
  }

  async entryById(tenantId: string, id: string): Promise<CatalogEntry | null> {
    const row = await this.db.getRepository(PlaybookEntity).findOne({ select: ENTRY_COLUMNS, where: { tenantId, id } });
    return row && toEntry(row);
  }

  /** Light rows of several entries; ids that do not exist or are another tenant's are left out. */
  async entriesById(tenantId: string, ids: readonly string[]): Promise<readonly CatalogEntry[]> {
    if (ids.length === 0) return [];
    const rows = await this.db.getRepository(PlaybookEntity).find({ select: ENTRY_COLUMNS, where: { tenantId, id: In([...ids]) } });
    return rows.map(toEntry);
  }

  async storedById(tenantId: string, id: string): Promise<StoredEntry | null> {
    const row = await this.db.getRepository(PlaybookEntity).findOne({
      select: { ...ENTRY_COLUMNS, description: true, warnings: true, source: true, normalised: true },
      where: { tenantId, id },
    });
    if (!row) return null;
    const { contract = NO_CONTRACT } = row.normalised as Partial<Playbook>;
    return { ...toEntry(row), description: row.description, warnings: row.warnings, source: row.source, contract };
  }

  /** The canonical form of an entry: what is compiled and executed. `size` is the length of its JSON text. */
  async normalisedById(tenantId: string, id: string): Promise<{ readonly playbook: Playbook; readonly size: number } | null> {
    const text = 'SELECT normalised::text AS normalised FROM playbook WHERE tenant_id = $1 AND id = $2';
    const [row] = await this.db.query<{ readonly normalised: string }[]>(text, [tenantId, id]);
    if (!row) return null;
    // Entries of before there were contracts have none.
    const playbook = { contract: NO_CONTRACT, ...(JSON.parse(row.normalised) as Omit<Playbook, 'contract'>) };
    return { playbook, size: row.normalised.length };
  }

  /**
   * Registers under a lock on the path, in one transaction with the tags that shall point at the entry.
   * @throws EngineError what `decide` throws, `tool_name_taken`
   * @param decide sees the versions that exist; runs while the lock is held, so it must not wait for anything
   */
  async register(
    tenantId: string,
    path: string,
    tags: readonly string[],
    subject: string,
    decide: DecideRegistration,
  ): Promise<Registered> {
    return this.db.transaction(async (tx) => {
      await lockPath(tx, tenantId, path);
      const versions = await versionsOf(tx, tenantId, path);
      const decision = decide(versions);
      const created = 'add' in decision;
      const revision = (versions[0]?.revision ?? 0) + 1;
      const entry = created ? await insertEntry(tx, tenantId, path, revision, decision.add) : decision.existing;
      if (created) await refreshHead(tx, tenantId, path, 'refuse');
      for (const tag of tags) await moveTag(tx, { tenantId, path, tag, to: entry.id, subject });
      if (created || tags.length > 0) await publishChange(tx, tenantId, path);
      return { entry, created };
    });
  }

  /** Changes the status if it is one of `from`; false means it is not (any more), or there is no such entry. */
  async changeStatus(tenantId: string, id: string, from: readonly EntryStatus[], to: EntryStatus, reason: string | null): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const changed = await tx
        .createQueryBuilder()
        .update(PlaybookEntity)
        .set({ status: to, statusReason: reason })
        .where('tenant_id = :tenantId AND id = :id AND status IN (:...from)', { tenantId, id, from: [...from] })
        .returning('path')
        .execute();
      const [row] = changed.raw as { path: string }[];
      if (row) {
        await lockPath(tx, tenantId, row.path);
        await refreshHead(tx, tenantId, row.path, 'generate');
        await publishChange(tx, tenantId, row.path);
      }
      return row !== undefined;
    });
  }
}

async function versionsOf(db: EntityManager, tenantId: string, path: string): Promise<readonly CatalogEntry[]> {
  const rows = await db
    .getRepository(PlaybookEntity)
    .find({ select: ENTRY_COLUMNS, where: { tenantId, path }, order: { revision: 'DESC' } });
  return rows.map(toEntry);
}

async function insertEntry(db: EntityManager, tenantId: string, path: string, revision: number, entry: NewEntry): Promise<CatalogEntry> {
  const standing = { status: entry.heldFor === undefined ? 'active' : 'held', statusReason: entry.heldFor ?? null } as const;
  const inserted = await db
    .createQueryBuilder()
    .insert()
    .into(PlaybookEntity)
    .values({
      id: entry.id,
      tenantId,
      path,
      name: entry.name,
      kind: entry.kind,
      version: entry.version.text,
      versionMajor: String(entry.version.major),
      versionMinor: String(entry.version.minor),
      versionPatch: String(entry.version.patch),
      versionPrerelease: entry.version.prereleaseKey,
      revision,
      digest: entry.digest,
      source: entry.source,
      normalised: entry.normalised,
      description: entry.description,
      warnings: entry.warnings,
      registeredBy: entry.registeredBy,
      ...standing,
    })
    .returning(['registeredAt'])
    .updateEntity(false)
    .execute();
  const [row] = inserted.raw as { registered_at: Date }[];
  if (!row) throw new Error('an inserted row came back without its time');
  const { id, name, kind, digest, registeredBy } = entry;
  const registeredAt = row.registered_at.getTime();
  return { id, tenantId, path, name, kind, version: entry.version.text, revision, digest, registeredBy, registeredAt, ...standing };
}

function toEntry(row: PlaybookEntity): CatalogEntry {
  return {
    id: row.id,
    tenantId: row.tenantId,
    path: row.path,
    name: row.name,
    kind: row.kind,
    version: row.version,
    revision: row.revision,
    digest: row.digest,
    status: row.status as EntryStatus,
    statusReason: row.statusReason,
    registeredAt: row.registeredAt.getTime(),
    registeredBy: row.registeredBy,
  };
}
