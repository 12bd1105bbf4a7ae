import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsObject, IsOptional } from 'class-validator';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { OptionalText } from '../../common/dto/optional-field.js';
import { Aliases, NumberAsText } from '../../common/wire-field.js';
import { type JsonObject } from '../../engine/values.js';
import { StartOptionsRequest } from './start-options-request.js';

/** What of an earlier execution is to be different this time. */
export class RerunRequest extends StartOptionsRequest {
  @OptionalText({
    type: String,
    nullable: true,
    maxLength: 128,
    example: 'latest',
    description: 'Version, range or tag; left out: the version that ran.',
  })
  @NumberAsText()
  readonly version?: string | null;

  @ApiPropertyOptional({ ...FREE_OBJECT, nullable: true, description: 'Input data; left out: those of the earlier execution.' })
  @IsOptional()
  @IsObject()
  @Aliases(['input_payload', 'workload', 'payload', 'args'], FREE_OBJECT)
  readonly parameters?: JsonObject | null;

  @OptionalText({
    type: String,
    nullable: true,
    maxLength: 20,
    example: 'playbook',
    description: 'Sent by older clients; the kind of the entry decides.',
  })
  @Aliases(['type', 'resource_kind', 'resource_type'], { type: 'string' })
  readonly execution_type?: string | null;
}
