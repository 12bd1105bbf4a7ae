import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { EngineError, type Issue } from '../engine/engine-error.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';
import { IdMint } from '../storage/ids.js';
import { PlaybookRepository, type Registered } from '../storage/repositories/playbook.repository.js';
import { inlinePath } from './catalog-path.js';
import { type CatalogDocument, type CheckedDocument, DocumentReader } from './document-reader.js';
import { PathVersions } from './path-versions.js';
import { pointedAt } from './pointed-at.js';
import { decideRegistration, namedVersion } from './registration-rules.js';
import { MOVES_TAGS } from './tag.service.js';
import { checkTagName, versionColumns } from './version.js';

export interface RegisterDocument {
  /** YAML or JSON text. */
  readonly content: string;
  /** As sent; null = the document's, else the next patch. */
  readonly version: string | null;
  /** Tags that shall point at the entry afterwards. */
  readonly tags: readonly string[];
  /** Warnings refuse as errors do. */
  readonly strict: boolean;
  /** The path the document must name; left out: any. */
  readonly path?: string;
  /** Why a new entry waits for a review; left out: it is active at once. */
  readonly heldFor?: string;
}

export interface RegisteredEntry {
  readonly entry: CatalogEntry;
  /** False where the same text was registered before. */
  readonly created: boolean;
  readonly warnings: readonly Issue[];
}

/** Where a document goes. */
interface NewPlace {
  readonly path: string;
  readonly content: string;
  /** Canonical; null = the next patch. */
  readonly named: string | null;
  readonly tags: readonly string[];
  readonly heldFor?: string | undefined;
}

/** The way into the catalog: a text is checked, compiled and becomes an entry that never changes. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly playbooks: PlaybookRepository,
    private readonly compiled: CompiledPlaybooks,
    private readonly paths: PathVersions,
    private readonly documents: DocumentReader,
    private readonly ids: IdMint,
  ) {}

  /**
   * Registers a document at the path it names. Known to every start on this node when it resolves.
   * @throws EngineError what `DocumentReader.read` throws, `version_conflict`, `version_exists`, `invalid_value` (tags), `invalid_path`,
   * `entry_state_conflict` (tags on an entry that is yanked or held), `forbidden` (tags of a caller who may not move them)
   */
  async register(principal: Principal, command: RegisterDocument): Promise<RegisteredEntry> {
    if (command.tags.length > 0 && !principal.scopes.has(MOVES_TAGS)) {
      throw new EngineError('forbidden', 'forbidden', `The scope ${MOVES_TAGS} is needed to point tags at an entry.`);
    }
    const tags = [...new Set(command.tags.map((tag, index) => pointedAt(`/tags/${index}`, () => checkTagName(tag))))];
    const document = await this.documents.read(command.content, command.strict);
    if (command.path !== undefined && command.path !== document.path) throw wrongPath(command.path, document.path);
    const named = namedVersion(document.version, command.version);
    const { entry, created } = await this.add(principal, document, {
      path: document.path,
      content: command.content,
      named,
      tags,
      heldFor: command.heldFor,
    });
    return { entry, created, warnings: document.warnings };
  }

  /**
   * Keeps the text of a step of another playbook as an entry of its own, which only its id finds: the same text is the same entry, so whoever calls
   * it again, here or after a crash, calls what was called before.
   * @param holder path of the playbook that holds the step; @param subject who is recorded as having registered it
   * @throws EngineError what `DocumentReader.read` throws
   */
  async registerInline(tenant: string, holder: string, content: string, subject: string): Promise<CatalogEntry> {
    const path = inlinePath(holder, digestOf(content));
    const known = (await this.paths.of(tenant, path)).state.versions[0];
    if (known) return known;
    const document = await this.documents.read(content, false);
    const named = namedVersion(document.version, null);
    return (await this.add({ tenant, subject }, document, { path, content, named, tags: [] })).entry;
  }

  /** What registering would say of a text; registers nothing. */
  validate(content: string, strict: boolean): Promise<CheckedDocument> {
    return this.documents.check(content, strict);
  }

  private async add(
    { tenant, subject }: Pick<Principal, 'tenant' | 'subject'>,
    document: CatalogDocument,
    { path, content, named, tags, heldFor }: NewPlace,
  ): Promise<Registered> {
    const digest = digestOf(content);
    try {
      const registered = await this.playbooks.register(tenant, path, tags, subject, (versions) => {
        const decision = decideRegistration(versions, digest, named);
        if ('existing' in decision) {
          if (tags.length > 0) refuseTagsOn(decision.existing);
          return decision;
        }
        return {
          add: {
            id: this.ids.next(),
            name: document.playbook.metadata.name,
            kind: document.kind,
            version: versionColumns(decision.version),
            digest,
            source: content,
            normalised: document.playbook,
            description: document.playbook.metadata.description,
            warnings: document.warnings,
            registeredBy: subject,
            ...(heldFor === undefined ? {} : { heldFor }),
          },
        };
      });
      if (registered.created) this.compiled.keep(tenant, registered.entry.id, document.compiled, content.length);
      return registered;
    } finally {
      this.paths.forget(tenant, path); // also after a failure: the commit may have happened
    }
  }
}

function digestOf(content: string): string {
  return createHash('sha256').update(content, 'utf8').digest('hex');
}

/** What nothing but an exact pin finds is no place for a tag, as `TagService.put` has it. */
function refuseTagsOn({ path, version, status }: CatalogEntry): void {
  if (status === 'yanked' || status === 'held')
    throw new EngineError('conflict', 'entry_state_conflict', `${path} ${version} is ${status}; no tag can point at it.`);
}

function wrongPath(expected: string, named: string): EngineError {
  const message = `The document names the path ${named}; here it must be ${expected}.`;
  return new EngineError('invalid', 'invalid_path', message, [{ code: 'invalid_path', pointer: '/content', message }]);
}
