import { type JsonObject } from '../../engine/values.js';
import { type HttpRequest } from '../../outbound/http-request.js';
import { type SqlStatement } from '../../sql/sql-statement.js';

/** How rows come into the table. */
export type TransferMode = 'append' | 'replace' | 'upsert';

export type PostgresSource = {
  readonly type: 'postgres';
  /** With a credential only what that leaves to the step. */
  readonly connection: JsonObject;
  readonly statement: SqlStatement;
};

export type HttpSource = {
  readonly type: 'http';
  readonly call: HttpRequest;
  /** Keys and indexes to the list in the body. */
  readonly data_path: string[];
};

export type DuckDbSource = {
  readonly type: 'duckdb';
  /** Of the tenant; null: private to the execution. */
  readonly database: string | null;
  readonly statement: SqlStatement;
};

export type IntoTable = {
  readonly into: 'table';
  readonly table: string;
  readonly mode: TransferMode;
  readonly key: string[];
};

/** A statement for each row. What it binds are the names, or the places, of fields of the row. */
export type IntoQuery = {
  readonly into: 'query';
  readonly statement: SqlStatement;
  readonly by: 'name' | 'place';
};

export type TransferTarget =
  | ({ readonly type: 'postgres'; readonly connection: JsonObject } & (IntoTable | IntoQuery))
  | ({ readonly type: 'duckdb'; readonly database: string | null } & (IntoTable | IntoQuery));

/** What a transfer does, as it is recorded. */
export type TransferRequest = {
  readonly source: PostgresSource | DuckDbSource | HttpSource;
  readonly target: TransferTarget;
  /** Column of the target by field of the source; null: the same names. In order. */
  readonly mapping: [string, string][] | null;
  /** Rows, 1 to 10,000. */
  readonly chunk_size: number;
};
