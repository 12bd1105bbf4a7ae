import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { IsGiven } from '../../common/is-given.js';
import { Aliases, AnyCase } from '../../common/wire-field.js';
import { VersionedRequest } from './versioned-request.js';

export const PLAYBOOK_EXECUTION_TYPES = ['playbook', 'workflow'] as const;

/** Version-controlled execution with path-based catalog lookup. */
export class ExecutionByPathRequest extends VersionedRequest {
  @ApiPropertyOptional({
    enum: PLAYBOOK_EXECUTION_TYPES,
    enumName: 'PlaybookExecutionType',
    description: 'Type of execution. Left out: the kind of the entry.',
  })
  @IsGiven()
  @IsIn(PLAYBOOK_EXECUTION_TYPES)
  @AnyCase()
  @Aliases(['type', 'resource_kind', 'resource_type'], { type: String })
  readonly execution_type?: (typeof PLAYBOOK_EXECUTION_TYPES)[number];
}
