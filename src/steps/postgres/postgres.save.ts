import { EngineError } from '../../engine/engine-error.js';
import { type SqlPolicy } from '../../engine/database-port.js';
import { type Save } from '../../engine/playbook/playbook.js';
import { type SaveStorage, StepFailure } from '../../engine/step-executor.js';
import { type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { compiled, type ConnectionConfig, connectionConfig, renderConnection } from '../../sql/connection-config.js';
import { compileCommand, type SqlCommand } from '../../sql/sql-command.js';
import { SAVE_MODES, type SaveMode } from '../../sql/table-writes.js';
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
        const parameters = parametersOf(config.params.render(scope, rendering), data);
        const statements = config.command.render(scope, rendering, parameters, policy);
        return { does: 'save_statements', connection, statements, transaction: true };
      }
      const table = textField(config.table.render(scope, rendering), 'table');
      const mode = modeOf(config.mode.render(scope, rendering));
      const key = keyOf(config.key.render(scope, rendering));
      if ((mode === 'upsert' || mode === 'update') && key.length === 0)
        throw failure('invalid_parameters', `A save with mode ${mode} needs a key`);
      return { does: 'save_rows', connection, table, mode, key, rows: rowsOf(data, key) };
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

/** Binds come from `params`, and by name from the data besides; without either a colon is only a colon. */
function parametersOf(params: Json, data: Json): Json {
  if (Array.isArray(params)) return params;
  if (params !== null && !isObject(params)) throw failure('invalid_parameters', 'params must be a list or a mapping');
  if (params === null && !isObject(data)) return null;
  return { ...(isObject(data) ? data : {}), ...params };
}

function rowsOf(data: Json, key: readonly string[]): JsonObject[] {
  const rows = Array.isArray(data) ? data : [data];
  if (!rows.every(isObject)) throw failure('inputs_not_mapping', 'The data of a save to a table must be a mapping, or a list of mappings');
  const lacking = key.find((column) => rows.some((row) => !Object.hasOwn(row, column)));
  if (lacking !== undefined) throw failure('invalid_parameters', `A row of the save lacks its key ${lacking}`);
  return rows;
}

function modeOf(mode: Json): SaveMode {
  const found = typeof mode === 'string' ? SAVE_MODES[mode.trim().toLowerCase()] : undefined;
  if (found === undefined) throw failure('invalid_parameters', 'mode must be append, insert, upsert, update, overwrite or replace');
  return found;
}

function keyOf(key: Json): string[] {
  const list = Array.isArray(key) ? key : key === null ? [] : [key];
  return list.map((column) => textField(column, 'key'));
}

function textField(value: Json, name: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw failure('invalid_parameters', `${name} of the save is empty or not a text`);
}

function failure(code: 'invalid_parameters' | 'inputs_not_mapping', message: string): StepFailure {
  return new StepFailure(code, message, { retryable: false });
}
