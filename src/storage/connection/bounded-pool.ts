import pg from 'pg';
import { EngineError } from '../../engine/engine-error.js';
import { type DatabaseWatch } from './database-watch.js';

interface BoundedPoolConfig extends pg.PoolConfig {
  /** How many may wait for a connection. */
  readonly maxWaiters: number;
  /** Milliseconds for an answer, the wait for a connection included. */
  readonly answerWithinMs: number;
  /** Told of every question and its answer. */
  readonly watch?: DatabaseWatch;
}
type Connected = Parameters<pg.Pool['connect']>[0];
type Settled = (error: unknown, ...rest: unknown[]) => void;
/** What the driver keeps of a connection's settings, and its types do not tell. */
type Client = pg.PoolClient & { readonly connectionParameters: { query_timeout: number } };

/** What is left for the statement where the connection was long in coming. */
const SHORTEST_ANSWER_MS = 500;

/**
 * A pool in which nobody waits without an end: whoever would wait behind too many others is refused, for they would only learn later that it takes
 * too long; and a connection whose server does not answer in time is given up, for it may be none any more (R6).
 */
export class BoundedPool extends pg.Pool {
  private readonly maxWaiters: number;
  private readonly answerWithinMs: number;
  private readonly watch: DatabaseWatch | undefined;

  constructor({ maxWaiters, answerWithinMs, watch, ...config }: BoundedPoolConfig) {
    super({ ...config, query_timeout: answerWithinMs });
    this.maxWaiters = maxWaiters;
    this.answerWithinMs = answerWithinMs;
    this.watch = watch;
    this.on('connect', (client) => {
      // While a connection goes from one user to the next nobody listens to it, and an error that nobody hears ends the process (R6). Whoever has it
      // learns of its end by the next query, which fails.
      client.on('error', () => undefined);
      this.giveUpInTime(client);
    });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(connected: Connected): void;
  override connect(connected?: Connected): Promise<pg.PoolClient> | void {
    if (this.waitingCount >= this.maxWaiters) {
      const full = new EngineError('unavailable', 'overloaded', 'Too many requests wait for the database; nothing was done.');
      if (!connected) return Promise.reject(full);
      return connected(full, undefined, () => undefined);
    }
    if (!connected) {
      return new Promise((resolve, reject) => this.connect((error, client) => (client ? resolve(client) : reject(error!))));
    }
    const since = performance.now();
    const answered = this.watch?.asks();
    super.connect((error, client, done) => {
      answered?.();
      if (client) {
        const left = this.answerWithinMs - (performance.now() - since);
        (client as Client).connectionParameters.query_timeout = Math.max(SHORTEST_ANSWER_MS, Math.round(left));
      } else if (performance.now() - since >= this.answerWithinMs / 2) this.watch?.gaveUp();
      connected(error, client, done);
    });
  }

  /** The driver's time-out leaves a connection in which the answer may still come, and be waited for by whoever uses it next. */
  private giveUpInTime(client: pg.PoolClient): void {
    const ask = client.query.bind(client) as (...args: unknown[]) => unknown;
    const settled = (answered: (() => void) | undefined, error?: unknown): void => {
      answered?.();
      if (!(error instanceof Error) || error.message !== 'Query read timeout') return;
      this.watch?.gaveUp();
      // Marks it at once, so that the pool gives it to nobody, and cuts it, since it waits for an answer.
      void (client as unknown as pg.Client).end().catch(() => undefined);
    };
    const query = (...args: unknown[]): unknown => {
      const answered = this.watch?.asks();
      const callback = args.at(-1);
      if (typeof callback === 'function') {
        args[args.length - 1] = (error: unknown, ...rest: unknown[]): void => {
          settled(answered, error);
          (callback as Settled)(error, ...rest);
        };
        return ask(...args);
      }
      const answer = ask(...args) as Promise<unknown>;
      // Before whoever awaits it gives the connection back.
      return answer.then(
        (result) => {
          settled(answered);
          return result;
        },
        (error: unknown) => {
          settled(answered, error);
          throw error;
        },
      );
    };
    client.query = query as typeof client.query;
  }
}
