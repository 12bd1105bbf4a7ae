import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Principal } from '../common/principal.js';
import { EngineError, type Issue } from '../engine/engine-error.js';
import { CompiledPlaybooks } from '../storage/compiled-playbooks.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';
import { IdMint } from '../storage/ids.js';
import { PlaybookRepository } from '../storage/repositories/playbook.repository.js';
import { type CheckedDocument, DocumentReader } from './document-reader.js';
import { PathVersions } from './path-versions.js';
import { decideRegistration, namedVersion } from './registration-rules.js';
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
   * @throws EngineError what `DocumentReader.read` throws, `version_conflict`, `version_exists`, `invalid_value` (tags), `invalid_path`
   */
  async register(principal: Principal, command: RegisterDocument): Promise<RegisteredEntry> {
    const tags = [...new Set(command.tags.map(checkTagName))];
    const document = await this.documents.read(command.content, command.strict);
    if (command.path !== undefined && command.path !== document.path) throw wrongPath(command.path, document.path);
    const named = namedVersion(document.version, command.version);
    const digest = createHash('sha256').update(command.content, 'utf8').digest('hex');
    try {
      const { entry, created } = await this.playbooks.register(principal.tenant, document.path, tags, principal.subject, (versions) => {
        const decision = decideRegistration(versions, digest, named);
        if ('existing' in decision) return decision;
        return {
          add: {
            id: this.ids.next(),
            name: document.playbook.metadata.name,
            kind: document.kind,
            version: versionColumns(decision.version),
            digest,
            source: command.content,
            normalised: document.playbook,
            description: document.playbook.metadata.description,
            warnings: document.warnings,
            registeredBy: principal.subject,
            ...(command.heldFor === undefined ? {} : { heldFor: command.heldFor }),
          },
        };
      });
      if (created) this.compiled.keep(principal.tenant, entry.id, document.compiled, command.content.length);
      return { entry, created, warnings: document.warnings };
    } finally {
      this.paths.forget(principal.tenant, document.path); // also after a failure: the commit may have happened
    }
  }

  /** What registering would say of a text; registers nothing. */
  validate(content: string, strict: boolean): Promise<CheckedDocument> {
    return this.documents.check(content, strict);
  }
}

function wrongPath(expected: string, named: string): EngineError {
  const message = `The document names the path ${named}; here it must be ${expected}.`;
  return new EngineError('invalid', 'invalid_path', message, [{ code: 'invalid_path', pointer: '/content', message }]);
}
