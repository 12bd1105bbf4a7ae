import { Inject, Module, Optional, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { CATALOG_CHANGES, type CatalogChanges } from '../storage/catalog-changes.js';
import { DOCUMENT_LIMITS } from '../engine/playbook/document-limits.js';
import { type StepKinds } from '../engine/step-executor.js';
import { STEP_KINDS } from '../storage/compiled-playbooks.js';
import { PlaybookRepository } from '../storage/repositories/playbook.repository.js';
import { PlaybookTagRepository } from '../storage/repositories/playbook-tag.repository.js';
import { CatalogEntryController } from './catalog-entry.controller.js';
import { CatalogListing } from './catalog-listing.js';
import { CatalogSchemaController } from './catalog-schema.controller.js';
import { CatalogTagController } from './catalog-tag.controller.js';
import { CatalogController } from './catalog.controller.js';
import { CatalogService } from './catalog.service.js';
import { DocumentReader } from './document-reader.js';
import { EntryDescriptions } from './entry-descriptions.js';
import { EntryStatusService } from './entry-status.service.js';
import { type PathState, PathVersions } from './path-versions.js';
import { PlaybookController } from './playbook.controller.js';
import { ReadingThreads } from './reading-threads.js';
import { RegistrationService } from './registration.service.js';
import { TagService } from './tag.service.js';
import { THREAD_PROGRAM } from './reading-thread-program.js';

const pathVersions = {
  provide: PathVersions,
  inject: [PlaybookRepository, PlaybookTagRepository],
  useFactory: (playbooks: PlaybookRepository, tags: PlaybookTagRepository): PathVersions =>
    new PathVersions(async (tenantId, path): Promise<PathState> => {
      const versions = await playbooks.versionsOf(tenantId, path);
      const tagged = versions.length > 0 ? await tags.tagsOf(tenantId, path) : []; // tags belong to paths that exist
      return { versions, tags: new Map(tagged.map(({ tag, catalogId }) => [tag, catalogId])) };
    }),
};

const readingThreads = {
  provide: ReadingThreads,
  inject: [Settings],
  useFactory: ({ limits }: Settings): ReadingThreads =>
    new ReadingThreads({
      threads: 2,
      queue: limits.queuedDocuments,
      timeoutMs: limits.documentTimeoutMs,
      memoryMb: 256,
      program: THREAD_PROGRAM,
    }),
};

const documentReader = {
  provide: DocumentReader,
  inject: [ReadingThreads, STEP_KINDS, Settings],
  useFactory: (threads: ReadingThreads, kinds: StepKinds, { limits }: Settings): DocumentReader =>
    new DocumentReader(threads, kinds, {
      ...DOCUMENT_LIMITS,
      bytes: limits.documentBytes,
      depth: limits.jsonDepth,
      nodes: limits.jsonNodes,
      steps: limits.playbookSteps,
    }),
};

/**
 * The catalog. Needs from the modules around it: Settings, the three playbook repositories, CompiledPlaybooks, STEP_KINDS and IdMint,
 * and takes CATALOG_CHANGES where it is given.
 */
@Module({
  controllers: [CatalogController, CatalogEntryController, CatalogSchemaController, CatalogTagController, PlaybookController],
  providers: [
    pathVersions,
    readingThreads,
    documentReader,
    CatalogService,
    CatalogListing,
    EntryDescriptions,
    RegistrationService,
    EntryStatusService,
    TagService,
  ],
  exports: [CatalogService, EntryDescriptions, EntryStatusService, RegistrationService],
})
export class CatalogModule implements OnModuleInit, OnModuleDestroy {
  private unsubscribe: (() => void) | undefined;

  constructor(
    private readonly paths: PathVersions,
    @Optional() @Inject(CATALOG_CHANGES) private readonly changes?: CatalogChanges,
  ) {}

  onModuleInit(): void {
    this.unsubscribe = this.changes?.subscribe((change) =>
      change ? this.paths.forget(change.tenantId, change.path) : this.paths.forgetAll(),
    );
  }

  onModuleDestroy(): void {
    this.unsubscribe?.();
  }
}
