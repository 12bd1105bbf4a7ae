import { type DatabaseSession, type SentStatement } from '../engine/database-port.js';
import { type DuckDbStatement } from '../engine/duckdb-port.js';
import { type Action } from '../engine/playbook/playbook.js';
import { boundText } from './write-statement.js';

/** Names that a table can have, with that of its schema or without. */
const TABLE = /^[\p{L}_][\p{L}\p{N}_$]*(?:\.[\p{L}_][\p{L}\p{N}_$]*)?$/u;
/** Parts of the value of a step that runs SQL. */
const PART = /^(?:command_\d+|rows|row_count|columns|data|result|status)(?:\.|$)/;

/** What `assert.returns` of an action may mean tables by (playbook language §9): all that is no part of its value. */
export function assertedTables({ assert }: Action): string[] {
  return (assert?.returns ?? []).map(({ path }) => path).filter((path) => TABLE.test(path) && !PART.test(path));
}

/** Those of the names that tables, views and the like of the database have, as its search path finds them. */
export async function tablesThere(session: DatabaseSession, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const { rows } = await session.run(inPostgres(names), { maxRows: names.length, maxBytes: Infinity });
  return rows.map(({ name }) => String(name));
}

// A name stands for itself in lower case, or as it would between double quotes.
function inPostgres(names: readonly string[]): SentStatement {
  const text = `SELECT name FROM unnest($1::text[]) AS name
    WHERE to_regclass(name) IS NOT NULL OR to_regclass(regexp_replace(name, '[^.]+', '"\\&"', 'g')) IS NOT NULL`;
  return { text, ownText: text, values: [boundText([...names], true)] };
}

/** The same as a statement for DuckDB, whose names have no case. */
export function tablesThereInDuckDb(names: readonly string[]): DuckDbStatement {
  const text = `SELECT name FROM (SELECT unnest(from_json(?, '["VARCHAR"]')) AS name)
    WHERE EXISTS (SELECT 1 FROM information_schema.tables t
      WHERE lower(name) IN (lower(t.table_name), lower(t.table_schema || '.' || t.table_name), lower(t.table_catalog || '.' || t.table_name)))`;
  return { text, ownText: text, values: [[...names]] };
}
