import { type Json } from './values.js';
import { type RowPage, type StatementOutcome } from './database-port.js';

/** DuckDB outside the service: a process per call's tenant, a database per execution or a named one (src/sandbox). */
export interface DuckDb {
  /**
   * Opens the database, performs the statements in order up to the first that fails, and closes it. Calls on one database
   * wait for each other. Throws StepFailure where nothing could be performed; throws `signal.reason` when aborted, after
   * the process was killed.
   */
  run(call: DuckDbCall): Promise<DuckDbOutcome>;
  /**
   * Opens databases for `work`, which has them and their process to itself; what it did not commit is gone afterwards. Throws StepFailure, or
   * `signal.reason` when aborted, after the process was killed.
   */
  use<Result>(loan: DuckDbLoan, work: (session: DuckDbSession) => Promise<Result>): Promise<Result>;
}

export interface DuckDbLoan {
  readonly tenantId: string;
  /** Decimal digits. */
  readonly executionId: string;
  /** The database that is read: its name, null for the private one. Left out: none is. */
  readonly read?: string | null;
  /** The database that is written, perhaps the same. */
  readonly write?: string | null;
  readonly signal: AbortSignal;
}

/** A transaction in the database that is read, and one in that which is written. Methods throw DatabaseError of the statement, without a state. */
export interface DuckDbSession {
  /** Begins the one statement whose rows are read. Resolves to its columns; none where it returns no rows. */
  query(statement: DuckDbStatement): Promise<readonly string[]>;
  /** Its next rows, until one of the limits is reached; null after the last. */
  next(maxRows: number, maxBytes: number): Promise<Omit<RowPage, 'columns'> | null>;
  /** Performs a statement without values where is written. */
  write(text: string): Promise<void>;
  /** Inserts rows of texts, each cast to the type of its column. */
  insert(rows: RowPage, into: DuckDbTable): Promise<void>;
  /** Performs a statement for each row, its values bound as texts. */
  each(statement: Omit<DuckDbStatement, 'values'>, rows: RowPage['rows']): Promise<void>;
  /** Of what is written first. */
  commit(): Promise<void>;
}

export interface DuckDbTable {
  /** SQL of its name. */
  readonly table: string;
  /** SQL of the columns, in the order of the rows. */
  readonly columns: readonly string[];
  /** Columns that identify a row: of those with the same only the last is kept, and one that is there is updated. Null: all rows are new. */
  readonly upsert: { readonly key: readonly string[]; readonly onConflict: string } | null;
}

export interface DuckDbCall {
  readonly tenantId: string;
  /** Decimal digits. */
  readonly executionId: string;
  /** Of the tenant, kept; null: private to the execution and removed with it. */
  readonly database: string | null;
  /** Texts to put into the folder that the SQL may read and write, by file name. */
  readonly files: Readonly<Record<string, string>>;
  readonly statements: readonly DuckDbStatement[];
  /** All statements share one, unless one of them cannot be in it. */
  readonly transaction: boolean;
  /** What ATTACH and secrets may name, in order. */
  readonly secrets: readonly DuckDbSecret[];
  readonly maxRows: number;
  readonly signal: AbortSignal;
}

export interface DuckDbStatement {
  readonly text: string;
  /** The text without the values in it: errors quote nothing else. */
  readonly ownText: string;
  readonly values: readonly Json[];
}

/** A credential as DuckDB's secret manager has them. */
export interface DuckDbSecret {
  readonly name: string;
  readonly type: 'postgres' | 's3' | 'gcs';
  /** Parameters of CREATE SECRET, e.g. HOST, KEY_ID. */
  readonly parameters: Readonly<Record<string, string>>;
}

export type DuckDbOutcome =
  | { readonly ok: true; readonly results: readonly StatementOutcome[] }
  | {
      readonly ok: false;
      readonly code: 'sql_error' | 'extension_unavailable' | 'outbound_blocked' | 'result_too_large';
      /** Index of the statement. */
      readonly at: number;
      /** Free of values. */
      readonly message: string;
      /** The statements before it were undone. */
      readonly undone: boolean;
      /** The private database had been made by this very call. */
      readonly fresh: boolean;
    };
