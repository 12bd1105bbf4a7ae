import { ApiProperty } from '@nestjs/swagger';
import { FREE_OBJECT, JSON_VALUE } from '../../common/dto/json-value.js';
import { type Json, type JsonObject } from '../../engine/values.js';

export const EVENT_STATUSES = ['PENDING', 'STARTED', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED'] as const;
export type EventStatus = (typeof EVENT_STATUSES)[number];

/** One line of an execution's history. */
export class ExecutionEvent {
  @ApiProperty({ type: 'integer', minimum: 1, description: 'Position in the history, 1..n without gaps.' })
  readonly seq!: number;

  @ApiProperty({ example: '415923710348034048-1', description: '<execution id>-<seq>' })
  readonly event_id!: string;

  @ApiProperty({ pattern: '^[0-9]+$', example: '415923710348034048' })
  readonly execution_id!: string;

  @ApiProperty({ pattern: '^[0-9]+$', example: '415923710348034000' })
  readonly catalog_id!: string;

  @ApiProperty({
    example: 'step_completed',
    description:
      'execution_started, step_started, step_completed, step_failed, step_skipped, step_waiting, step_progress, step_log, action_retry, compensation_started, compensation_completed, compensation_failed, compensation_skipped, …',
  })
  readonly event_type!: string;

  @ApiProperty({ example: '415923710348034048:start', description: '<execution id>:<step>, or the execution id.' })
  readonly node_id!: string;

  @ApiProperty({ example: 'start', description: 'The step, or the playbook where the event is about the execution.' })
  readonly node_name!: string;

  @ApiProperty({ example: 'router', description: 'Type of the step, or of the execution.' })
  readonly node_type!: string;

  @ApiProperty({ enum: EVENT_STATUSES, enumName: 'EventStatus' })
  readonly status!: EventStatus;

  @ApiProperty({ format: 'date-time', example: '2025-10-11T10:30:00.000Z', description: "The database's clock; never falls." })
  readonly created_at!: string;

  @ApiProperty({ format: 'date-time', example: '2025-10-11T10:30:00.000Z', description: 'The same as created_at.' })
  readonly timestamp!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When what ended here began; null where nothing ended.' })
  readonly started_at!: string | null;

  @ApiProperty({ type: Number, nullable: true, description: 'Seconds.' })
  readonly duration!: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  readonly attempt!: number | null;

  @ApiProperty({ type: 'integer', nullable: true, description: 'How often the step has fired, from 1.' })
  readonly wave!: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  readonly item_index!: number | null;

  @ApiProperty({
    ...FREE_OBJECT,
    nullable: true,
    description: 'Inputs of the step. Above 256 KiB: {"$ref": "/executions/{id}/events/{seq}/inputs"}.',
  })
  readonly context!: JsonObject | null;

  @ApiProperty({
    ...JSON_VALUE,
    description: 'Value of the step, or result of the execution. Above 256 KiB: {"$ref": "/executions/{id}/events/{seq}/result"}.',
  })
  readonly result!: Json;

  @ApiProperty({ type: String, nullable: true })
  readonly error!: string | null;

  @ApiProperty({
    ...FREE_OBJECT,
    description:
      'Edges taken, variables, saves, warnings, logs, error details. Of what undoes a step: compensation: true. Of step_progress: progress, total, message, and of_action where an action says it of itself; of step_log: level, logger, message, data.',
  })
  readonly meta!: JsonObject;

  @ApiProperty({ type: String, nullable: true })
  readonly parent_execution_id!: string | null;

  @ApiProperty({ type: String, nullable: true })
  readonly parent_event_id!: string | null;
}

/** A page of a history, oldest first. */
export class ExecutionEventPage {
  @ApiProperty({ type: () => ExecutionEvent, isArray: true })
  readonly events!: ExecutionEvent[];

  @ApiProperty({ type: String, nullable: true, description: 'For `cursor`, where more events may follow.' })
  readonly next_cursor!: string | null;
}
