import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsNotEmpty, IsOptional, IsString, MaxLength } from 'class-validator';
import { JSON_VALUE } from '../../common/dto/json-value.js';
import { type Json } from '../../engine/values.js';

/** A signal for an execution: what a `wait_for` step of this name takes as its value, or an `input` step as the answers to what it asks. */
export class SignalRequest {
  @ApiProperty({
    minLength: 1,
    maxLength: 128,
    example: 'payment_received',
    description: 'The name that a wait_for step waits for, or the name of an input step.',
  })
  @IsString()
  @IsNotEmpty()
  @MaxLength(128)
  readonly name!: string;

  @ApiPropertyOptional({
    ...JSON_VALUE,
    description: 'Any JSON that fits the schema of the step; for an input step an answer to each of its requests, by name.',
    example: { amount: 100, currency: 'EUR' },
  })
  @IsOptional()
  readonly payload?: Json;
}
