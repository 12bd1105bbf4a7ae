import { EngineError } from '../../engine/engine-error.js';
import { type SqlPolicy } from '../../engine/database-port.js';
import { type Save } from '../../engine/playbook/playbook.js';
import { type SaveStorage } from '../../engine/step-executor.js';
import { type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { compiled, type ConnectionConfig, connectionConfig, renderConnection } from '../../sql/connection-config.js';
import { compileCommand, type SqlCommand } from '../../sql/sql-command.js';
import { saveParameters, tableWriteOf } from '../../sql/save-rows.js';
import { type PostgresRequest } from './postgres.request.js';

interface SaveConfig {
  readonly connection: ConnectionConfig;
  /** Null: rows go into a table. */
  readonly command: SqlCommand | null;
  readonly params: ValueTemplate;
  readonly table: ValueTemplate;
  readonly mode: ValueTemplate;
  readonly key: ValueTemplate;
}

/** Saves to PostgreSQL (playbook language §8): rows into a table with bound values, or a statement of the author's. */
export function postgresSave(policy: SqlPolicy): SaveStorage<SaveConfig, PostgresRequest> {
  return {
    parse: parseSave,

    render(config, data, scope, rendering) {
      const connection = renderConnection(config.connection, {}, scope, rendering);
      if (config.command !== null) {
        const parameters = saveParameters(config.params.render(scope, rendering), data);
        const statements = config.command.render(scope, rendering, parameters, policy);
        return { does: 'save_statements', connection, statements, transaction: true };
      }
      const fields = {
        table: config.table.render(scope, rendering),
        mode: config.mode.render(scope, rendering),
        key: config.key.render(scope, rendering),
      };
      const { key, rows, ...target } = tableWriteOf(fields, data);
      return { does: 'save_rows', connection, ...target, key: [...key], rows: [...rows] };
    },

    outcome: (value): JsonObject =>
      isObject(value) ? { table: own(value, 'table') ?? null, row_count: own(value, 'row_count') ?? null } : {},
  };
}

function parseSave({ fields, auth }: Save): SaveConfig {
  const field = (name: string): Json => own(fields, name) ?? null;
  const spec = field('spec');
  const [sql, pointer] = field('statement') === null ? [field('commands'), '/commands'] : [field('statement'), '/statement'];
  if (sql === null && field('table') === null) {
    const message = 'A save to postgres needs "table", "statement" or "commands"';
    throw new EngineError('invalid', 'invalid_document', message, [{ code: 'missing_field', message, pointer: '' }]);
  }
  return {
    connection: connectionConfig(isObject(spec) ? spec : {}, auth, '/spec'),
    command: sql === null ? null : compileCommand(sql, 'postgres', pointer as string),
    params: compiled(field('params'), '/params'),
    table: compiled(field('table'), '/table'),
    mode: compiled(field('mode') ?? 'append', '/mode'),
    key: compiled(field('key') ?? [], '/key'),
  };
}
