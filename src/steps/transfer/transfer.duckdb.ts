import { type RowPage } from '../../engine/database-port.js';
import { type DuckDbSession } from '../../engine/duckdb-port.js';
import { onConflict } from '../../sql/table-writes.js';
import { objectName, quoteName, writeStatement } from '../../sql/write-statement.js';
import { type IntoQuery, type IntoTable } from './transfer.request.js';
import { type ChunkWriter, fieldsOf } from './transfer.target.js';

/** Writes chunks into DuckDB: the session is a transaction, which its end undoes. */
export class DuckDbWriter implements ChunkWriter {
  constructor(
    private readonly session: DuckDbSession,
    private readonly target: IntoTable | IntoQuery,
  ) {}

  async begin(): Promise<void> {
    const { target } = this;
    if (target.into === 'table' && target.mode === 'replace') await this.session.write(`DELETE FROM ${objectName(target.table, 'duckdb')}`);
  }

  async write(chunk: RowPage): Promise<void> {
    if (this.target.into === 'query') return this.each(chunk, this.target);
    const { table, mode, key } = this.target;
    const upsert = mode === 'upsert' ? { key: key.map(quoteName), onConflict: onConflict(chunk.columns, key) } : null;
    await this.session.insert(chunk, { table: objectName(table, 'duckdb'), columns: chunk.columns.map(quoteName), upsert });
  }

  commit(): Promise<void> {
    return this.session.commit();
  }

  undo(): Promise<void> {
    return Promise.resolve();
  }

  private async each({ columns, rows }: RowPage, { statement, by }: IntoQuery): Promise<void> {
    const { text, ownText, values } = writeStatement(statement, { dialect: 'duckdb' });
    const places = fieldsOf(values, columns, by);
    const bound = rows.map((row) => places.map((place) => row[place] ?? null));
    await this.session.each({ text, ownText }, bound);
  }
}
