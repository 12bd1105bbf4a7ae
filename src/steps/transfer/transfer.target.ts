import { DatabaseError, type DatabaseSession, type RowPage } from '../../engine/database-port.js';
import { StepFailure } from '../../engine/step-executor.js';
import { copyLine } from '../../sql/copy-query.js';
import { tableStatements } from '../../sql/table-writes.js';
import { objectName, quoteName } from '../../sql/write-statement.js';
import { type TransferRequest } from './transfer.request.js';

/** Views, and tables with policies, take INSERT and not COPY. */
const NO_COPY: ReadonlySet<string> = new Set(['42809', '0A000']);

export interface Transferred {
  readonly rows: number;
  readonly chunks: number;
}

/** Writes all chunks in one transaction. Throws StepFailure, after which nothing of them is there. */
export async function writeChunks(
  chunks: AsyncIterable<RowPage>,
  target: TransferRequest['target'],
  session: DatabaseSession,
): Promise<Transferred> {
  const writer = new TableWriter(target, session);
  try {
    await writer.begin();
    for await (const chunk of chunks) await writer.write(chunk);
    await session.control('COMMIT');
    return writer.done;
  } catch (error) {
    // Locks go at once; the connection forgets the rest anyway.
    if (session.isInTransaction) await session.control('ROLLBACK').catch(() => undefined);
    throw writer.failure(error);
  }
}

class TableWriter {
  done: Transferred = { rows: 0, chunks: 0 };
  private underway = 0;
  private copies: boolean;

  constructor(
    private readonly target: TransferRequest['target'],
    private readonly session: DatabaseSession,
  ) {
    this.copies = target.mode !== 'upsert';
  }

  async begin(): Promise<void> {
    await this.session.control('BEGIN');
    // DELETE, not TRUNCATE: whoever reads meanwhile goes on seeing the rows there were.
    const text = `DELETE FROM ${objectName(this.target.table, 'postgres')}`;
    if (this.target.mode === 'replace') await this.session.run({ text, ownText: text, values: [] }, { maxRows: 0, maxBytes: 0 });
  }

  async write(chunk: RowPage): Promise<void> {
    const lacking = this.target.key.find((column) => !chunk.columns.includes(column));
    if (lacking !== undefined) throw new StepFailure('invalid_transfer', `The rows lack the key ${lacking}`, { retryable: false });
    this.underway = chunk.rows.length;
    if (this.copies) await this.copy(chunk);
    else await this.insert(chunk);
    this.done = { rows: this.done.rows + chunk.rows.length, chunks: this.done.chunks + 1 };
    this.underway = 0;
  }

  /** What is told of an error: where, never which values. */
  failure(error: unknown): unknown {
    const { rows, chunks } = this.done;
    const value = { status: 'error', rows_transferred: 0, rows_undone: rows, chunks };
    if (error instanceof StepFailure && error.value === undefined)
      return new StepFailure(error.code, `${error.message}; nothing was kept (${rows} rows were written before)`, {
        retryable: error.retryable,
        cause: error.details,
        value,
        ...(error.statusCode === undefined ? {} : { statusCode: error.statusCode }),
      });
    if (!(error instanceof DatabaseError)) return error;
    const { sqlState, about, message } = error;
    const where = this.underway === 0 ? 'The target failed' : `Chunk ${chunks + 1} (rows ${rows + 1} to ${rows + this.underway}) failed`;
    return new StepFailure(sqlState === '57014' ? 'timeout' : 'sql_error', `${where}: ${message} (${sqlState}); nothing was kept`, {
      cause: { sqlstate: sqlState, side: 'target', chunk: chunks + 1, rows_before: rows, ...about },
      value,
    });
  }

  private async copy(chunk: RowPage): Promise<void> {
    const columns = chunk.columns.map(quoteName).join(', ');
    const text = `COPY ${objectName(this.target.table, 'postgres')} (${columns}) FROM STDIN`;
    try {
      await this.session.copy(text, Buffer.from(chunk.rows.map(copyLine).join('')));
    } catch (error) {
      if (!(error instanceof DatabaseError) || !NO_COPY.has(error.sqlState) || this.done.chunks > 0) throw error;
      // The first chunk: nothing is lost by beginning again.
      this.copies = false;
      await this.session.control('ROLLBACK');
      await this.begin();
      await this.insert(chunk);
    }
  }

  private async insert({ columns, rows }: RowPage): Promise<void> {
    const { table, mode, key } = this.target;
    const objects = rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at] ?? null])));
    const write = { table, mode: mode === 'upsert' ? mode : 'append', key, rows: objects } as const;
    for (const statement of tableStatements(write, 'postgres')) await this.session.run(statement, { maxRows: 0, maxBytes: 0 });
  }
}
