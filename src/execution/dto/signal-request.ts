import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsNotEmpty, IsOptional, IsString, MaxLength } from 'class-validator';
import { JSON_VALUE } from '../../common/dto/json-value.js';
import { type Json } from '../../engine/values.js';

/** A signal for an execution: what a `wait_for` step of this name takes as its value. */
export class SignalRequest {
  @ApiProperty({ minLength: 1, maxLength: 128, example: 'payment_received', description: 'The name that a wait_for step waits for.' })
  @IsString()
  @IsNotEmpty()
  @MaxLength(128)
  readonly name!: string;

  @ApiPropertyOptional({
    ...JSON_VALUE,
    description: 'Any JSON that fits the schema of the step.',
    example: { amount: 100, currency: 'EUR' },
  })
  @IsOptional()
  readonly payload?: Json;
}
