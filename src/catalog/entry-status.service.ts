import { Injectable } from '@nestjs/common';
import { isId } from '../common/id-pipe.js';
import { type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { type CatalogEntry, type EntryStatus } from '../storage/catalog-entry.js';
import { PlaybookRepository } from '../storage/repositories/playbook.repository.js';
import { PathVersions } from './path-versions.js';

/** A state that an entry can be brought into; a held one is left by an approval only. */
export type ReachableStatus = Exclude<EntryStatus, 'held'>;

/** From which states each state can be reached; a yanked entry is restored before it is deprecated. */
const REACHED_FROM: Readonly<Record<ReachableStatus, readonly EntryStatus[]>> = {
  active: ['deprecated', 'yanked'],
  deprecated: ['active'],
  yanked: ['active', 'deprecated'],
};

/** Takes entries out of use and back; their text stays as it is. */
@Injectable()
export class EntryStatusService {
  constructor(
    private readonly playbooks: PlaybookRepository,
    private readonly paths: PathVersions,
  ) {}

  /** Takes an entry that waited for a review into use; one that is in use already stays as it is. @throws EngineError as `change` */
  approve(principal: Principal, id: string): Promise<CatalogEntry> {
    return this.changeFrom(principal, id, ['held'], 'active', null);
  }

  /**
   * Brings an entry into a state; one that is in it already stays as it is, its reason too.
   * @throws EngineError `unknown_playbook`, `entry_state_conflict`
   */
  change(principal: Principal, id: string, to: ReachableStatus, reason: string | null): Promise<CatalogEntry> {
    return this.changeFrom(principal, id, REACHED_FROM[to], to, to === 'active' ? null : reason);
  }

  private async changeFrom(
    principal: Principal,
    id: string,
    from: readonly EntryStatus[],
    to: ReachableStatus,
    reason: string | null,
  ): Promise<CatalogEntry> {
    const { tenant } = principal;
    const before = isId(id) ? await this.playbooks.entryById(tenant, id) : null;
    if (!before) throw new EngineError('not_found', 'unknown_playbook', `There is no catalog entry "${id}".`);
    if (before.status === to) return before;
    try {
      const changed = await this.playbooks.changeStatus(tenant, id, from, to, reason);
      const after = await this.playbooks.entryById(tenant, id);
      if (after && (changed || after.status === to)) return after;
      throw new EngineError('conflict', 'entry_state_conflict', `The entry is ${after?.status ?? before.status}; it cannot become ${to}.`);
    } finally {
      this.paths.forget(tenant, before.path);
    }
  }
}
