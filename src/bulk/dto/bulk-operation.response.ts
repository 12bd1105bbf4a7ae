import { ApiProperty } from '@nestjs/swagger';
import { ERROR_CODES, type ErrorCode } from '../../engine/error-codes.js';
import { optionalTimeOf, timeOf } from '../../status/dto/time-text.js';
import { BULK_STATES, type BulkOperationRecord, type BulkState } from '../../storage/bulk-operation-record.js';
import { BULK_ACTIONS, type BulkAction } from '../bulk-actions.js';
import { BulkFilter } from './bulk-filter.js';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
const TIME = { format: 'date-time', example: '2025-10-11T10:30:00.000Z' };

/** What a dry run found. */
export class BulkOperationCount {
  @ApiProperty({ enum: BULK_ACTIONS, enumName: 'BulkAction' })
  readonly action!: BulkAction;

  @ApiProperty({ type: () => BulkFilter })
  readonly filter!: BulkFilter;

  @ApiProperty({ description: 'Always true: nothing was changed.', example: true })
  readonly dry_run!: boolean;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Executions that match now.', example: 300 })
  readonly count!: number;
}

/** An execution that could not be treated. */
export class BulkOperationError {
  @ApiProperty({ type: String, nullable: true, description: 'null: the operation itself.', example: '415923710348034048' })
  readonly execution_id!: string | null;

  @ApiProperty({ enum: CODES, enumName: 'ErrorCode', example: 'unknown_version' })
  readonly code!: ErrorCode;

  @ApiProperty()
  readonly message!: string;
}

/** A bulk operation and how far it has come. */
export class BulkOperation {
  @ApiProperty({ pattern: '^[0-9]+$', example: '415923710348034048' })
  readonly id!: string;

  @ApiProperty({ enum: BULK_ACTIONS, enumName: 'BulkAction' })
  readonly action!: BulkAction;

  @ApiProperty({ type: () => BulkFilter, example: { path: 'billing/close_month', status: 'running' } })
  readonly filter!: BulkFilter;

  @ApiProperty({ type: String, nullable: true, example: 'wrong month' })
  readonly reason!: string | null;

  @ApiProperty({ enum: BULK_STATES, enumName: 'BulkOperationState' })
  readonly status!: BulkState;

  @ApiProperty({
    type: 'integer',
    minimum: 0,
    description: 'Executions that matched when it was asked for; at the end, all that were treated.',
  })
  readonly total!: number;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'succeeded + skipped + failed.' })
  readonly done!: number;

  @ApiProperty({ type: 'integer', minimum: 0 })
  readonly succeeded!: number;

  @ApiProperty({
    type: 'integer',
    minimum: 0,
    description: 'Were so already, had ended otherwise, or matched no more when their turn came.',
  })
  readonly skipped!: number;

  @ApiProperty({ type: 'integer', minimum: 0 })
  readonly failed!: number;

  @ApiProperty({ type: () => [BulkOperationError], description: 'The first 100.' })
  readonly errors!: BulkOperationError[];

  @ApiProperty({ ...TIME })
  readonly created_at!: string;

  @ApiProperty({ ...TIME })
  readonly updated_at!: string;

  @ApiProperty({ type: String, nullable: true, ...TIME })
  readonly ended_at!: string | null;

  @ApiProperty({ description: 'Who asked for it; it is done in their name.', example: 'anonymous' })
  readonly created_by!: string;

  static from(record: BulkOperationRecord): BulkOperation {
    const { id, reason, status, total, done, succeeded, skipped, failed } = record;
    return {
      id,
      // Written by this service, from a request that was checked.
      action: record.action as BulkAction,
      filter: record.filter as BulkFilter,
      reason,
      status,
      total,
      done,
      succeeded,
      skipped,
      failed,
      errors: record.errors.map(({ executionId, code, message }) => ({ execution_id: executionId, code, message })),
      created_at: timeOf(record.createdAt),
      updated_at: timeOf(record.updatedAt),
      ended_at: optionalTimeOf(record.endedAt),
      created_by: record.createdBy,
    };
  }
}
