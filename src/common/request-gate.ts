import { type FastifyReply, type FastifyRequest } from 'fastify';
import { isObject, own } from '../engine/values.js';
import { HttpRefusal } from './http-refusal.js';

export interface GateLimits {
  readonly inFlightRequests: number;
  readonly requestTimeoutMs: number;
}

/** How often overdue requests are looked for. */
const SWEEP_MS = 250;
/** Where the database is silent a request waits so long for it; one of its own limits is to speak first, since it knows more. */
const SILENCE_MS = 4_300;

/**
 * Bounds how many requests are in work at once, and for how long. Waits, streams and starts without rows are exempt: they hold no worker and no
 * connection, and have a bound of their own.
 */
export class RequestGate {
  /** In order of arrival, so that a sweep looks at the overdue ones only. */
  private readonly inWork = new Map<FastifyReply, { readonly request: FastifyRequest; readonly since: number }>();
  private readonly sweeper: NodeJS.Timeout;

  constructor(
    private readonly limits: GateLimits,
    /** Answers a request that took too long. */
    private readonly answerOverdue: (error: HttpRefusal, request: FastifyRequest, reply: FastifyReply) => void,
    private readonly databaseIsSilent: () => boolean = () => false,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS);
    this.sweeper.unref();
  }

  /** Throws `overloaded` (503) where the node has enough to do. */
  enter(request: FastifyRequest, reply: FastifyReply): void {
    if (isLongLived(request)) return;
    if (this.inWork.size >= this.limits.inFlightRequests)
      throw new HttpRefusal(503, 'overloaded', 'This node has as many requests in work as it can bear.');
    this.inWork.set(reply, { request, since: this.now() });
    // `close` also comes where the client goes away before the answer.
    reply.raw.once('close', () => this.leave(reply));
  }

  leave(reply: FastifyReply): void {
    this.inWork.delete(reply);
  }

  /** Looks again once the body is read: a start without rows is held until its end, and how many there may be is bounded elsewhere. */
  read(request: FastifyRequest, reply: FastifyReply): void {
    if (request.method === 'POST' && isObject(request.body) && own(request.body, 'sync_to_postgres') === false) this.leave(reply);
  }

  /** Answers the requests that are in work for too long; their handlers' own answers are dropped. */
  sweep(): void {
    const now = this.now();
    const { requestTimeoutMs } = this.limits;
    const silent = this.databaseIsSilent();
    for (const [reply, { request, since }] of this.inWork) {
      const age = now - since;
      if (age < requestTimeoutMs && (!silent || age < SILENCE_MS)) return;
      if (age < requestTimeoutMs && !request.raw.complete) continue;
      this.leave(reply);
      this.answerOverdue(age < requestTimeoutMs ? unanswered() : overdue(request), request, reply);
    }
  }

  close(): void {
    clearInterval(this.sweeper);
  }
}

/** It has been read; whatever it does waits for the database, one statement after the other. */
function unanswered(): HttpRefusal {
  return new HttpRefusal(503, 'database_unavailable', 'The database does not answer; whether the request took effect is not known.');
}

function overdue({ raw }: FastifyRequest): HttpRefusal {
  if (raw.complete) return new HttpRefusal(503, 'overloaded', 'The request took too long; whether it took effect is not known.');
  return new HttpRefusal(408, 'request_timeout', 'The request was not received in time.', { connection: 'close' });
}

/** True for a request that asks to be held: a wait for the end, or a stream of events. */
export function isLongLived({ headers, url }: Pick<FastifyRequest, 'headers' | 'url'>): boolean {
  return (
    String(headers.prefer ?? '').includes('wait') || /[?&]wait(=|&|$)/.test(url) || (headers.accept ?? '').includes('text/event-stream')
  );
}
