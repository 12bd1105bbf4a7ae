/**
 * The one way out: every HTTP call of a step goes through it. The implementation (src/outbound) checks the address,
 * follows redirects by hand and bounds what comes back; nothing else may open a connection for a playbook.
 */
export interface Outbound {
  /**
   * Sends one request and reads the whole answer; any status is an answer, not an error.
   * Throws OutboundError; throws `signal.reason` when aborted for another reason than time.
   */
  fetch(request: OutboundRequest): Promise<OutboundResponse>;
}

export interface OutboundRequest {
  /** http or https; without user name and password. */
  readonly url: string;
  readonly method: string;
  /** Names in any case. Headers of the connection itself (Connection, Content-Length, …) are set by the client and ignored here. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | null;
  /** Bounds the total time: name resolution, redirects and body included. */
  readonly signal: AbortSignal;
  /** False accepts any TLS certificate. Default true. */
  readonly verify?: boolean;
  /** Bytes of the decoded body. Default 16 MiB. */
  readonly maxResponseBytes?: number;
  /**
   * Asked before more than 256 KiB of a body come into memory, and waited for: once for all of it where its length is known, else again and again for
   * what comes next. A rejection ends the call. Left out: nobody is asked.
   */
  readonly admit?: (bytes: number) => Promise<void>;
  /** Called right before each request leaves, when everything that takes time is over; what it throws ends the call. */
  readonly beforeSending?: () => void;
}

export interface OutboundResponse {
  readonly status: number;
  /** Of the last request, after redirects. */
  readonly url: string;
  /** Lower-case names, several values joined by ', '; `set-cookie` is always a list. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Decoded from gzip, deflate, br and zstd. */
  readonly body: Uint8Array;
  /** From the start of the first request to the last byte. */
  readonly elapsedMs: number;
}

/** For protocols whose answers are streams. */
export interface OutboundStreams {
  /**
   * Sends one request and gives the answer once its head is there; redirects are answers, and nothing bounds the body: whoever gets it reads it to its
   * end, or leaves the loop over it. Throws as `Outbound.fetch` does; `signal` ends the body too.
   */
  stream(request: OutboundRequest): Promise<OutboundStreamed>;
}

export interface OutboundStreamed {
  readonly status: number;
  /** As in OutboundResponse. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: AsyncIterable<Uint8Array>;
}

export type OutboundErrorCode = 'outbound_blocked' | 'connection_error' | 'timeout' | 'response_too_large' | 'invalid_endpoint';

/** A call that got no answer. The message names host and address at most: never a query, a header or a body. */
export class OutboundError extends Error {
  /** True where the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean;

  constructor(
    readonly code: OutboundErrorCode,
    message: string,
    options: ErrorOptions & { retryable?: boolean } = {},
  ) {
    super(message, options);
    this.name = 'OutboundError';
    this.retryable = options.retryable ?? (code === 'connection_error' || code === 'timeout');
  }
}
