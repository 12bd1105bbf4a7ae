import { ApiProperty } from '@nestjs/swagger';
import { FREE_OBJECT, JSON_VALUE } from '../../common/dto/json-value.js';
import { type FailureCode } from '../../engine/error-codes.js';
import { FAILURE_CODE } from '../../engine/playbook/reports.js';
import { RUN_STATUSES, type RunStatus } from '../../engine/run/events.js';
import { type Json, type JsonObject } from '../../engine/values.js';
import { EXECUTION_TYPES, type ExecutionType } from './execution-type.js';

export const WAIT_KINDS = ['retry', 'timer', 'signal', 'approval', 'input', 'child', 'compensation'] as const;
const ID = { pattern: '^[0-9]+$', example: '415923710348034048' };
const TIME = { format: 'date-time', example: '2025-10-11T10:30:00.000Z' };

/** What a running execution waits for. */
export class ExecutionWait {
  @ApiProperty({ enum: WAIT_KINDS, enumName: 'WaitKind' })
  readonly kind!: (typeof WAIT_KINDS)[number];

  @ApiProperty({ type: String, nullable: true, description: 'Name of the signal, approval or step.' })
  readonly name!: string | null;

  @ApiProperty({ ...TIME })
  readonly since!: string;

  @ApiProperty({ type: String, nullable: true, ...TIME, description: 'When the wait ends by itself.' })
  readonly until!: string | null;

  @ApiProperty({
    ...FREE_OBJECT,
    nullable: true,
    description:
      'Of kind input: what is asked, by name, each `{method, params}` as in MCP. Answer with a signal of this name whose payload has an answer to each. null in lists.',
    example: { size: { method: 'elicitation/create', params: { message: 'Which size?', requestedSchema: { type: 'object' } } } },
  })
  readonly requests!: JsonObject | null;

  @ApiProperty({
    type: String,
    nullable: true,
    pattern: '^[0-9]+$',
    description: 'Of kind approval: what is to be decided, `/approvals/{id}`.',
    example: '415923710348034048',
  })
  readonly approval_id!: string | null;
}

/** Why an execution failed, for programs. */
export class ExecutionErrorDetails {
  @ApiProperty({
    anyOf: [{ $ref: '#/components/schemas/ErrorCode' }, { type: 'string', pattern: FAILURE_CODE.source }],
    description: 'One of ErrorCode, or what the author of the playbook chose for a `fail` step.',
    example: 'http_error',
  })
  readonly code!: FailureCode;

  @ApiProperty()
  readonly message!: string;

  @ApiProperty({ type: String, nullable: true, description: 'The step that failed.' })
  readonly step!: string | null;

  @ApiProperty({ type: String, nullable: true })
  readonly step_type!: string | null;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Attempt that failed, from 1.' })
  readonly attempt!: number | null;

  @ApiProperty({ description: 'True if the same step might succeed later.' })
  readonly retryable!: boolean;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Item of an iterator, from 0.' })
  readonly item_index!: number | null;

  @ApiProperty({ ...JSON_VALUE, description: 'What the step reported.' })
  readonly cause!: Json;
}

/** Detailed status of one execution with progress tracking, full result data and error details. */
export class ExecutionStatus {
  @ApiProperty({ ...ID, description: 'Id of the execution.' })
  readonly id!: string;

  @ApiProperty({ ...ID, description: 'The same as id.' })
  readonly execution_id!: string;

  @ApiProperty({ description: 'Path of the catalog entry.', example: 'tests/fixtures/playbooks/hello_world/hello_world' })
  readonly playbook_id!: string;

  @ApiProperty({ description: 'metadata.name of the catalog entry.', example: 'hello_world' })
  readonly playbook_name!: string;

  @ApiProperty({ ...ID, description: 'Id of the catalog entry that was pinned.' })
  readonly catalog_id!: string;

  @ApiProperty({ description: 'Path of the catalog entry.', example: 'tests/fixtures/playbooks/hello_world/hello_world' })
  readonly path!: string;

  @ApiProperty({ description: 'The resolved version.', example: '1.2.0' })
  readonly version!: string;

  @ApiProperty({ description: 'The version as the request named it; latest if it named none.', example: 'latest' })
  readonly requested_version!: string;

  @ApiProperty({ enum: EXECUTION_TYPES, enumName: 'ExecutionType', description: 'Type of execution.' })
  readonly execution_type!: ExecutionType;

  @ApiProperty({ enum: EXECUTION_TYPES, enumName: 'ExecutionType', description: 'The same as execution_type.' })
  readonly type!: ExecutionType;

  @ApiProperty({ enum: RUN_STATUSES, enumName: 'ExecutionState' })
  readonly status!: RunStatus;

  @ApiProperty({ ...TIME })
  readonly start_time!: string;

  @ApiProperty({ type: String, nullable: true, ...TIME })
  readonly end_time!: string | null;

  @ApiProperty({ ...TIME, description: 'The same as start_time.' })
  readonly timestamp!: string;

  @ApiProperty({ ...TIME })
  readonly updated_at!: string;

  @ApiProperty({ type: Number, nullable: true, description: 'Seconds from start to end; null until then.' })
  readonly duration!: number | null;

  @ApiProperty({ type: Number, nullable: true, description: 'The same as duration.' })
  readonly duration_seconds!: number | null;

  @ApiProperty({ type: String, nullable: true, description: 'The duration for people.', example: '1m 5s' })
  readonly duration_human!: string | null;

  @ApiProperty({ type: 'integer', minimum: 0, maximum: 100, description: 'Progress percentage; never falls, 100 at the end.' })
  readonly progress!: number;

  @ApiProperty({ type: String, nullable: true })
  readonly current_step!: string | null;

  @ApiProperty({ type: () => ExecutionWait, nullable: true })
  readonly waiting_for!: ExecutionWait | null;

  @ApiProperty({
    ...JSON_VALUE,
    description: 'Result data; null until the end and in lists. Above 256 KiB: {"$ref": "/executions/{id}/result"}.',
  })
  readonly result!: Json;

  @ApiProperty({ ...FREE_OBJECT, nullable: true, description: 'Input data of the execution; null in lists and acknowledgements.' })
  readonly parameters!: JsonObject | null;

  @ApiProperty({ type: String, nullable: true, description: 'Why it failed, in one line.' })
  readonly error!: string | null;

  @ApiProperty({ type: () => ExecutionErrorDetails, nullable: true })
  readonly error_details!: ExecutionErrorDetails | null;

  @ApiProperty({ type: String, nullable: true, description: 'As the caller gave it.', example: 'exec_123' })
  readonly parent_execution_id!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'event_456' })
  readonly parent_event_id!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'fetch_data' })
  readonly parent_step!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    pattern: '^[0-9]+$',
    description: 'The execution this one was retried, rerun or forked from.',
  })
  readonly forked_from!: string | null;

  @ApiProperty({ ...FREE_OBJECT, description: 'Additional tracking metadata.' })
  readonly metadata!: JsonObject;

  @ApiProperty({
    type: 'integer',
    minimum: -100,
    maximum: 100,
    description: 'Where executions queue, one point is claimed one second earlier.',
  })
  readonly priority!: number;

  @ApiProperty({ type: String, nullable: true, ...TIME, description: 'It does not start before this time.' })
  readonly start_at!: string | null;

  @ApiProperty({ type: String, nullable: true, ...TIME, description: 'It fails as `expired` where nothing has begun it by then.' })
  readonly expires_at!: string | null;

  @ApiProperty({ type: String, nullable: true, ...TIME, description: 'It fails as `execution_timeout` where it has not ended by then.' })
  readonly timeout_at!: string | null;

  @ApiProperty({ description: 'SHA-256 of the pinned document, hexadecimal.', pattern: '^[0-9a-f]{64}$' })
  readonly digest!: string;

  @ApiProperty({ description: 'False where the execution runs without rows (sync_to_postgres: false).' })
  readonly durable!: boolean;
}
