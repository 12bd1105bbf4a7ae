import { type JsonObject } from '../../engine/values.js';
import { type SqlStatement } from '../../sql/sql-statement.js';
import { type SaveMode } from '../../sql/table-writes.js';

type Opening = {
  /** Of the tenant; null: private to the execution. */
  readonly database: string | null;
};

/** What a duckdb step or save does, as it is recorded. */
export type DuckDbRequest =
  | (Opening & {
      readonly does: 'statements' | 'save_statements';
      readonly files: Record<string, string>;
      readonly statements: SqlStatement[];
      readonly transaction: boolean;
      /** Looked for afterwards. */
      readonly tables?: string[];
    })
  | (Opening & {
      readonly does: 'save_rows';
      readonly table: string;
      readonly mode: SaveMode;
      readonly key: string[];
      readonly rows: JsonObject[];
    });
