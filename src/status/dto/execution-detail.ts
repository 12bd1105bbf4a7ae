import { ApiProperty } from '@nestjs/swagger';
import { ExecutionEvent } from './execution-event.js';
import { ExecutionStatus } from './execution-status.js';

/** Which page of events came along. */
export class EventPagination {
  @ApiProperty({ type: 'integer', minimum: 1 })
  readonly page!: number;

  @ApiProperty({ type: 'integer', minimum: 1 })
  readonly page_size!: number;

  @ApiProperty({ type: 'integer', minimum: 0 })
  readonly total_events!: number;

  @ApiProperty({ type: 'integer', minimum: 0 })
  readonly total_pages!: number;

  @ApiProperty()
  readonly has_next!: boolean;

  @ApiProperty()
  readonly has_prev!: boolean;
}

/** One execution, with its events where they were asked for. */
export class ExecutionDetail extends ExecutionStatus {
  @ApiProperty({ type: () => ExecutionEvent, isArray: true, nullable: true, description: 'Newest first; null unless include=events.' })
  readonly events!: ExecutionEvent[] | null;

  @ApiProperty({ type: () => EventPagination, nullable: true })
  readonly pagination!: EventPagination | null;
}

/** The small form of a status, for clients that poll. */
export class ExecutionProgress {
  @ApiProperty({ pattern: '^[0-9]+$' })
  readonly execution_id!: string;

  @ApiProperty({ enum: ['pending', 'running', 'paused', 'completed', 'failed', 'cancelled'], enumName: 'ExecutionState' })
  readonly status!: string;

  @ApiProperty({ type: 'integer', minimum: 0, maximum: 100 })
  readonly progress!: number;

  @ApiProperty({ type: String, nullable: true })
  readonly current_step!: string | null;

  @ApiProperty({ type: String, isArray: true, description: 'The newest 1,000, oldest first.' })
  readonly completed_steps!: string[];

  @ApiProperty()
  readonly completed!: boolean;

  @ApiProperty()
  readonly failed!: boolean;

  @ApiProperty({ description: 'Always false: the end is a fact, never a guess.' })
  readonly completion_inferred!: boolean;

  @ApiProperty({ type: 'object', additionalProperties: true, description: 'Always empty; here for old clients.' })
  readonly variables!: Record<string, never>;

  @ApiProperty({ format: 'date-time' })
  readonly start_time!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  readonly end_time!: string | null;

  @ApiProperty({ type: Number, nullable: true })
  readonly duration_seconds!: number | null;

  @ApiProperty({ type: String, nullable: true })
  readonly duration_human!: string | null;

  @ApiProperty({ type: String, nullable: true })
  readonly error!: string | null;
}
