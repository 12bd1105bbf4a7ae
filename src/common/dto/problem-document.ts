import { ApiProperty } from '@nestjs/swagger';
import { ERROR_CODES, type ErrorCode } from '../../engine/error-codes.js';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** One finding inside a problem. */
export class ProblemIssue {
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'JSON Pointer (RFC 6901) into the request or document.',
    example: '/parameters',
  })
  readonly pointer!: string | null;

  @ApiProperty({ enum: CODES, enumName: 'ErrorCode' })
  readonly code!: ErrorCode;

  @ApiProperty({ example: 'must be an object' })
  readonly message!: string;

  @ApiProperty({ type: 'integer', minimum: 1, nullable: true, description: 'Line in the text of a document, from 1.' })
  readonly line!: number | null;

  @ApiProperty({ type: 'integer', minimum: 1, nullable: true, description: 'Column in the text of a document, from 1.' })
  readonly column!: number | null;
}

/** Every error of the API (RFC 9457, application/problem+json). */
export class ProblemDocument {
  @ApiProperty({ description: 'urn:showrunner:problem:<code>', example: 'urn:showrunner:problem:invalid_request' })
  readonly type!: string;

  @ApiProperty({ example: 'Unprocessable Entity' })
  readonly title!: string;

  @ApiProperty({ type: 'integer', minimum: 400, maximum: 599, example: 422 })
  readonly status!: number;

  @ApiProperty({ description: 'One line for people; always text.', example: 'The request is not valid.' })
  readonly detail!: string;

  @ApiProperty({ description: 'Path of the request.', example: '/execute' })
  readonly instance!: string;

  @ApiProperty({ enum: CODES, enumName: 'ErrorCode', example: 'invalid_request' })
  readonly code!: ErrorCode;

  @ApiProperty({ description: 'Finds the request in the log of the service.', example: '5f0c2f0e-6f6b-4a0e-9a3c-0a8b1d5f7c11' })
  readonly request_id!: string;

  @ApiProperty({ type: () => [ProblemIssue], description: 'Each finding, where there are several or where a place is known.' })
  readonly errors!: ProblemIssue[];
}
