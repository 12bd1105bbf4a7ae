import { ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsObject, IsOptional, Matches } from 'class-validator';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { type JsonObject } from '../../engine/values.js';
import { ExecutionFilterFields } from '../../status/dto/execution-queries.js';

const ID = '^[1-9][0-9]{0,18}$';
const MAX_IDS = 1_000;

/** Which executions a bulk operation is about: the filters of the list of executions, all of which must hold. */
export class BulkFilter extends ExecutionFilterFields {
  @ApiPropertyOptional({ ...FREE_OBJECT, description: 'An object that the metadata must contain.', example: { triggered_by: 'scheduler' } })
  @IsOptional()
  @IsObject()
  readonly metadata?: JsonObject;

  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'string', pattern: ID },
    minItems: 1,
    maxItems: MAX_IDS,
    description: 'Only these executions.',
    example: ['415923710348034048'],
  })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_IDS)
  @Matches(new RegExp(ID), { each: true })
  readonly ids?: string[];
}
