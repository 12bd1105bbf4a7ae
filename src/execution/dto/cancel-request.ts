import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsOptional, IsString, MaxLength } from 'class-validator';

/** How an execution is to be cancelled. */
export class CancelRequest {
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: 1024, description: 'Why; shown in the history.', example: 'wrong month' })
  @IsOptional()
  @IsString()
  @MaxLength(1024)
  readonly reason?: string | null;

  @ApiPropertyOptional({ type: Boolean, default: true, description: 'Cancel what it has called too; false: that goes on by itself.' })
  @IsBoolean()
  readonly cascade: boolean = true;

  @ApiPropertyOptional({ type: Boolean, default: false, description: 'Abort running steps without grace.' })
  @IsBoolean()
  readonly force: boolean = false;
}
