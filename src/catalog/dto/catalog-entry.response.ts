import { ApiProperty } from '@nestjs/swagger';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { ProblemIssue } from '../../common/dto/problem-document.js';
import { type Issue } from '../../engine/engine-error.js';
import { type CatalogEntry, ENTRY_STATUSES, type EntryStatus, type ListedEntry } from '../../storage/catalog-entry.js';
import { type StoredEntry } from '../../storage/repositories/playbook.repository.js';
import { type JsonObject } from '../../engine/values.js';
import { EntryAnnotationsView } from './entry-annotations.js';

/** A finding about a document, as the wire shows it. */
export function issueView(issue: Issue): ProblemIssue {
  return {
    pointer: issue.pointer ?? null,
    code: issue.code,
    message: issue.message,
    line: issue.line ?? null,
    column: issue.column ?? null,
  };
}

/** One immutable version of a definition. */
export class CatalogEntryResponse {
  @ApiProperty({ example: '241817298272452608' })
  readonly catalog_id!: string;

  @ApiProperty({ example: 'tests/fixtures/playbooks/hello_world' })
  readonly path!: string;

  @ApiProperty({ example: 'hello_world', description: 'metadata.name of the document.' })
  readonly name!: string;

  @ApiProperty({ example: 'Playbook' })
  readonly kind!: string;

  @ApiProperty({ example: '1.2.0', description: 'Semantic version, canonical.' })
  readonly version!: string;

  @ApiProperty({ type: 'integer', minimum: 1, example: 3, description: 'Counts the registrations of the path.' })
  readonly revision!: number;

  @ApiProperty({ enum: ENTRY_STATUSES, enumName: 'CatalogEntryStatus', example: 'active' })
  readonly status!: EntryStatus;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Why it was deprecated or yanked.' })
  readonly status_reason!: string | null;

  @ApiProperty({ example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', description: 'SHA-256 of the text, hex.' })
  readonly digest!: string;

  @ApiProperty({ type: String, nullable: true, example: 'Says hello.' })
  readonly description!: string | null;

  @ApiProperty({ format: 'date-time', example: '2025-10-11T10:30:00.000Z' })
  readonly registered_at!: string;

  @ApiProperty({ example: 'anonymous' })
  readonly registered_by!: string;

  @ApiProperty({ format: 'date-time', example: '2025-10-11T10:30:00.000Z', description: 'The same as registered_at.' })
  readonly created_at!: string;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'The text as registered; null in lists.' })
  readonly content!: string | null;

  @ApiProperty({ type: () => [ProblemIssue], nullable: true, description: 'What registration remarked; null in lists.' })
  readonly warnings!: ProblemIssue[] | null;

  @ApiProperty({ type: String, nullable: true, example: 'Data validator', description: 'Its name for people; null in lists.' })
  readonly title!: string | null;

  @ApiProperty({ ...FREE_OBJECT, nullable: true, description: 'JSON Schema 2020-12 of the parameters, as declared; null in lists.' })
  readonly input_schema!: JsonObject | null;

  @ApiProperty({ ...FREE_OBJECT, nullable: true, description: 'JSON Schema 2020-12 of the result, as declared; null in lists.' })
  readonly output_schema!: JsonObject | null;

  @ApiProperty({ type: () => EntryAnnotationsView, nullable: true, description: 'Hints about its behaviour; null in lists.' })
  readonly annotations!: EntryAnnotationsView | null;

  static from(entry: CatalogEntry & { readonly description?: string | null }): CatalogEntryResponse {
    const registeredAt = new Date(entry.registeredAt).toISOString();
    return {
      catalog_id: entry.id,
      path: entry.path,
      name: entry.name,
      kind: entry.kind,
      version: entry.version,
      revision: entry.revision,
      status: entry.status,
      status_reason: entry.statusReason,
      digest: entry.digest,
      description: entry.description ?? null,
      registered_at: registeredAt,
      registered_by: entry.registeredBy,
      created_at: registeredAt,
      content: null,
      warnings: null,
      title: null,
      input_schema: null,
      output_schema: null,
      annotations: null,
    };
  }

  static stored(entry: StoredEntry): CatalogEntryResponse {
    const { title, inputSchema, outputSchema, annotations } = entry.contract;
    return {
      ...CatalogEntryResponse.from(entry),
      content: entry.source,
      warnings: entry.warnings.map(issueView),
      title,
      input_schema: inputSchema,
      output_schema: outputSchema,
      annotations,
    };
  }
}

/** A page of the catalog: one entry per path, the one that `latest` means. */
export class CatalogEntryList {
  @ApiProperty({ type: () => [CatalogEntryResponse] })
  readonly entries!: CatalogEntryResponse[];

  static from(entries: readonly ListedEntry[]): CatalogEntryList {
    return { entries: entries.map((entry) => CatalogEntryResponse.from(entry)) };
  }
}
