import { type JsonObject } from '../../engine/values.js';
import { type SaveMode } from '../../sql/table-writes.js';
import { type SqlStatement } from '../../sql/sql-statement.js';

type Connecting = {
  /** Connection fields; with a credential only those that it leaves to the step. */
  readonly connection: JsonObject;
};

/** What a postgres step or save does, as it is recorded. */
export type PostgresRequest =
  | (Connecting & Statements & { readonly does: 'statements' | 'save_statements' })
  | (Connecting & {
      readonly does: 'save_rows';
      readonly table: string;
      readonly mode: SaveMode;
      readonly key: string[];
      readonly rows: JsonObject[];
    });

type Statements = {
  readonly statements: SqlStatement[];
  /** All of them in one transaction. */
  readonly transaction: boolean;
  /** Looked for afterwards. */
  readonly tables?: string[];
};
