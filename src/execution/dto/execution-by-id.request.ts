import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsNotEmpty, IsOptional, IsString, MaxLength } from 'class-validator';
import { IsGiven } from '../../common/is-given.js';
import { Aliases, AnyCase, NumberAsText } from '../../common/wire-field.js';
import { EXECUTION_TYPES, type ExecutionType } from '../../status/dto/execution-type.js';
import { ExecutionRequestBase } from './execution-request-base.js';

/** Direct execution using a playbook identifier (legacy, simple mode). */
export class ExecutionByIdRequest extends ExecutionRequestBase {
  @ApiProperty({
    minLength: 1,
    maxLength: 1024,
    example: 'tests/fixtures/playbooks/hello_world/hello_world',
    description: 'A path, path@version, path:version or the id of a catalog entry. Without a version: the most recently registered one.',
  })
  @IsString()
  @IsNotEmpty()
  @MaxLength(1024)
  @NumberAsText()
  @Aliases(['catalog_id', 'path'], { type: String })
  readonly playbook_id!: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    minLength: 1,
    maxLength: 256,
    description: 'Version, range, tag or revision.',
    example: '1.2.0',
  })
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  @MaxLength(256)
  @NumberAsText()
  readonly version?: string | null;

  @ApiPropertyOptional({
    enum: EXECUTION_TYPES,
    enumName: 'ExecutionType',
    description: 'Type of execution. Left out: the kind of the entry.',
  })
  @IsGiven()
  @IsIn(EXECUTION_TYPES)
  @AnyCase()
  @Aliases(['type', 'resource_kind', 'resource_type'], { type: String })
  readonly execution_type?: ExecutionType;
}
