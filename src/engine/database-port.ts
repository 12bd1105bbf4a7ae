import { type Json } from './values.js';

/** Where SQL steps go: the databases of playbooks, never the service's own. */
export interface Databases {
  /**
   * Lends a connection to `work`, which nobody else uses meanwhile and which keeps nothing of it afterwards. An abort of
   * the signal cancels what runs on the server. Throws StepFailure, or the signal's reason.
   */
  use<Result>(target: DatabaseTarget, loan: DatabaseLoan, work: (session: DatabaseSession) => Promise<Result>): Promise<Result>;
}

/** A PostgreSQL database and who logs in there. */
export interface DatabaseTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Comes first in the search path; null leaves it to the server. */
  readonly schema: string | null;
  readonly sslMode: SslMode;
  /** Certificates to trust, PEM; null: those of the system. */
  readonly sslRootCertificate: string | null;
}

/** As libpq has them; `prefer` is the default. */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

export interface DatabaseLoan {
  readonly tenantId: string;
  readonly signal: AbortSignal;
  /** Milliseconds after which the server itself gives a statement up; null: none. */
  readonly statementTimeoutMs: number | null;
  /**
   * Set by who holds another connection meanwhile: these come from pools of their own, so that nobody who holds one waits for
   * somebody who does the same. Default: false.
   */
  readonly besideAnother?: boolean;
}

export interface DatabaseSession {
  /** The session takes backslashes in '…' for escapes. */
  readonly backslashEscapes: boolean;
  /** A transaction block is open. */
  readonly isInTransaction: boolean;
  /** Performs one statement, values bound to $1, $2, …. Throws DatabaseError of the statement, StepFailure for anything else. */
  run(statement: SentStatement, limits: RowLimits): Promise<StatementOutcome>;
  /** Begins one statement whose rows are read as they are asked for. It has the session to itself until it is closed. */
  read(statement: SentStatement, limits: { readonly maxPageBytes: number }): RowReader;
  /**
   * Loads lines of COPY's text format. Returns how many rows the server took. Throws as `run`.
   * @param text a COPY … FROM STDIN
   */
  copy(text: string, lines: Uint8Array): Promise<number>;
  /** BEGIN, COMMIT, ROLLBACK. */
  control(text: 'BEGIN' | 'COMMIT' | 'ROLLBACK'): Promise<void>;
}

/** Rows of a statement, page by page: the rest stays with the server. */
export interface RowReader {
  /** The next page, at most `maxRows` rows (the first has at most 50); null after the last. One call at a time. Throws as `run`. */
  next(maxRows: number): Promise<RowPage | null>;
  /** Resolves when the session can be used again; rows that were not read are given up. */
  close(): Promise<void>;
}

export interface RowPage {
  readonly columns: readonly string[];
  /** As PostgreSQL writes each value in text. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Characters of all values. */
  readonly bytes: number;
}

export interface SentStatement {
  readonly text: string;
  /** The text without the values in it: errors quote nothing else. */
  readonly ownText: string;
  readonly values: readonly (string | null)[];
}

export interface RowLimits {
  readonly maxRows: number;
  /** Of all rows together, as the server sends them. */
  readonly maxBytes: number;
}

export interface StatementOutcome {
  /** Null: the statement returns no rows. */
  readonly columns: readonly string[] | null;
  readonly rows: readonly Record<string, Json>[];
  /** There were more rows than the limit. */
  readonly truncated: boolean;
  /** Rows returned or changed; null where the statement counts none. */
  readonly rowCount: number | null;
  /** What the server says it did: INSERT 0 1. */
  readonly message: string;
}

/** A statement that the database refused. Everything here is free of values. */
export class DatabaseError extends Error {
  constructor(
    /** Without what the statement's values were. */
    message: string,
    /** Five characters; 57014 where it was cancelled. */
    readonly sqlState: string,
    /** Names of objects the error is about: constraint, table, column, schema. */
    readonly about: Readonly<Record<string, string>>,
  ) {
    super(message);
    this.name = 'DatabaseError';
  }
}

/** What operators decide about the SQL of playbooks. */
export interface SqlPolicy {
  /** What rendered templates may put into SQL as it stands: everything, only what says `| sql_raw`, or nothing. */
  readonly unsafe: 'allow' | 'explicit' | 'refuse';
  /** Rows of one statement; what is beyond is left out. */
  readonly maxRows: number;
}
