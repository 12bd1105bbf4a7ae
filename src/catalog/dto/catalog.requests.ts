import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsBoolean, IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { IsGiven } from '../../common/is-given.js';
import { NumberAsText } from '../../common/wire-field.js';

const TEXT =
  'apiVersion: noetl.io/v1\nkind: Playbook\nmetadata:\n  name: hello\n  path: examples/hello\n  version: 1.2.0\nworkflow:\n  - step: start\n    next: end\n  - step: end\n';

/** A request as pages of the API show it: of content and content_base64 only one may be given. */
export const REGISTER_EXAMPLE = { content: TEXT, version: '1.2.0', tags: ['prod'] } as const;

/** The kind of the document, as clients name it that know several. */
export class RegisterCatalogEntryQuery {
  @ApiPropertyOptional({ maxLength: 64, example: 'Playbook', description: 'A kind of entries; what counts is what the document says.' })
  @IsGiven()
  @IsString()
  @MaxLength(64)
  readonly resource_type?: string;
}

/** A document for the catalog: exactly one of content and content_base64. */
export class RegisterCatalogEntryRequest extends RegisterCatalogEntryQuery {
  @ApiPropertyOptional({
    example: TEXT,
    description: 'YAML or JSON, at most 512 KiB. Base64 of it is understood here too: an old client sends that.',
  })
  @IsGiven()
  @IsString()
  readonly content?: string;

  @ApiPropertyOptional({ description: 'The same in base64 (RFC 4648).' })
  @IsGiven()
  @IsString()
  readonly content_base64?: string;

  @ApiPropertyOptional({
    type: String,
    maxLength: 256,
    example: '1.2.0',
    description: 'Where the document names none; left out: the next patch.',
  })
  @IsGiven()
  @IsString()
  @MaxLength(256)
  @NumberAsText()
  readonly version?: string;

  @ApiPropertyOptional({
    type: [String],
    maxItems: 20,
    default: [],
    example: ['prod'],
    description: 'Tags that shall point at the entry; takes the scope `catalog:edit`.',
  })
  @IsArray()
  @ArrayMaxSize(20)
  @IsString({ each: true })
  readonly tags: readonly string[] = [];

  @ApiPropertyOptional({ type: Boolean, default: false, description: 'Warnings refuse as errors do.' })
  @IsBoolean()
  readonly strict: boolean = false;
}

/** A document to be checked. */
export class ValidatePlaybookRequest {
  @ApiProperty({ example: TEXT, description: 'YAML or JSON, at most 512 KiB.' })
  @IsString()
  readonly content!: string;

  @ApiPropertyOptional({ type: Boolean, default: false, description: 'Warnings count as errors.' })
  @IsBoolean()
  readonly strict: boolean = false;
}

/** The next text of a playbook. */
export class PutPlaybookContentRequest {
  @ApiProperty({ example: TEXT, description: 'YAML or JSON, at most 512 KiB, for the path of the playbook.' })
  @IsString()
  readonly content!: string;
}

/** Where a tag shall point. */
export class PutCatalogTagRequest {
  @ApiProperty({ minLength: 1, maxLength: 256, example: '1.2.0', description: 'Version, range, revision or tag; what it means now.' })
  @IsString()
  @IsNotEmpty()
  @MaxLength(256)
  @NumberAsText()
  readonly version!: string;
}

/** Why the state of an entry changes. */
export class EntryStatusRequest {
  @ApiPropertyOptional({ maxLength: 1000, example: 'Miscounts leap years.' })
  @IsGiven()
  @IsString()
  @MaxLength(1000)
  readonly reason?: string;
}
