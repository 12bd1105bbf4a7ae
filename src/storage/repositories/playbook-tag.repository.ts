import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, LessThan } from 'typeorm';
import { lockPath, publishChange } from '../catalog-changes.js';
import { PlaybookTagMoveEntity } from '../entities/playbook-tag-move.entity.js';
import { PlaybookTagEntity } from '../entities/playbook-tag.entity.js';

/** A movable name of one entry of a path. */
export interface CatalogTag {
  readonly tag: string;
  readonly catalogId: string;
  /** Changes with every move. */
  readonly etag: string;
  /** Database time, epoch ms. */
  readonly updatedAt: number;
}

/** One move; null where the tag was made or removed. */
export interface TagMove {
  readonly id: string;
  readonly tag: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly movedAt: number;
  readonly movedBy: string;
}

export interface MoveCommand {
  readonly tenantId: string;
  readonly path: string;
  readonly tag: string;
  /** Catalog id, or null to remove the tag. */
  readonly to: string | null;
  readonly subject: string;
}

/** The etags a writer accepts as current; `any` = the tag must exist; null = no condition. */
export type TagCondition = readonly string[] | 'any' | null;

export type MoveOutcome =
  | { readonly kind: 'moved'; readonly tag: CatalogTag | null }
  /** The condition does not hold. */
  | { readonly kind: 'mismatch' }
  /** There is nothing to remove. */
  | { readonly kind: 'unknown' };

/** Tags of paths and the history of their moves. */
@Injectable()
export class PlaybookTagRepository {
  constructor(private readonly db: DataSource) {}

  async tagsOf(tenantId: string, path: string): Promise<readonly CatalogTag[]> {
    const rows = await this.db.getRepository(PlaybookTagEntity).find({ where: { tenantId, path }, order: { tag: 'ASC' } });
    return rows.map(toTag);
  }

  /** Newest first. @param before id of the last move already seen; null = from the newest */
  async movesOf(tenantId: string, path: string, limit: number, before: string | null): Promise<readonly TagMove[]> {
    const rows = await this.db.getRepository(PlaybookTagMoveEntity).find({
      where: { tenantId, path, ...(before === null ? {} : { id: LessThan(before) }) },
      order: { id: 'DESC' },
      take: limit,
    });
    return rows.map((row) => ({
      id: row.id,
      tag: row.tag,
      from: row.fromCatalogId,
      to: row.toCatalogId,
      movedAt: row.movedAt.getTime(),
      movedBy: row.movedBy,
    }));
  }

  /** Moves, makes or removes a tag if its current state is one the caller accepts. */
  async move(command: MoveCommand, condition: TagCondition): Promise<MoveOutcome> {
    return this.db.transaction(async (tx) => {
      await lockPath(tx, command.tenantId, command.path);
      const current = await currentTag(tx, command);
      const holds = condition === null || (current !== null && (condition === 'any' || condition.includes(current.etag)));
      if (!holds) return { kind: 'mismatch' };
      if (command.to === null && current === null) return { kind: 'unknown' };
      const tag = await moveTag(tx, command);
      await publishChange(tx, command.tenantId, command.path);
      return { kind: 'moved', tag };
    });
  }
}

/** Moves a tag and records it, inside a transaction that holds the lock of the path; a tag that already points there is left alone. */
export async function moveTag(tx: EntityManager, command: MoveCommand): Promise<CatalogTag | null> {
  const { tenantId, path, tag, to, subject } = command;
  const current = await currentTag(tx, command);
  if (to === (current?.catalogId ?? null)) return current;
  const tags = tx.getRepository(PlaybookTagEntity);
  if (to === null) await tags.delete({ tenantId, path, tag });
  else if (current) {
    const set = { catalogId: to, etag: () => 'gen_random_uuid()', updatedAt: () => 'clock_timestamp()' };
    await tags.createQueryBuilder().update().set(set).where({ tenantId, path, tag }).execute();
  } else await tags.createQueryBuilder().insert().values({ tenantId, path, tag, catalogId: to }).updateEntity(false).execute();
  const move = { tenantId, path, tag, fromCatalogId: current?.catalogId ?? null, toCatalogId: to, movedBy: subject };
  await tx.createQueryBuilder().insert().into(PlaybookTagMoveEntity).values(move).updateEntity(false).execute();
  return to === null ? null : currentTag(tx, command);
}

async function currentTag(tx: EntityManager, { tenantId, path, tag }: MoveCommand): Promise<CatalogTag | null> {
  const row = await tx.getRepository(PlaybookTagEntity).findOne({ where: { tenantId, path, tag } });
  return row && toTag(row);
}

function toTag(row: PlaybookTagEntity): CatalogTag {
  return { tag: row.tag, catalogId: row.catalogId, etag: row.etag, updatedAt: row.updatedAt.getTime() };
}
