/** A page of rows ends where they come to so many bytes, beside its number of rows: more of them would hold the node up while it reads and writes them. */
export const PAGE_BYTES = 4 * 1024 * 1024;

/** A part of a list, and whether the list goes on behind it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly more: boolean;
}

/** What `cutToBytes` adds to a row, among others. */
export interface CutRow {
  /** Whether another row follows. */
  readonly more: boolean;
}

/** Bytes of a column's text in SQL, about. What is stored as it is need not be read for that; what is compressed can be a hundred times as long. */
export const bytesOf = (column: string): string =>
  `CASE WHEN pg_column_compression(${column}) IS NULL THEN coalesce(pg_column_size(${column}), 0) ELSE octet_length(${column}::text) END`;

/** The rows of a statement, each with whether another one follows (`more`) and the bytes of all before it (`bytesBefore`). @param order of the rows @param columns that may be large */
export function measured(rows: string, order: string, columns: readonly string[]): string {
  return `SELECT p.*, lead(true, 1, false) OVER w AS more, coalesce(sum(${columns.map((column) => bytesOf(`p.${column}`)).join(' + ')}) OVER w, 0) AS "bytesBefore"
    FROM (${rows}) p WINDOW w AS (ORDER BY ${order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)`;
}

/** The first rows of a statement, up to the one that uses the bytes up. @param rows one more than the page may have @param bytes how many, or a parameter */
export function cutToBytes(rows: string, order: string, columns: readonly string[], bytes: number | string = PAGE_BYTES): string {
  return `SELECT * FROM (${measured(rows, order, columns)}) m WHERE "bytesBefore" < ${bytes} ORDER BY ${order}`;
}

/** The page that the answer to such a statement is. */
export function pageOf<Row extends CutRow, T>(rows: readonly Row[], limit: number, itemOf: (row: Row) => T): Page<T> {
  const kept = rows.slice(0, limit);
  return { items: kept.map(itemOf), more: kept.at(-1)?.more ?? false };
}
