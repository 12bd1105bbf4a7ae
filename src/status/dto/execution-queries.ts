import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';

const TIME = '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2})?)?$';
const TIME_FIELD = { pattern: TIME, example: '2025-10-11T00:00:00Z' };

/** Filters and paging of the list of executions. */
export class ListExecutionsQuery {
  @ApiPropertyOptional({ maxLength: 512, example: 'tests/fixtures/playbooks/hello_world' })
  @IsOptional()
  @IsString()
  @MaxLength(512)
  readonly path?: string;

  @ApiPropertyOptional({ maxLength: 128, example: '1.2.0', description: 'With or without a leading v.' })
  @IsOptional()
  @IsString()
  @MaxLength(128)
  readonly version?: string;

  @ApiPropertyOptional({
    maxLength: 200,
    example: 'running,failed',
    description: 'One or more of ExecutionState, comma-separated, any case.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  readonly status?: string;

  @ApiPropertyOptional({ maxLength: 20, example: 'playbook' })
  @IsOptional()
  @IsString()
  @MaxLength(20)
  readonly type?: string;

  @ApiPropertyOptional({ maxLength: 256, description: 'Executions that name this one as parent.' })
  @IsOptional()
  @IsString()
  @MaxLength(256)
  readonly parent_execution_id?: string;

  @ApiPropertyOptional({
    maxLength: 4096,
    example: '{"triggered_by":"scheduler"}',
    description: 'A JSON object that the metadata must contain.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(4096)
  readonly metadata?: string;

  @ApiPropertyOptional(TIME_FIELD)
  @IsOptional()
  @Matches(new RegExp(TIME))
  readonly started_after?: string;

  @ApiPropertyOptional(TIME_FIELD)
  @IsOptional()
  @Matches(new RegExp(TIME))
  readonly started_before?: string;

  @ApiPropertyOptional(TIME_FIELD)
  @IsOptional()
  @Matches(new RegExp(TIME))
  readonly ended_after?: string;

  @ApiPropertyOptional(TIME_FIELD)
  @IsOptional()
  @Matches(new RegExp(TIME))
  readonly ended_before?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 500, default: 50 })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(500)
  readonly limit: number = 50;

  @ApiPropertyOptional({ maxLength: 200, description: 'From X-Next-Cursor.' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  readonly cursor?: string;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: 10_000,
    default: 0,
    deprecated: true,
    description: 'For old clients; use cursor.',
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(10_000)
  readonly offset: number = 0;
}

/** What of an execution's events comes along with it. */
export class GetExecutionQuery {
  @ApiPropertyOptional({ maxLength: 100, example: 'events' })
  @IsOptional()
  @IsString()
  @MaxLength(100)
  readonly include?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 100_000 })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(100_000)
  readonly page?: number;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1_000, description: 'Default 100.' })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000)
  readonly page_size?: number;

  @ApiPropertyOptional({ maxLength: 64, description: 'Only events after this event_id or seq.' })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  readonly since_event_id?: string;

  @ApiPropertyOptional({ maxLength: 400, description: 'One or more event types, comma-separated.' })
  @IsOptional()
  @IsString()
  @MaxLength(400)
  readonly event_type?: string;

  @ApiPropertyOptional({ maxLength: 20, description: 'Seconds to wait for the end (60 at most).' })
  @IsOptional()
  @IsString()
  @MaxLength(20)
  readonly wait?: string;
}

/** A page of a history. */
export class ListEventsQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1_000, default: 100 })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000)
  readonly limit: number = 100;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 2_147_483_647, default: 0, description: 'Only events with a larger seq.' })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  readonly after: number = 0;

  @ApiPropertyOptional({ maxLength: 200, description: 'From next_cursor; wins over after.' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  readonly cursor?: string;

  @ApiPropertyOptional({ maxLength: 400, description: 'One or more event types, comma-separated.' })
  @IsOptional()
  @IsString()
  @MaxLength(400)
  readonly event_type?: string;
}

/** A page of an execution's steps. */
export class ListStepsQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1_000, default: 100 })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000)
  readonly limit: number = 100;

  @ApiPropertyOptional({ maxLength: 200, description: 'From next_cursor.' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  readonly cursor?: string;
}
