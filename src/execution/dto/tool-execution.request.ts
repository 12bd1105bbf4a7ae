import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Equals, IsNotEmpty, IsObject, IsString, MaxLength } from 'class-validator';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { IsGiven } from '../../common/is-given.js';
import { Aliases, AnyCase } from '../../common/wire-field.js';
import { type JsonObject } from '../../engine/values.js';
import { VersionedRequest } from './versioned-request.js';

/** MCP tool execution. The tool's fields stand at the root or inside parameters. */
export class ToolExecutionRequest extends VersionedRequest {
  @ApiProperty({ type: String, ...{ const: 'tool' }, description: 'Type of execution.' })
  @Equals('tool')
  @AnyCase()
  @Aliases(['type', 'resource_kind', 'resource_type'], { type: String })
  readonly execution_type!: 'tool';

  @ApiPropertyOptional({ type: String, minLength: 1, maxLength: 256, example: 'data_validator', description: 'Name of the tool.' })
  @IsGiven()
  @IsString()
  @IsNotEmpty()
  @MaxLength(256)
  readonly tool_name?: string;

  @ApiPropertyOptional({ ...FREE_OBJECT, description: 'Arguments of the tool.' })
  @IsGiven()
  @IsObject()
  readonly arguments?: JsonObject;
}
