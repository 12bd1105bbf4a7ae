import { applyDecorators, HttpCode, type Type } from '@nestjs/common';
import { ApiHeader, ApiOperation, type ApiOperationOptions, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { Policy } from '../common/policy.js';
import { toldHeader } from '../common/told-header.js';
import { PREFER } from '../common/wait.js';
import { ENDED } from './dto/examples.js';

const ANSWER_HEADERS = {
  Location: toldHeader('Where the execution is read.'),
  'Retry-After': toldHeader('Seconds after which asking again is worth it; only where it goes on.'),
  'Preference-Applied': toldHeader('The wait that was granted.'),
  'Idempotency-Replayed': toldHeader('true where the Idempotency-Key named a start of before.'),
  Warning: toldHeader('Code 299: a deprecated or yanked version was started, or a wish was not followed.'),
} as const;

/** What both ways of starting an execution have in common: policy, waiting, answers. */
export function ApiStart(
  operation: ApiOperationOptions,
  answer: Type,
  example: object,
  headers: Readonly<Record<string, { description: string; schema: { type: 'string' } }>> = {},
): MethodDecorator {
  const shared = { type: answer, headers: { ...ANSWER_HEADERS, ...headers } };
  return applyDecorators(
    Policy('executions:start'),
    HttpCode(202),
    ApiOperation(operation),
    ApiHeader(PREFER),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        'The same key with the same body is the same start, for 24 hours at least: the answer is about the execution of then. Another body is refused.',
      schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!-~]+$' },
      example: '6f1c2d9e-close-2026-10',
    }),
    ApiQuery({
      name: 'wait',
      required: false,
      description: 'The same as Prefer: wait=N.',
      schema: { type: 'string', pattern: '^[0-9]*$' },
    }),
    ApiResponse({ ...shared, status: 202, description: 'Accepted; it goes on.', example }),
    ApiResponse({ status: 409, description: 'The Idempotency-Key belongs to an execution that was removed since.' }),
    ApiResponse({ ...shared, status: 200, description: 'Ended within the wait.', example: { ...example, ...ENDED } }),
  );
}
