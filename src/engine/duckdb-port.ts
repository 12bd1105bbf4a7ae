import { type Json } from './values.js';
import { type StatementOutcome } from './database-port.js';

/** DuckDB outside the service: a process per call's tenant, a database per execution or a named one (src/sandbox). */
export interface DuckDb {
  /**
   * Opens the database, performs the statements in order up to the first that fails, and closes it. Calls on one database
   * wait for each other. Throws StepFailure where nothing could be performed; throws `signal.reason` when aborted, after
   * the process was killed.
   */
  run(call: DuckDbCall): Promise<DuckDbOutcome>;
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
