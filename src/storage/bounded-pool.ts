import pg from 'pg';
import { EngineError } from '../engine/engine-error.js';

interface BoundedPoolConfig extends pg.PoolConfig {
  /** How many may wait for a connection. */
  readonly maxWaiters: number;
}
type Connected = Parameters<pg.Pool['connect']>[0];

/** A pool that refuses whoever would wait behind too many others: they would only learn later that it takes too long. */
export class BoundedPool extends pg.Pool {
  private readonly maxWaiters: number;

  constructor({ maxWaiters, ...config }: BoundedPoolConfig) {
    super(config);
    this.maxWaiters = maxWaiters;
    // While a connection goes from one user to the next nobody listens to it, and an error that nobody hears ends the process (R6). Whoever has it
    // learns of its end by the next query, which fails.
    this.on('connect', (client) => client.on('error', () => undefined));
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(connected: Connected): void;
  override connect(connected?: Connected): Promise<pg.PoolClient> | void {
    if (this.waitingCount >= this.maxWaiters) {
      const full = new EngineError('unavailable', 'overloaded', 'Too many requests wait for the database; nothing was done.');
      if (!connected) return Promise.reject(full);
      return connected(full, undefined, () => undefined);
    }
    return connected ? super.connect(connected) : super.connect();
  }
}
