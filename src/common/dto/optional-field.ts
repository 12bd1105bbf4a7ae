import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';

/** A text that may be left out or null, and is never longer than it is documented. */
export function OptionalText(documented: ApiPropertyOptions & { readonly maxLength: number }): PropertyDecorator {
  return applyDecorators(ApiPropertyOptional(documented), IsOptional(), IsString(), MaxLength(documented.maxLength));
}

/** A whole number that may be left out or null, and stays within what is documented. */
export function OptionalInteger(bounds: {
  readonly minimum: number;
  readonly maximum: number;
  readonly default?: number;
  readonly description?: string;
  readonly deprecated?: boolean;
}): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({ type: 'integer', ...bounds }),
    IsOptional(),
    IsInt(),
    Min(bounds.minimum),
    Max(bounds.maximum),
  );
}
