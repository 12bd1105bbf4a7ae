import { Injectable } from '@nestjs/common';
import { isId } from '../common/id-pipe.js';
import { type Principal } from '../common/principal.js';
import { EngineError } from '../engine/engine-error.js';
import { type CatalogEntry, type EntryStatus } from '../storage/catalog-entry.js';
import { PlaybookRepository } from '../storage/repositories/playbook.repository.js';
import { PathVersions } from './path-versions.js';

/** From which states each state can be reached; a yanked entry is restored before it is deprecated. */
const REACHED_FROM: Readonly<Record<EntryStatus, readonly EntryStatus[]>> = {
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

  /**
   * Brings an entry into a state; one that is in it already stays as it is, its reason too.
   * @throws EngineError `unknown_playbook`, `entry_state_conflict`
   */
  async change(principal: Principal, id: string, to: EntryStatus, reason: string | null): Promise<CatalogEntry> {
    const { tenant } = principal;
    const before = isId(id) ? await this.playbooks.entryById(tenant, id) : null;
    if (!before) throw new EngineError('not_found', 'unknown_playbook', `There is no catalog entry "${id}".`);
    if (before.status === to) return before;
    try {
      const changed = await this.playbooks.changeStatus(tenant, id, REACHED_FROM[to], to, to === 'active' ? null : reason);
      const after = await this.playbooks.entryById(tenant, id);
      if (after && (changed || after.status === to)) return after;
      throw new EngineError('conflict', 'entry_state_conflict', `The entry is ${after?.status ?? before.status}; it cannot become ${to}.`);
    } finally {
      this.paths.forget(tenant, before.path);
    }
  }
}
