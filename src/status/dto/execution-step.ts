import { ApiProperty } from '@nestjs/swagger';
import { FREE_OBJECT, JSON_VALUE } from '../../common/dto/json-value.js';
import { type Json, type JsonObject } from '../../engine/values.js';
import { EVENT_STATUSES, type EventStatus } from './execution-event.js';

/** How a firing of a step is undone. */
export class StepCompensation {
  @ApiProperty({ example: 'http' })
  readonly type!: string;

  @ApiProperty({
    enum: EVENT_STATUSES,
    enumName: 'EventStatus',
    description: 'STARTED, RUNNING (it is tried again), COMPLETED, FAILED, or SKIPPED (given up).',
  })
  readonly status!: EventStatus;

  @ApiProperty({ type: 'integer', minimum: 1 })
  readonly attempt!: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'null where it could not be begun.' })
  readonly started_at!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  readonly ended_at!: string | null;

  @ApiProperty({ ...FREE_OBJECT, nullable: true })
  readonly inputs!: JsonObject | null;

  @ApiProperty({ ...JSON_VALUE })
  readonly value!: Json;

  @ApiProperty({ type: String, nullable: true })
  readonly error!: string | null;

  @ApiProperty({ type: String, nullable: true })
  readonly child_execution_id!: string | null;
}

/** One firing of a step: a step and its wave. */
export class ExecutionStep {
  @ApiProperty({ example: 'fetch_data' })
  readonly step!: string;

  @ApiProperty({ example: 'http' })
  readonly type!: string;

  @ApiProperty({ enum: EVENT_STATUSES, enumName: 'EventStatus' })
  readonly status!: EventStatus;

  @ApiProperty({ type: 'integer', minimum: 1 })
  readonly wave!: number;

  @ApiProperty({ type: 'integer', minimum: 1 })
  readonly attempt!: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  readonly started_at!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  readonly ended_at!: string | null;

  @ApiProperty({ type: Number, nullable: true })
  readonly duration_ms!: number | null;

  @ApiProperty({ ...FREE_OBJECT, nullable: true })
  readonly inputs!: JsonObject | null;

  @ApiProperty({ ...JSON_VALUE })
  readonly value!: Json;

  @ApiProperty({ type: String, nullable: true })
  readonly error!: string | null;

  @ApiProperty({ type: 'integer', nullable: true })
  readonly item_count!: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  readonly items_done!: number | null;

  @ApiProperty({ type: String, nullable: true })
  readonly child_execution_id!: string | null;

  @ApiProperty({ type: () => StepCompensation, nullable: true, description: 'null where it has not been undone.' })
  readonly compensation!: StepCompensation | null;

  @ApiProperty({ ...FREE_OBJECT })
  readonly meta!: JsonObject;
}

export class ExecutionStepPage {
  @ApiProperty({ type: () => ExecutionStep, isArray: true })
  readonly steps!: ExecutionStep[];

  @ApiProperty({ type: String, nullable: true })
  readonly next_cursor!: string | null;
}

/** An execution among its children. */
export class ExecutionTreeNode {
  @ApiProperty({ pattern: '^[0-9]+$' })
  readonly execution_id!: string;

  @ApiProperty({ example: 'billing/close_month' })
  readonly path!: string;

  @ApiProperty({ example: '1.2.0' })
  readonly version!: string;

  @ApiProperty({ enum: ['pending', 'running', 'paused', 'completed', 'failed', 'cancelled'], enumName: 'ExecutionState' })
  readonly status!: string;

  @ApiProperty({ type: 'integer', minimum: 0, maximum: 100 })
  readonly progress!: number;

  @ApiProperty({ type: String, nullable: true, description: 'Step of the parent that started it.' })
  readonly parent_step!: string | null;

  @ApiProperty({ type: () => ExecutionTreeNode, isArray: true })
  readonly children!: ExecutionTreeNode[];
}

export class ExecutionTree {
  @ApiProperty({ type: () => ExecutionTreeNode })
  readonly root!: ExecutionTreeNode;

  @ApiProperty({ type: 'integer', description: 'Executions shown, 1,000 at most.' })
  readonly count!: number;

  @ApiProperty({ description: 'True where there are more.' })
  readonly truncated!: boolean;
}
