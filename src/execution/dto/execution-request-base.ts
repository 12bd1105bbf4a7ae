import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsBoolean, IsObject, IsOptional, ValidateNested } from 'class-validator';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { OptionalText } from '../../common/dto/optional-field.js';
import { Aliases, Nested, NumberAsText } from '../../common/wire-field.js';
import { type JsonObject } from '../../engine/values.js';
import { ExecutionContext, LABEL } from './execution-context.js';
import { StartOptionsRequest } from './start-options-request.js';

/** Fields every way of starting an execution accepts. Wire names are the public contract. */
export abstract class ExecutionRequestBase extends StartOptionsRequest {
  @ApiPropertyOptional({ ...FREE_OBJECT, default: {}, description: 'Input data for execution.' })
  @IsObject()
  @Aliases(['input_payload', 'workload', 'payload', 'args'], FREE_OBJECT)
  readonly parameters: JsonObject = {};

  @ApiPropertyOptional({ type: Boolean, default: false, description: 'Merge with existing workload data.' })
  @IsBoolean()
  readonly merge: boolean = false;

  @ApiPropertyOptional({
    type: Boolean,
    default: true,
    description: 'Persist execution state. false: run without rows, the answer waits for the end.',
  })
  @IsBoolean()
  readonly sync_to_postgres: boolean = true;

  @ApiPropertyOptional({ type: () => ExecutionContext, nullable: true, description: 'Nested execution context (parent tracking).' })
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => ExecutionContext)
  @Nested(() => ExecutionContext)
  readonly context?: ExecutionContext | null;

  @ApiPropertyOptional({ ...FREE_OBJECT, nullable: true, default: {}, description: 'Additional tracking metadata; never interpreted.' })
  @IsOptional()
  @IsObject()
  readonly metadata: JsonObject | null = {};

  @OptionalText({ ...LABEL, example: 'exec_123', description: 'Flat form of context.parent_execution_id; wins over it.' })
  @NumberAsText()
  readonly parent_execution_id?: string | null;

  @OptionalText({ ...LABEL, example: 'event_456', description: 'Flat form of context.parent_event_id; wins over it.' })
  @NumberAsText()
  readonly parent_event_id?: string | null;

  @OptionalText({ ...LABEL, example: 'fetch_data', description: 'Flat form of context.parent_step; wins over it.' })
  @NumberAsText()
  readonly parent_step?: string | null;
}
