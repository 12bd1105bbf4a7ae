import { ApiProperty } from '@nestjs/swagger';
import { RUN_STATUSES, type RunStatus } from '../../engine/run/events.js';

/** What a cancel request came to. */
export class CancelResponse {
  @ApiProperty({
    enum: RUN_STATUSES,
    enumName: 'ExecutionState',
    description: 'State of the execution now; a running step may still be ending.',
  })
  readonly status!: RunStatus;

  @ApiProperty({ type: [String], description: 'Ids of the executions that this call cancelled.', example: ['415923710348034048'] })
  readonly cancelled_executions!: string[];

  @ApiProperty({ example: 'The execution is being cancelled.' })
  readonly message!: string;
}
