import { Injectable } from '@nestjs/common';
import { type Principal, type Scope } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';
import {
  type CatalogTag,
  PlaybookTagRepository,
  type TagCondition,
  type TagMove,
} from '../storage/repositories/playbook-tag.repository.js';
import { CatalogService } from './catalog.service.js';
import { PathVersions } from './path-versions.js';
import { checkTagName } from './version.js';

/** What it takes to point a tag at a version, by whatever door. */
export const MOVES_TAGS = 'catalog:edit' satisfies Scope;

/** A tag and the version it points at. */
export interface PointedTag extends CatalogTag {
  readonly path: string;
  readonly version: string;
}

export interface TagHistory {
  readonly path: string;
  readonly tags: readonly PointedTag[];
  /** Newest first. */
  readonly moves: readonly (TagMove & { readonly fromVersion: string | null; readonly toVersion: string | null })[];
}

/** Movable names of versions. */
@Injectable()
export class TagService {
  constructor(
    private readonly tags: PlaybookTagRepository,
    private readonly catalog: CatalogService,
    private readonly paths: PathVersions,
  ) {}

  /**
   * Points a tag at the version that `version` means now.
   * @throws EngineError `invalid_value`, `etag_mismatch`, `entry_state_conflict` for a yanked version, and what resolving throws
   */
  async put(principal: Principal, path: string, tag: string, version: string, condition: TagCondition): Promise<PointedTag> {
    checkTagName(tag);
    const { entry } = await this.catalog.resolve(principal.tenant, { style: 'path', path, version });
    if (entry.status === 'yanked') throw new EngineError('conflict', 'entry_state_conflict', `${entry.path} ${entry.version} is yanked.`);
    const moved = await this.move(principal, entry.path, tag, entry.id, condition);
    if (!moved) throw new Error('a tag was moved and is not there');
    return { ...moved, path: entry.path, version: entry.version };
  }

  /** @throws EngineError `unknown_playbook`, `unknown_tag`, `etag_mismatch` */
  async delete(principal: Principal, path: string, tag: string, condition: TagCondition): Promise<void> {
    const known = await this.catalog.versions(principal.tenant, path);
    await this.move(principal, known.path, tag, null, condition);
  }

  /** @param before id of the last move already seen; null = from the newest. @throws EngineError `unknown_playbook` */
  async history(principal: Principal, path: string, limit: number, before: string | null): Promise<TagHistory> {
    const known = await this.catalog.versions(principal.tenant, path);
    const versionOf = new Map(known.versions.map((entry: CatalogEntry) => [entry.id, entry.version]));
    const [tags, moves] = await Promise.all([
      this.tags.tagsOf(principal.tenant, known.path),
      this.tags.movesOf(principal.tenant, known.path, limit, before),
    ]);
    const version = (id: string | null): string | null => (id === null ? null : (versionOf.get(id) ?? null));
    return {
      path: known.path,
      tags: tags.map((tag) => ({ ...tag, path: known.path, version: version(tag.catalogId) ?? '' })),
      moves: moves.map((move) => ({ ...move, fromVersion: version(move.from), toVersion: version(move.to) })),
    };
  }

  private async move(
    principal: Principal,
    path: string,
    tag: string,
    to: string | null,
    condition: TagCondition,
  ): Promise<CatalogTag | null> {
    const { tenant: tenantId, subject } = principal;
    try {
      const outcome = await this.tags.move({ tenantId, path, tag, to, subject }, condition);
      if (outcome.kind === 'mismatch')
        throw new EngineError('precondition', 'etag_mismatch', `The tag "${tag}" was moved since, or is gone.`);
      if (outcome.kind === 'unknown') throw new EngineError('not_found', 'unknown_tag', `${path} has no tag "${tag}".`);
      return outcome.tag;
    } finally {
      this.paths.forget(tenantId, path);
    }
  }
}
