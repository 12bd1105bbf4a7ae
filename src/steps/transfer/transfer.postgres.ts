import { DatabaseError, type DatabaseSession, type RowPage } from '../../engine/database-port.js';
import { copyLine } from '../../sql/copy-query.js';
import { tableStatements } from '../../sql/table-writes.js';
import { objectName, quoteName, writeStatement } from '../../sql/write-statement.js';
import { type IntoQuery, type IntoTable } from './transfer.request.js';
import { type ChunkWriter, fieldsOf } from './transfer.target.js';

/** Views, and tables with policies, take INSERT and not COPY. */
const NO_COPY: ReadonlySet<string> = new Set(['42809', '0A000']);
const NO_ROWS = { maxRows: 0, maxBytes: 0 } as const;
/** What RETURNING answers for one row is read past. */
const ANSWER = { maxRows: 0, maxBytes: 16 * 1_048_576 } as const;

abstract class PostgresWriter implements ChunkWriter {
  constructor(protected readonly session: DatabaseSession) {}

  begin(): Promise<void> {
    return this.session.control('BEGIN');
  }

  abstract write(chunk: RowPage): Promise<void>;

  commit(): Promise<void> {
    return this.session.control('COMMIT');
  }

  /** Locks go at once; the connection forgets the rest anyway. */
  async undo(): Promise<void> {
    if (this.session.isInTransaction) await this.session.control('ROLLBACK').catch(() => undefined);
  }
}

/** Loads chunks into a table of PostgreSQL: with COPY, or INSERT where that is needed. */
export class PostgresTable extends PostgresWriter {
  private copies: boolean;
  private isFirst = true;

  constructor(
    session: DatabaseSession,
    private readonly target: IntoTable,
  ) {
    super(session);
    this.copies = target.mode !== 'upsert';
  }

  override async begin(): Promise<void> {
    await super.begin();
    // DELETE, not TRUNCATE: whoever reads meanwhile goes on seeing the rows there were.
    const text = `DELETE FROM ${objectName(this.target.table, 'postgres')}`;
    if (this.target.mode === 'replace') await this.session.run({ text, ownText: text, values: [] }, NO_ROWS);
  }

  async write(chunk: RowPage): Promise<void> {
    if (this.copies) await this.copy(chunk);
    else await this.insert(chunk);
    this.isFirst = false;
  }

  private async copy(chunk: RowPage): Promise<void> {
    const columns = chunk.columns.map(quoteName).join(', ');
    const text = `COPY ${objectName(this.target.table, 'postgres')} (${columns}) FROM STDIN`;
    try {
      await this.session.copy(text, Buffer.from(chunk.rows.map(copyLine).join('')));
    } catch (error) {
      if (!(error instanceof DatabaseError) || !NO_COPY.has(error.sqlState) || !this.isFirst) throw error;
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
    for (const statement of tableStatements(write, 'postgres')) await this.session.run(statement, NO_ROWS);
  }
}

/** Performs a statement for each row, its fields bound. */
export class PostgresQuery extends PostgresWriter {
  constructor(
    session: DatabaseSession,
    private readonly target: IntoQuery,
  ) {
    super(session);
  }

  async write({ columns, rows }: RowPage): Promise<void> {
    const { backslashEscapes } = this.session;
    const { text, ownText, values } = writeStatement(this.target.statement, { dialect: 'postgres', backslashEscapes });
    const places = fieldsOf(values, columns, this.target.by);
    for (const row of rows) await this.session.run({ text, ownText, values: places.map((place) => row[place] ?? null) }, ANSWER);
  }
}
