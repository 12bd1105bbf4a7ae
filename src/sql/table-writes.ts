import { type SentStatement } from '../engine/database-port.js';
import { type Json, type JsonObject, own } from '../engine/values.js';
import { type Dialect } from './sql-lexer.js';
import { boundText, objectName, quoteName } from './write-statement.js';

/** What saving rows to a table means. */
export type SaveMode = 'append' | 'upsert' | 'update' | 'overwrite';

/** Modes by the words that documents use. */
export const SAVE_MODES: Readonly<Record<string, SaveMode>> = {
  append: 'append',
  insert: 'append',
  upsert: 'upsert',
  update: 'update',
  overwrite: 'overwrite',
  replace: 'overwrite',
};

export interface TableWrite {
  readonly table: string;
  readonly mode: SaveMode;
  /** Columns that identify a row, for upsert and update; each row has them. */
  readonly key: readonly string[];
  readonly rows: readonly JsonObject[];
}

/** The protocol counts values of a statement in 16 bits. */
const MAX_VALUES = 30_000;
const MAX_ROWS = 1_000;

/** The statements of a write, to be run in one transaction. Values are bound, names quoted as they are written. */
export function* tableStatements(write: TableWrite, dialect: Dialect): Generator<SentStatement> {
  const table = objectName(write.table, dialect);
  // DELETE, not TRUNCATE: whoever reads meanwhile goes on seeing the rows there were.
  if (write.mode === 'overwrite') yield plain(`DELETE FROM ${table}`);
  if (write.mode === 'update') for (const row of write.rows) yield update(table, write.key, row);
  else for (const group of groupsOf(write)) yield insert(table, write, group);
}

/** Rows in order that one INSERT can take: the same columns, and for upsert no key twice, which PostgreSQL refuses. */
function* groupsOf({ rows, mode, key }: TableWrite): Generator<readonly JsonObject[]> {
  let group: JsonObject[] = [];
  let keys = new Set<string>();
  for (const row of rows) {
    const [first] = group;
    const columns = Object.keys(row);
    const ownKey = JSON.stringify(key.map((column) => own(row, column) ?? null));
    const fits =
      first === undefined ||
      (sameColumns(first, columns) &&
        group.length < MAX_ROWS &&
        (group.length + 1) * columns.length <= MAX_VALUES &&
        columns.length > 0 &&
        !(mode === 'upsert' && keys.has(ownKey)));
    if (!fits) {
      yield group;
      group = [];
      keys = new Set();
    }
    group.push(row);
    keys.add(ownKey);
  }
  if (group.length > 0) yield group;
}

function sameColumns(row: JsonObject, columns: readonly string[]): boolean {
  return Object.keys(row).length === columns.length && columns.every((column) => Object.hasOwn(row, column));
}

function insert(table: string, { mode, key }: TableWrite, rows: readonly JsonObject[]): SentStatement {
  const columns = Object.keys(rows[0] ?? {});
  if (columns.length === 0) return plain(`INSERT INTO ${table} DEFAULT VALUES`);
  const values = new Values();
  const lists = rows.map((row) => `(${columns.map((column) => values.add(own(row, column) ?? null)).join(', ')})`);
  const text = `INSERT INTO ${table} (${columns.map(quoteName).join(', ')}) VALUES ${lists.join(', ')}`;
  return values.statement(mode === 'upsert' ? `${text} ${onConflict(columns, key)}` : text);
}

/** What an INSERT does with rows whose key is there: updates their other columns. */
export function onConflict(columns: readonly string[], key: readonly string[]): string {
  const target = `ON CONFLICT (${key.map(quoteName).join(', ')})`;
  const changed = columns.filter((column) => !key.includes(column));
  if (changed.length === 0) return `${target} DO NOTHING`;
  return `${target} DO UPDATE SET ${changed.map((column) => `${quoteName(column)} = EXCLUDED.${quoteName(column)}`).join(', ')}`;
}

function update(table: string, key: readonly string[], row: JsonObject): SentStatement {
  const values = new Values();
  const columns = Object.keys(row).filter((column) => !key.includes(column));
  const assigned = (columns.length > 0 ? columns : key).map((column) => `${quoteName(column)} = ${values.add(own(row, column) ?? null)}`);
  const matched = key.map((column) => `${quoteName(column)} = ${values.add(own(row, column) ?? null)}`);
  return values.statement(`UPDATE ${table} SET ${assigned.join(', ')} WHERE ${matched.join(' AND ')}`);
}

function plain(text: string): SentStatement {
  return { text, ownText: text, values: [] };
}

class Values {
  private readonly list: (string | null)[] = [];

  add(value: Json): string {
    this.list.push(boundText(value));
    return `$${this.list.length}`;
  }

  statement(text: string): SentStatement {
    return { text, ownText: text, values: this.list };
  }
}
