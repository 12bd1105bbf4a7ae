import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional } from 'class-validator';
import { JSON_VALUE } from '../../common/dto/json-value.js';
import { OptionalInteger, OptionalText } from '../../common/dto/optional-field.js';
import { APPROVAL_STATES, APPROVAL_WORDS, type ApprovalState, type ApprovalWord } from '../../engine/approvals.js';
import { type Json } from '../../engine/values.js';

/** What the caller decides about an approval. */
export class ApprovalDecisionRequest {
  @ApiProperty({ enum: APPROVAL_WORDS, enumName: 'ApprovalWord', description: 'One rejection is enough to end the step.' })
  @IsIn(APPROVAL_WORDS)
  readonly decision!: ApprovalWord;

  @OptionalText({
    type: String,
    nullable: true,
    maxLength: 4096,
    description: 'Why; kept with the decision.',
    example: 'Checked with the supplier.',
  })
  readonly comment?: string | null;

  @ApiPropertyOptional({
    ...JSON_VALUE,
    description: 'What is filled in: where the approval has a form, an approval has to fit it. The step hands it on.',
    example: { cost_center: 'K-17' },
  })
  @IsOptional()
  readonly data?: Json;
}

/** Which approvals are listed. */
export class ListApprovalsQuery {
  @ApiPropertyOptional({ enum: APPROVAL_STATES, enumName: 'ApprovalState' })
  @IsOptional()
  @IsIn(APPROVAL_STATES)
  readonly state?: ApprovalState;

  @OptionalText({ maxLength: 19, description: 'Of this execution.', example: '415923710348034048' })
  readonly execution_id?: string;

  @OptionalText({ maxLength: 512, description: 'Path of the catalog entry, or all below it with a trailing /*.', example: 'billing/*' })
  readonly path?: string;

  @ApiPropertyOptional({ type: Boolean, default: false, description: 'true: only those that the caller can decide now.' })
  @IsBoolean()
  readonly mine: boolean = false;

  @OptionalInteger({ minimum: 1, maximum: 500, default: 50 })
  readonly limit: number = 50;

  @OptionalText({ maxLength: 200, description: 'From X-Next-Cursor.' })
  readonly cursor?: string;
}
