import { type SqlPolicy } from '../../engine/database-port.js';
import { EngineError } from '../../engine/engine-error.js';
import { type Save } from '../../engine/playbook/playbook.js';
import { type SaveStorage } from '../../engine/step-executor.js';
import { type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { databaseName } from '../../sql/duckdb-statement.js';
import { saveParameters, tableWriteOf } from '../../sql/save-rows.js';
import { compileCommand, type SqlCommand } from '../../sql/sql-command.js';
import { compiled } from './duckdb.config.js';
import { type DuckDbRequest } from './duckdb.request.js';

interface SaveConfig {
  /** Null: rows go into a table. */
  readonly command: SqlCommand | null;
  readonly params: ValueTemplate;
  readonly table: ValueTemplate;
  readonly mode: ValueTemplate;
  readonly key: ValueTemplate;
  readonly database: ValueTemplate;
}

/** Saves to DuckDB (playbook language §8): rows into a table with bound values, or the author's commands. */
export function duckDbSave(policy: SqlPolicy): SaveStorage<SaveConfig, DuckDbRequest> {
  return {
    parse({ fields }: Save) {
      const field = (name: string): Json => own(fields, name) ?? null;
      const [sql, pointer] = field('statement') === null ? [field('commands'), '/commands'] : [field('statement'), '/statement'];
      if (sql === null && field('table') === null) {
        const message = 'A save to duckdb needs "table", "statement" or "commands"';
        throw new EngineError('invalid', 'invalid_document', message, [{ code: 'missing_field', message, pointer: '' }]);
      }
      const spec = field('spec');
      return {
        command: sql === null ? null : compileCommand(sql, 'duckdb', pointer as string),
        params: compiled(field('params'), '/params'),
        table: compiled(field('table'), '/table'),
        mode: compiled(field('mode') ?? 'append', '/mode'),
        key: compiled(field('key') ?? [], '/key'),
        database: compiled(isObject(spec) ? (own(spec, 'database') ?? null) : null, '/spec/database'),
      };
    },

    render(config, data, scope, rendering) {
      const database = databaseName(config.database.render(scope, rendering));
      if (config.command !== null) {
        const parameters = saveParameters(config.params.render(scope, rendering), data);
        return {
          does: 'save_statements',
          database,
          files: {},
          statements: config.command.render(scope, rendering, parameters, policy),
          transaction: true,
        };
      }
      const [table, mode, key] = [config.table, config.mode, config.key].map((each) => each.render(scope, rendering)) as [Json, Json, Json];
      const write = tableWriteOf({ table, mode, key }, data);
      return { does: 'save_rows', database, table: write.table, mode: write.mode, key: [...write.key], rows: [...write.rows] };
    },

    outcome: (value): JsonObject =>
      isObject(value) ? { table: own(value, 'table') ?? null, row_count: own(value, 'row_count') ?? null } : {},
  };
}
