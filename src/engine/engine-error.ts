import { type ErrorCode } from './error-codes.js';

/** What an HTTP client is told; the filter maps it once: 400 422 404 403 409 412 413 429 503. */
export type ErrorKind =
  'unreadable' | 'invalid' | 'not_found' | 'forbidden' | 'conflict' | 'precondition' | 'too_large' | 'too_many' | 'unavailable';

/** One finding inside a larger problem: where it is and what is wrong. */
export interface Issue {
  readonly code: ErrorCode;
  readonly message: string;
  /** JSON Pointer (RFC 6901) into the request or document. */
  readonly pointer?: string;
  /** 1-based position in a document's text. */
  readonly line?: number;
  readonly column?: number;
}

/** The family of expected failures: a stable code, a kind, a message without secrets. Anything else is a bug. */
export class EngineError extends Error {
  /** True only if the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean;

  constructor(
    readonly kind: ErrorKind,
    readonly code: ErrorCode,
    message: string,
    readonly issues: readonly Issue[] = [],
    options: ErrorOptions & { retryable?: boolean } = {},
  ) {
    super(message, options);
    this.name = new.target.name;
    this.retryable = options.retryable ?? (kind === 'too_many' || kind === 'unavailable');
  }
}
