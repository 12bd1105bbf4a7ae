import { createHash } from 'node:crypto';
import pg from 'pg';
import {
  type DatabaseLoan,
  type Databases,
  type DatabaseSession,
  type DatabaseTarget,
  type RowPage,
  type RowReader,
  type RowLimits,
  type SentStatement,
  type StatementOutcome,
} from '../engine/database-port.js';
import { OutboundError } from '../engine/outbound-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { type Json } from '../engine/values.js';
import { type DestinationCheck } from '../outbound/destination.js';
import { type Tunnel } from '../outbound/egress-proxy.js';
import { ConnectionPool, type PoolLimits } from './connection-pool.js';
import { DatabaseConnection } from './database-connection.js';
import { connectionFailure, databaseErrorOf, isUnreachable } from './database-error.js';
import { CopyQuery } from './copy-query.js';
import { PageQuery } from './page-query.js';
import { readColumn } from './pg-values.js';
import { RowQuery } from './row-query.js';
import { contextFailure } from './sql-failure.js';

/** How long a statement that was cancelled is waited for. */
const CANCEL_GRACE_MS = 2_000;

export interface DatabasesOptions extends PoolLimits {
  /** Pools at once; the one that was used longest ago goes first. */
  readonly pools: number;
}

/**
 * Connections of steps to databases of playbooks. A pool per tenant, login (so a changed password is another pool) and
 * checked address: a connection is only ever used by who could have opened it. `close` at shutdown.
 */
export class PostgresDatabases implements Databases {
  /** In order of use. */
  private readonly pools = new Map<string, ConnectionPool>();
  private closed = false;

  constructor(
    private readonly check: DestinationCheck,
    private readonly options: DatabasesOptions,
    /** The way through the egress proxy; null: none. */
    private readonly tunnel: Tunnel | null = null,
  ) {}

  async use<Result>(target: DatabaseTarget, loan: DatabaseLoan, work: (session: DatabaseSession) => Promise<Result>): Promise<Result> {
    const { pool, connection } = await this.connected(target, loan);
    let reusable = false;
    const { signal } = loan;
    const onAbort = (): void => void cancelled(connection);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      await connection.prepare(loan.statementTimeoutMs);
      const result = await work(new Session(connection, target));
      reusable = !signal.aborted;
      return result;
    } catch (error) {
      // A late cancel could hit whoever gets the connection next.
      reusable = !signal.aborted && connection.isOpen;
      if (signal.aborted) throw signal.reason;
      throw isConnectionLoss(error) ? connectionFailure(error, whereOf(target)) : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (!signal.aborted) pool.release(connection, reusable);
      else void cancelled(connection).finally(() => pool.release(connection, false));
    }
  }

  close(): void {
    this.closed = true;
    for (const pool of this.pools.values()) pool.close();
    this.pools.clear();
  }

  private async connected(
    target: DatabaseTarget,
    { tenantId, signal, besideAnother = false }: DatabaseLoan,
  ): Promise<{ pool: ConnectionPool; connection: DatabaseConnection }> {
    const { addresses } = await this.check.destinationAt(target.host, target.port, signal).catch(failStep);
    if (this.closed) throw new StepFailure('connection_error', 'This service is shutting down');
    let last: unknown;
    // No address: the proxy is to resolve the name.
    for (const address of addresses.length > 0 ? addresses : [target.host]) {
      const pool = this.poolFor(tenantId, target, address, besideAnother);
      try {
        return { pool, connection: await pool.acquire(signal) };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        last = error;
        if (!isUnreachable(error)) break;
      }
    }
    throw connectionFailure(last, whereOf(target));
  }

  private poolFor(tenantId: string, target: DatabaseTarget, address: string, besideAnother: boolean): ConnectionPool {
    // Digested, so that no password is kept longer than its connections need it.
    const key = createHash('sha256')
      .update(JSON.stringify([tenantId, address, target, besideAnother]))
      .digest('base64');
    const pool = this.pools.get(key) ?? new ConnectionPool(DatabaseConnection.opener(target, address, this.tunnel), this.options);
    this.pools.delete(key);
    this.pools.set(key, pool);
    for (const [other, { isUnused }] of this.pools) {
      if (this.pools.size <= this.options.pools) break;
      if (!isUnused || other === key) continue;
      this.pools.get(other)?.close();
      this.pools.delete(other);
    }
    return pool;
  }
}

/** Tells the server to stop, and ends the connection where that does not help soon. */
const cancels = new WeakMap<DatabaseConnection, Promise<void>>();
function cancelled(connection: DatabaseConnection): Promise<void> {
  const known = cancels.get(connection);
  if (known) return known;
  const work = (async () => {
    const timer = setTimeout(() => connection.close(), CANCEL_GRACE_MS).unref();
    await connection.cancel();
    clearTimeout(timer);
    setTimeout(() => connection.close(), CANCEL_GRACE_MS).unref();
  })();
  cancels.set(connection, work);
  return work;
}

class Session implements DatabaseSession {
  constructor(
    private readonly connection: DatabaseConnection,
    private readonly target: DatabaseTarget,
  ) {}

  get backslashEscapes(): boolean {
    return this.connection.backslashEscapes;
  }

  get isInTransaction(): boolean {
    return this.connection.transactionStatus !== 'I';
  }

  async run(statement: SentStatement, limits: RowLimits): Promise<StatementOutcome> {
    if (!this.connection.isUtf8) throw contextFailure('The session has another client_encoding than UTF8.');
    const query = this.connection.client.query(new RowQuery(statement, limits));
    const { columns, rows, truncated, tooLarge, tag } = await query.outcome.catch((error: unknown) =>
      this.refused(error, statement.ownText),
    );
    if (tooLarge)
      throw new StepFailure('result_too_large', `A statement returned more than ${limits.maxBytes} bytes`, { retryable: false });
    return {
      columns: columns?.map(({ name }) => name) ?? null,
      rows:
        columns === null
          ? []
          : rows.map((row) =>
              Object.fromEntries(
                columns.map(({ name, dataTypeID }, at) => [name, readColumn(row[at] ?? null, dataTypeID)] as [string, Json]),
              ),
            ),
      truncated,
      rowCount: columns === null ? countOf(tag) : rows.length,
      message: tag,
    };
  }

  read(statement: SentStatement, { maxPageBytes }: { readonly maxPageBytes: number }): RowReader {
    const query = this.connection.client.query(new PageQuery(statement, maxPageBytes));
    return {
      next: (maxRows: number): Promise<RowPage | null> =>
        query.next(maxRows).catch((error: unknown) => this.refused(error, statement.ownText)),
      close: () => query.close(),
    };
  }

  async copy(text: string, lines: Uint8Array): Promise<number> {
    if (!this.connection.isUtf8) throw contextFailure('The session has another client_encoding than UTF8.');
    const query = this.connection.client.query(new CopyQuery(text, lines));
    return query.outcome.catch((error: unknown) => this.refused(error, text));
  }

  async control(text: 'BEGIN' | 'COMMIT' | 'ROLLBACK'): Promise<void> {
    await this.connection.client.query(text).catch((error: unknown) => this.refused(error, text));
  }

  private refused(error: unknown, text: string): never {
    if (error instanceof pg.DatabaseError && this.connection.isOpen && !isConnectionLoss(error)) throw databaseErrorOf(error, text);
    throw connectionFailure(error, whereOf(this.target));
  }
}

/** `INSERT 0 3`, `UPDATE 2`, `SELECT 5`: the number at its end. */
function countOf(tag: string): number | null {
  const count = / (\d+)$/.exec(tag)?.[1];
  return count === undefined ? null : Number(count);
}

function isConnectionLoss(error: unknown): boolean {
  if (error instanceof StepFailure) return false;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^(?:08|57P0|E[A-Z]+$)/.test(code) || (error instanceof Error && /^Connection terminated|not queryable/.test(error.message));
}

function whereOf({ host, port }: DatabaseTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function failStep(error: unknown): never {
  if (error instanceof OutboundError) throw new StepFailure(error.code, error.message, { retryable: error.retryable });
  throw error;
}
