import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { OptionalInteger, OptionalText } from '../../common/dto/optional-field.js';

/** Seconds as a number, or a text with a unit. */
export type WireDuration = number | string;

/** A duration as the contract writes it; its bounds are checked where the command is made. */
const OptionalDuration = (description: string, example: WireDuration): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({
      anyOf: [{ type: 'number' }, { type: 'string', maxLength: 64 }, { type: 'null' as 'string' }],
      example,
      description: `${description} Seconds as a number, or 500ms, 30s, 5m, 2h, 7d, or ISO 8601 (PT5M); at most ten years.`,
    }),
    IsOptional(),
  );

/** When an execution starts, and how long it may take to. */
export abstract class StartOptionsRequest {
  @OptionalInteger({
    minimum: -100,
    maximum: 100,
    description:
      'Where executions queue, one point is claimed one second earlier. Left out: 0, or in a rerun that of the earlier execution.',
  })
  readonly priority?: number;

  @OptionalText({
    type: String,
    nullable: true,
    maxLength: 64,
    example: '2025-10-11T22:00:00Z',
    description: 'Does not start before this time (RFC 3339), at most ten years ahead; a past one means at once. Not with delay.',
  })
  readonly start_at?: string | null;

  @OptionalDuration('Does not start before so long from now. Not with start_at.', '5m')
  readonly delay?: WireDuration | null;

  @OptionalDuration('Fails as `expired` if nothing has begun it so long after it could have started.', '2h')
  readonly expires_in?: WireDuration | null;

  @OptionalDuration('Fails as `execution_timeout` if it has not ended so long after it could have started, queueing included.', '1d')
  readonly timeout?: WireDuration | null;
}
