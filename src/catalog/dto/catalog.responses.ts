import { ApiProperty } from '@nestjs/swagger';
import { ProblemIssue } from '../../common/dto/problem-document.js';
import { type CatalogEntry, ENTRY_STATUSES, type EntryStatus, type ListedEntry } from '../../storage/catalog-entry.js';
import { type StoredEntry } from '../../storage/repositories/playbook.repository.js';
import { type CheckedDocument } from '../document-reader.js';
import { type RegisteredEntry } from '../registration.service.js';
import { type Candidate } from '../resolve.js';
import { issueView } from './catalog-entry.response.js';

const PATH = { example: 'tests/fixtures/playbooks/hello_world' } as const;
const VERSION = { example: '1.2.0' } as const;
const CATALOG_ID = { example: '241817298272452608' } as const;
const DIGEST = {
  example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  description: 'SHA-256 of the text, hex.',
} as const;
const REVISION = { type: 'integer', minimum: 1, example: 3 } as const;

/** What a registration came to. */
export class RegisterCatalogEntryResponse {
  @ApiProperty({ enum: ['success'], enumName: 'RegistrationOutcome' })
  readonly status!: 'success';
  @ApiProperty({ example: 'Registered tests/fixtures/playbooks/hello_world 1.2.0.' })
  readonly message!: string;
  @ApiProperty(PATH)
  readonly path!: string;
  @ApiProperty(VERSION)
  readonly version!: string;
  @ApiProperty(REVISION)
  readonly revision!: number;
  @ApiProperty(CATALOG_ID)
  readonly catalog_id!: string;
  @ApiProperty({ example: 'Playbook' })
  readonly kind!: string;
  @ApiProperty(DIGEST)
  readonly digest!: string;
  @ApiProperty({ type: () => [ProblemIssue] })
  readonly warnings!: ProblemIssue[];

  static from({ entry, created, warnings }: RegisteredEntry): RegisterCatalogEntryResponse {
    const { path, version, revision, id, kind, digest } = entry;
    const message = created ? `Registered ${path} ${version}.` : `${path} ${version} has this text already.`;
    return { status: 'success', message, path, version, revision, catalog_id: id, kind, digest, warnings: warnings.map(issueView) };
  }
}

/** What a check of a document found. */
export class PlaybookValidation {
  @ApiProperty({ type: Boolean, example: true })
  readonly valid!: boolean;
  @ApiProperty({ type: () => [ProblemIssue] })
  readonly errors!: ProblemIssue[];
  @ApiProperty({ type: () => [ProblemIssue] })
  readonly warnings!: ProblemIssue[];

  static from({ errors, warnings }: CheckedDocument): PlaybookValidation {
    return { valid: errors.length === 0, errors: errors.map(issueView), warnings: warnings.map(issueView) };
  }
}

/** One version in the list of a path. */
export class CatalogVersion {
  @ApiProperty(VERSION)
  readonly version!: string;
  @ApiProperty(REVISION)
  readonly revision!: number;
  @ApiProperty(CATALOG_ID)
  readonly catalog_id!: string;
  @ApiProperty({ enum: ENTRY_STATUSES, enumName: 'CatalogEntryStatus', example: 'active' })
  readonly status!: EntryStatus;
  @ApiProperty(DIGEST)
  readonly digest!: string;
  @ApiProperty({ format: 'date-time', example: '2025-10-11T10:30:00.000Z' })
  readonly registered_at!: string;
}

/** Every version of a path, newest registration first, and what its tags point at. */
export class CatalogVersionList {
  @ApiProperty(PATH)
  readonly path!: string;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, example: { prod: '1.2.0' }, description: 'Tag -> version.' })
  readonly tags!: Record<string, string>;
  @ApiProperty({ type: () => [CatalogVersion] })
  readonly versions!: CatalogVersion[];

  static from(known: {
    readonly path: string;
    readonly versions: readonly CatalogEntry[];
    readonly tags: ReadonlyMap<string, string>;
  }): CatalogVersionList {
    const versionOf = new Map(known.versions.map((entry) => [entry.id, entry.version]));
    const tags = [...known.tags].map(([tag, id]) => [tag, versionOf.get(id) ?? ''] as const);
    const versions = known.versions.map(({ version, revision, id, status, digest, registeredAt }) => {
      return { version, revision, catalog_id: id, status, digest, registered_at: new Date(registeredAt).toISOString() };
    });
    return { path: known.path, tags: Object.fromEntries(tags), versions };
  }
}

/** A version, and why it was or was not chosen. */
export class CatalogCandidate {
  @ApiProperty(VERSION)
  readonly version!: string;
  @ApiProperty({ type: Boolean, example: true })
  readonly chosen!: boolean;
  @ApiProperty({ example: 'the highest that satisfies ^1.2' })
  readonly why!: string;
}

/** Which version a request would get, and why. */
export class CatalogResolution {
  @ApiProperty(PATH)
  readonly path!: string;
  @ApiProperty({ type: String, nullable: true, example: '1.2.0', description: 'null where nothing matches.' })
  readonly chosen!: string | null;
  @ApiProperty({ type: () => [CatalogCandidate], description: 'Highest first.' })
  readonly candidates!: CatalogCandidate[];

  static from(found: {
    readonly path: string;
    readonly chosen: CatalogEntry | null;
    readonly candidates: readonly Candidate[];
  }): CatalogResolution {
    const candidates = found.candidates.map(({ entry, chosen, why }) => ({ version: entry.version, chosen, why }));
    return { path: found.path, chosen: found.chosen?.version ?? null, candidates };
  }
}

/** A playbook as the older list shows it. */
export class PlaybookListItem {
  @ApiProperty({ ...CATALOG_ID, description: 'Catalog id.' })
  readonly id!: string;
  @ApiProperty({ example: 'hello_world' })
  readonly name!: string;
  @ApiProperty(PATH)
  readonly path!: string;
  @ApiProperty({ example: 'Playbook' })
  readonly kind!: string;
  @ApiProperty(VERSION)
  readonly version!: string;
  @ApiProperty({ enum: ENTRY_STATUSES, enumName: 'CatalogEntryStatus', example: 'active' })
  readonly status!: EntryStatus;
  @ApiProperty({ type: 'integer', minimum: 0, example: 2 })
  readonly tasks_count!: number;
  @ApiProperty({ type: String, nullable: true, example: 'Says hello.' })
  readonly description!: string | null;
  @ApiProperty({ format: 'date-time', example: '2025-10-11T10:30:00.000Z' })
  readonly updated_at!: string;

  static from(entry: ListedEntry): PlaybookListItem {
    const { id, name, path, kind, version, status, stepCount, description, registeredAt } = entry;
    return { id, name, path, kind, version, status, tasks_count: stepCount, description, updated_at: new Date(registeredAt).toISOString() };
  }
}

/** The text of a playbook. */
export class PlaybookContent {
  @ApiProperty(PATH)
  readonly path!: string;
  @ApiProperty(VERSION)
  readonly version!: string;
  @ApiProperty({ example: 'apiVersion: noetl.io/v1\nkind: Playbook\n' })
  readonly content!: string;

  static from({ path, version, source }: StoredEntry): PlaybookContent {
    return { path, version, content: source };
  }
}
