import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { EngineError, type ErrorKind, type Issue } from '../engine/engine-error.js';
import { type ErrorCode } from '../engine/error-codes.js';
import { type ProblemDocument } from './dto/problem-document.js';
import { HttpRefusal } from './http-refusal.js';

/** The one place where kinds of errors become HTTP. */
export const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  unreadable: 400,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  precondition: 412,
  too_large: 413,
  invalid: 422,
  too_many: 429,
  unavailable: 503,
};

/** Seconds a client should let pass before the next try. */
const RETRY_AFTER_SECONDS = 1;
/** What a request for a route that does not exist is told. */
export const NO_SUCH_ROUTE = 'There is no such route; GET /docs shows which there are.';

/** What of an error is told to the client. */
export interface Problem {
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly issues: readonly Issue[];
  readonly headers: Readonly<Record<string, string>>;
  /** True for a fault of the service: to be logged with its stack. */
  readonly unexpected: boolean;
}

/** Says what a client is told about an error; whatever is not expected becomes `internal_error` without a detail. */
export function problemOf(error: unknown): Problem {
  if (error instanceof EngineError) return problem(STATUS_OF_KIND[error.kind], error.code, error.message, error.issues);
  if (error instanceof HttpRefusal)
    return { ...problem(error.status, error.code, error.message), headers: { ...retryAfter(error.status), ...error.headers } };
  if (error instanceof HttpException) return problemOfHttpException(error);
  return (
    problemOfForeign(error) ?? {
      ...problem(500, 'internal_error', 'An internal error occurred; the request id finds it in the log.'),
      unexpected: true,
    }
  );
}

function problem(status: number, code: ErrorCode, detail: string, issues: readonly Issue[] = []): Problem {
  return { status, code, detail, issues, headers: retryAfter(status), unexpected: false };
}

const retryAfter = (status: number): Record<string, string> =>
  status === 429 || status === 503 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {};

/** Nest wraps Fastify's errors; its own are only "no such route". */
function problemOfHttpException(error: HttpException): Problem {
  const known = problemOfForeign(error.cause);
  if (known) return known;
  if (error.getStatus() === 404) return problem(404, 'not_found', NO_SUCH_ROUTE);
  return problem(400, 'malformed_request', 'The request cannot be read.');
}

const FASTIFY_PROBLEMS: Readonly<Record<string, Problem>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: problem(413, 'body_too_large', 'The body is above the limit of this service.'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    ...problem(415, 'unsupported_media_type', 'Only application/json is accepted.'),
    headers: { accept: 'application/json' },
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: problem(400, 'malformed_request', 'The body is not as long as Content-Length says.'),
  FST_ERR_BAD_URL: problem(400, 'malformed_request', 'The percent-encoding of the path is broken.'),
  FST_ERR_MAX_PARAM_LENGTH: problem(404, 'not_found', 'There is no such thing.'),
};

/** Errors with a code of Fastify or PostgreSQL. */
function problemOfForeign(error: unknown): Problem | undefined {
  const code = codeOf(error);
  const known = code === undefined ? undefined : (FASTIFY_PROBLEMS[code] ?? problemOfSqlState(code));
  return known ?? (saysReadTimeout(error) ? NO_ANSWER : isLostConnection(error) ? DATABASE_AWAY : undefined);
}

const DATABASE_AWAY = problem(503, 'database_unavailable', 'The database cannot be reached.');
const NO_ANSWER = problem(
  503,
  'database_unavailable',
  'The database did not answer in time; whether the request took effect is not known.',
);
/** The driver's words where an answer did not come in time. */
const READ_TIMEOUT = 'Query read timeout';
const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);
/** What driver and TypeORM say without any code where they cannot connect, wait too long, or lose a connection, be it between two statements. */
const LOST_CONNECTION =
  /^(Connection terminated|Query runner already released|Database connection provided by a query runner was already released|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/;

function saysReadTimeout(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { driverError, message } = error as { driverError?: unknown; message?: unknown };
  return message === READ_TIMEOUT || (driverError !== error && saysReadTimeout(driverError));
}

/** True where no database answered: of all that a request does inside the service, only the database is across a network. */
function isLostConnection(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { driverError, message } = error as { driverError?: unknown; message?: unknown };
  if (driverError !== undefined && driverError !== error) return isLostConnection(driverError);
  return UNREACHABLE.has(codeOf(error) ?? '') || (typeof message === 'string' && LOST_CONNECTION.test(message));
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, driverError } = error as { code?: unknown; driverError?: unknown };
  return typeof code === 'string' ? code : codeOf(driverError);
}

/** A net below the checks of the door: values that PostgreSQL refuses are the client's, a database that is away is nobody's fault. */
function problemOfSqlState(state: string): Problem | undefined {
  switch (state) {
    case '22P05':
    case '22021':
      return problem(400, 'invalid_unicode', 'A string cannot be stored.');
    case '22P02':
    case '22003':
      return problem(400, 'invalid_value', 'A value is outside the range of what can be stored.');
    case '54001':
      return problem(400, 'depth_exceeded', 'The request is nested too deeply.');
    default:
      return /^(08...|57P0[1-5]|53...|58...|40001|40P01|55P03|57014|25006|25P0[34])$/.test(state) ? DATABASE_AWAY : undefined;
  }
}

/** The RFC 9457 document of a problem. */
export function problemDocument({ status, code, detail, issues }: Problem, instance: string, requestId: string): ProblemDocument {
  return {
    type: `urn:showrunner:problem:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    instance,
    code,
    request_id: requestId,
    errors: issues.map((issue) => ({
      pointer: issue.pointer ?? null,
      code: issue.code,
      message: issue.message,
      line: issue.line ?? null,
      column: issue.column ?? null,
    })),
  };
}
