import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsInt, Max, Min } from 'class-validator';

const TEN_YEARS = 5_256_000;

/** What of the open executions an old client wants to be rid of. */
export class CleanupRequest {
  @ApiProperty({ type: 'integer', minimum: 1, maximum: TEN_YEARS, example: 60, description: 'Started longer ago than this.' })
  @IsInt()
  @Min(1)
  @Max(TEN_YEARS)
  readonly older_than_minutes!: number;

  @ApiPropertyOptional({ type: Boolean, default: false, description: 'true: only say which.' })
  @IsBoolean()
  readonly dry_run: boolean = false;
}

/** What a clean-up came to. */
export class CleanupResponse {
  @ApiProperty({ type: 'integer', minimum: 0, description: 'Length of execution_ids.' })
  readonly cancelled_count!: number;

  @ApiProperty({ type: [String], description: 'Executions that are being cancelled, or would be; the oldest first, 1,000 at most.' })
  readonly execution_ids!: string[];

  @ApiProperty({ example: '2 executions are being cancelled.' })
  readonly message!: string;
}
