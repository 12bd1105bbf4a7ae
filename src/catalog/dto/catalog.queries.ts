import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsNotEmpty, IsString, Max, MaxLength, Min } from 'class-validator';
import { IsGiven } from '../../common/is-given.js';
import { Aliases, NumberAsText } from '../../common/wire-field.js';

const PATH = { minLength: 1, maxLength: 600, example: 'tests/fixtures/playbooks/hello_world' } as const;
const VERSION = {
  type: String,
  maxLength: 256,
  example: '^1.2',
  description: 'Semantic version, range, tag, revision or latest.',
} as const;

/** Where a list goes on, and how far. */
export abstract class CatalogPageQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 500, default: 100 })
  @IsInt()
  @Min(1)
  @Max(500)
  readonly limit: number = 100;

  @ApiPropertyOptional({ maxLength: 1024, description: 'X-Next-Cursor of the page before.' })
  @IsGiven()
  @IsString()
  @MaxLength(1024)
  readonly cursor?: string;
}

/** Which entries are listed. */
export class ListCatalogQuery extends CatalogPageQuery {
  @ApiPropertyOptional({ maxLength: 64, example: 'Playbook', description: 'Kind of the entries, any case; left out: all.' })
  @IsGiven()
  @IsString()
  @MaxLength(64)
  @Aliases(['kind'], { type: String, maxLength: 64 })
  readonly resource_type?: string;
}

/** What is looked for, and of which kind. */
export class SearchCatalogQuery extends CatalogPageQuery {
  @ApiPropertyOptional({ maxLength: 256, default: '', example: 'hello', description: 'Part of path, name or description, any case.' })
  @IsString()
  @MaxLength(256)
  readonly q: string = '';

  @ApiPropertyOptional({ maxLength: 64, example: 'Playbook', description: 'Any case; left out: all.' })
  @IsGiven()
  @IsString()
  @MaxLength(64)
  readonly kind?: string;
}

/** A path of the catalog. */
export class CatalogPathQuery {
  @ApiProperty(PATH)
  @IsString()
  @IsNotEmpty()
  @MaxLength(600)
  readonly path!: string;
}

/** A path, and which version of it is meant. */
export class ResolveCatalogQuery extends CatalogPathQuery {
  @ApiPropertyOptional({ ...VERSION, default: 'latest' })
  @IsString()
  @MaxLength(256)
  @NumberAsText()
  readonly version: string = 'latest';
}

/** A path, and a page of the moves of its tags. */
export class ListCatalogTagsQuery extends CatalogPageQuery {
  @ApiProperty(PATH)
  @IsString()
  @IsNotEmpty()
  @MaxLength(600)
  readonly path!: string;
}

/** One entry by its path; without a version the latest. */
export class CatalogResourceQuery {
  @ApiProperty(PATH)
  @IsString()
  @IsNotEmpty()
  @MaxLength(600)
  @Aliases(['path'], { type: String, maxLength: 600 })
  readonly resource_path!: string;

  @ApiPropertyOptional(VERSION)
  @IsGiven()
  @IsString()
  @MaxLength(256)
  @NumberAsText()
  readonly version?: string;
}

/** A playbook as starts name it: id, path, path@version. */
export class PlaybookContentQuery {
  @ApiProperty({ ...PATH, maxLength: 1024, description: 'Catalog id, path, path@version or path:version.' })
  @IsString()
  @IsNotEmpty()
  @MaxLength(1024)
  readonly playbook_id!: string;

  @ApiPropertyOptional(VERSION)
  @IsGiven()
  @IsString()
  @MaxLength(256)
  @NumberAsText()
  readonly version?: string;
}
