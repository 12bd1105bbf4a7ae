import { ApiProperty } from '@nestjs/swagger';
import { IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { RerunRequest } from './rerun-request.js';

/** From where an earlier execution is to go on again, and what is to be different. */
export class ForkRequest extends RerunRequest {
  @ApiProperty({
    minLength: 1,
    maxLength: 256,
    example: 'transform',
    description: 'The first step that runs again; its newest run counts.',
  })
  @IsString()
  @IsNotEmpty()
  @MaxLength(256)
  readonly from_step!: string;
}
