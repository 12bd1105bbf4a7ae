import { Readable } from 'node:stream';
import { type Dispatcher, type Pool } from 'undici';
import { LARGE_BODY_BYTES } from './response-body.js';

/** An answer as it came over the wire. */
export interface Answer {
  readonly statusCode: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** All of it where it is small, said how long it is and is not packed; else a stream, which has to be read or destroyed. */
  readonly body: Uint8Array | Readable;
}

/**
 * Sends one request and resolves with the head of its answer. Small answers, by far the most, are not made into streams: that would be a third of
 * what a call costs. Rejects with what undici says, or with the signal's reason; after the head these are errors of the stream.
 * @param beforeSending called once there is a connection, right before the first byte; where it throws nothing is sent, and its error is the outcome
 */
export function exchange(
  pool: Pool,
  request: Dispatcher.DispatchOptions,
  signal: AbortSignal,
  beforeSending?: () => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const abort = (): void => handler.abort(signal.reason as Error);
    const handler = new ExchangeHandler(resolve, reject, () => signal.removeEventListener('abort', abort), beforeSending);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      pool.dispatch(request, handler);
    } catch (error) {
      handler.onResponseError(null, error as Error);
    }
  });
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | null = null;
  private statusCode = 0;
  private headers: Answer['headers'] = {};
  private chunks: Buffer[] = [];
  private stream: Readable | null = null;
  private abortedBy: Error | null = null;
  private refusal: Error | null = null;
  private isOver = false;

  constructor(
    private readonly resolve: (answer: Answer) => void,
    private readonly reject: (error: unknown) => void,
    private readonly over: () => void,
    private readonly beforeSending?: () => void,
  ) {}

  abort(reason: Error): void {
    if (this.isOver) return;
    // Undici may have it in a queue still: it is told once its turn comes.
    this.abortedBy = reason;
    if (this.controller) this.controller.abort(reason);
    else this.fail(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.abortedBy) return controller.abort(this.abortedBy);
    try {
      this.beforeSending?.();
    } catch (error) {
      this.refusal = error as Error;
      controller.abort(this.refusal);
    }
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number, headers: Answer['headers']): void {
    if (statusCode < 200) return;
    this.statusCode = statusCode;
    this.headers = headers;
    const isSmall = headers['content-encoding'] === undefined && Number(headers['content-length'] ?? NaN) <= LARGE_BODY_BYTES;
    if (isSmall) return;
    this.stream = new Readable({
      read: () => controller.resume(),
      destroy: (error, done) => {
        if (!this.isOver) controller.abort(error ?? new Error('the answer is not wanted'));
        done(error);
      },
    });
    this.resolve({ statusCode, headers, body: this.stream });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.stream === null) this.chunks.push(chunk);
    else if (!this.stream.push(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    this.end();
    if (this.stream !== null) return void this.stream.push(null);
    const [only] = this.chunks;
    const body = this.chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.chunks);
    this.resolve({ statusCode: this.statusCode, headers: this.headers, body });
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.fail(this.refusal ?? error);
  }

  private fail(error: Error): void {
    this.end();
    if (this.stream === null) this.reject(error);
    else this.stream.destroy(error);
  }

  private end(): void {
    this.isOver = true;
    this.over();
  }
}
