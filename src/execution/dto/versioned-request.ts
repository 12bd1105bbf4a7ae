import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { Aliases, NumberAsText } from '../../common/wire-field.js';
import { ExecutionRequestBase } from './execution-request-base.js';

/** What every request of `POST /execute` names: a path and a version. */
export abstract class VersionedRequest extends ExecutionRequestBase {
  @ApiProperty({
    minLength: 1,
    maxLength: 1024,
    example: 'tests/fixtures/playbooks/hello_world/hello_world',
    description: 'Path of the catalog entry; path@version, path:version and the id of an entry are understood too.',
  })
  @IsString()
  @IsNotEmpty()
  @MaxLength(1024)
  @Aliases(['catalog_id'], { type: String })
  readonly path!: string;

  @ApiPropertyOptional({
    type: String,
    minLength: 1,
    maxLength: 256,
    default: 'latest',
    example: 'v1.2.0',
    description: 'Semantic version, range, tag, revision or latest.',
  })
  @IsString()
  @IsNotEmpty()
  @MaxLength(256)
  @NumberAsText()
  readonly version: string = 'latest';
}
