import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { type Playbook } from '../engine/playbook/playbook.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { CatalogService } from './catalog.service.js';

/** An entry and its canonical form. */
export interface DescribedEntry {
  readonly entry: CatalogEntry;
  readonly playbook: Playbook;
  /** For `Warning` headers. */
  readonly warnings: readonly string[];
}

/** What entries say of themselves: contract, schemas, program. */
@Injectable()
export class EntryDescriptions {
  constructor(
    private readonly catalog: CatalogService,
    private readonly compiled: CompiledPlaybooks,
  ) {}

  /** @param version as a request writes it. @throws EngineError as `CatalogService.resolve` */
  async describe(principal: Principal, path: string, version: string): Promise<DescribedEntry> {
    const { entry, warnings } = await this.catalog.resolve(principal.tenant, { style: 'path', path, version });
    const { playbook } = await this.compiled.compiled(principal.tenant, entry.id);
    return { entry, playbook, warnings };
  }
}
