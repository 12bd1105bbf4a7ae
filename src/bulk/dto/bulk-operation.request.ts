import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsBoolean, IsIn, IsObject, ValidateNested } from 'class-validator';
import { OptionalInteger, OptionalText } from '../../common/dto/optional-field.js';
import { BULK_ACTIONS, type BulkAction } from '../bulk-actions.js';
import { BulkFilter } from './bulk-filter.js';

/** A wish about all executions that a filter chooses. */
export class BulkOperationRequest {
  @ApiProperty({
    enum: BULK_ACTIONS,
    enumName: 'BulkAction',
    description: 'What each execution is asked, as the request of that name does.',
  })
  @IsIn(BULK_ACTIONS)
  readonly action!: BulkAction;

  @ApiProperty({
    type: () => BulkFilter,
    description: 'Must name at least one thing.',
    example: { path: 'billing/close_month', status: 'running' },
  })
  @IsObject()
  @ValidateNested()
  @Type(() => BulkFilter)
  readonly filter!: BulkFilter;

  @ApiPropertyOptional({ type: Boolean, default: false, description: 'true: only count what matches now.' })
  @IsBoolean()
  readonly dry_run: boolean = false;

  @OptionalText({ type: String, nullable: true, maxLength: 1024, description: 'Why; shown in the histories.', example: 'wrong month' })
  readonly reason?: string | null;
}

/** Paging of the list of bulk operations. */
export class ListBulkOperationsQuery {
  @OptionalInteger({ minimum: 1, maximum: 500, default: 50 })
  readonly limit: number = 50;

  @OptionalText({ maxLength: 200, description: 'From X-Next-Cursor.' })
  readonly cursor?: string;
}
