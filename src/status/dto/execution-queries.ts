import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { OptionalInteger, OptionalText } from '../../common/dto/optional-field.js';

const TIME = '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2})?)?$';

function OptionalTime(meaning: string): PropertyDecorator {
  const description = `${meaning} A date alone is its midnight, and what names no zone is UTC.`;
  const documented = ApiPropertyOptional({ pattern: TIME, example: '2025-10-11T00:00:00Z', description });
  return applyDecorators(documented, IsOptional(), Matches(new RegExp(TIME)));
}

/** By what executions are chosen, in lists and for bulk operations. */
export abstract class ExecutionFilterFields {
  @OptionalText({ maxLength: 512, example: 'tests/fixtures/playbooks/hello_world' })
  readonly path?: string;

  @OptionalText({ maxLength: 128, example: '1.2.0', description: 'With or without a leading v.' })
  readonly version?: string;

  @OptionalText({
    maxLength: 200,
    example: 'running,failed',
    description: 'One or more of ExecutionState, comma-separated, any case.',
  })
  readonly status?: string;

  @OptionalText({ maxLength: 20, example: 'playbook' })
  readonly type?: string;

  @OptionalText({ maxLength: 256, description: 'Executions that name this one as parent.' })
  readonly parent_execution_id?: string;

  @OptionalTime('Started at this time or later.')
  readonly started_after?: string;

  @OptionalTime('Started before this time.')
  readonly started_before?: string;

  @OptionalTime('Ended at this time or later.')
  readonly ended_after?: string;

  @OptionalTime('Ended before this time.')
  readonly ended_before?: string;
}

/** Filters and paging of the list of executions. */
export class ListExecutionsQuery extends ExecutionFilterFields {
  @OptionalText({
    maxLength: 4096,
    example: '{"triggered_by":"scheduler"}',
    description: 'A JSON object that the metadata must contain.',
  })
  readonly metadata?: string;

  @OptionalInteger({ minimum: 1, maximum: 500, default: 50 })
  readonly limit: number = 50;

  @OptionalText({ maxLength: 200, description: 'From X-Next-Cursor.' })
  readonly cursor?: string;

  @OptionalInteger({
    minimum: 0,
    maximum: 10_000,
    default: 0,
    deprecated: true,
    description: 'For old clients; use cursor.',
  })
  readonly offset: number = 0;
}

/** What of an execution's events comes along with it. */
export class GetExecutionQuery {
  @OptionalText({ maxLength: 100, example: 'events' })
  readonly include?: string;

  @OptionalInteger({ minimum: 1, maximum: 100_000 })
  readonly page?: number;

  @OptionalInteger({ minimum: 1, maximum: 1_000, description: 'Default 100.' })
  readonly page_size?: number;

  @OptionalText({ maxLength: 64, description: 'Only events after this event_id or seq.' })
  readonly since_event_id?: string;

  @OptionalText({ maxLength: 400, description: 'One or more event types, comma-separated.' })
  readonly event_type?: string;

  @OptionalText({ maxLength: 20, description: 'Seconds to wait for the end (60 at most).' })
  readonly wait?: string;
}

/** A page of a history. */
export class ListEventsQuery {
  @OptionalInteger({ minimum: 1, maximum: 1_000, default: 100 })
  readonly limit: number = 100;

  @OptionalInteger({ minimum: 0, maximum: 2_147_483_647, default: 0, description: 'Only events with a larger seq.' })
  readonly after: number = 0;

  @OptionalText({ maxLength: 200, description: 'From next_cursor; wins over after.' })
  readonly cursor?: string;

  @OptionalText({ maxLength: 400, description: 'One or more event types, comma-separated.' })
  readonly event_type?: string;
}

/** A page of an execution's steps. */
export class ListStepsQuery {
  @OptionalInteger({ minimum: 1, maximum: 1_000, default: 100 })
  readonly limit: number = 100;

  @OptionalText({ maxLength: 200, description: 'From next_cursor.' })
  readonly cursor?: string;
}
