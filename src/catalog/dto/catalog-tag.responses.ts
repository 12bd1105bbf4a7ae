import { ApiProperty } from '@nestjs/swagger';
import { type PointedTag, type TagHistory } from '../tag.service.js';

const TAG = { example: 'prod' } as const;
const TIME = { format: 'date-time', example: '2025-10-11T10:30:00.000Z' } as const;
const SOME_VERSION = { type: String, nullable: true, example: '1.2.0' } as const;

/** A movable name of one version of a path. */
export class CatalogTagResponse {
  @ApiProperty({ example: 'tests/fixtures/playbooks/hello_world' })
  readonly path!: string;
  @ApiProperty(TAG)
  readonly tag!: string;
  @ApiProperty({ example: '1.2.0' })
  readonly version!: string;
  @ApiProperty({ example: '241817298272452608' })
  readonly catalog_id!: string;
  @ApiProperty({ example: '"0f9f2f44-9d3c-4c54-8d55-0d7b9b6f0a3e"', description: 'For If-Match.' })
  readonly etag!: string;
  @ApiProperty(TIME)
  readonly updated_at!: string;

  static from({ path, tag, version, catalogId, etag, updatedAt }: PointedTag): CatalogTagResponse {
    return { path, tag, version, catalog_id: catalogId, etag: `"${etag}"`, updated_at: new Date(updatedAt).toISOString() };
  }
}

/** One move of a tag. */
export class CatalogTagMove {
  @ApiProperty(TAG)
  readonly tag!: string;
  @ApiProperty({ ...SOME_VERSION, description: 'null: the tag was new.' })
  readonly from_version!: string | null;
  @ApiProperty({ ...SOME_VERSION, description: 'null: the tag was removed.' })
  readonly to_version!: string | null;
  @ApiProperty(TIME)
  readonly moved_at!: string;
  @ApiProperty({ example: 'anonymous' })
  readonly moved_by!: string;
}

/** The tags of a path and a page of their moves. */
export class CatalogTagList {
  @ApiProperty({ example: 'tests/fixtures/playbooks/hello_world' })
  readonly path!: string;
  @ApiProperty({ type: () => [CatalogTagResponse] })
  readonly tags!: CatalogTagResponse[];
  @ApiProperty({ type: () => [CatalogTagMove], description: 'Newest first.' })
  readonly history!: CatalogTagMove[];

  static from({ path, tags, moves }: TagHistory): CatalogTagList {
    const history = moves.map(({ tag, fromVersion, toVersion, movedAt, movedBy }) => {
      return { tag, from_version: fromVersion, to_version: toVersion, moved_at: new Date(movedAt).toISOString(), moved_by: movedBy };
    });
    return { path, tags: tags.map((tag) => CatalogTagResponse.from(tag)), history };
  }
}
