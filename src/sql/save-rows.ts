import { StepFailure } from '../engine/step-executor.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { SAVE_MODES, type SaveMode, type TableWrite } from './table-writes.js';

/** What a save writes into a table, read from its rendered fields. Throws StepFailure. */
export function tableWriteOf(fields: { readonly table: Json; readonly mode: Json; readonly key: Json }, data: Json): TableWrite {
  const table = textField(fields.table, 'table');
  const mode = modeOf(fields.mode);
  const list = Array.isArray(fields.key) ? fields.key : fields.key === null ? [] : [fields.key];
  const key = list.map((column) => textField(column, 'key'));
  if ((mode === 'upsert' || mode === 'update') && key.length === 0)
    throw failure('invalid_parameters', `A save with mode ${mode} needs a key`);
  return { table, mode, key, rows: rowsOf(data, key) };
}

/** Binds of a save's SQL: from `params`, and by name from the data besides; without either a colon is only a colon. */
export function saveParameters(params: Json, data: Json): Json {
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
  const word = typeof mode === 'string' ? mode.trim().toLowerCase() : '';
  const found = Object.hasOwn(SAVE_MODES, word) ? SAVE_MODES[word] : undefined;
  if (found === undefined) throw failure('invalid_parameters', 'mode must be append, insert, upsert, update, overwrite or replace');
  return found;
}

function textField(value: Json, name: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw failure('invalid_parameters', `${name} of the save is empty or not a text`);
}

function failure(code: 'invalid_parameters' | 'inputs_not_mapping', message: string): StepFailure {
  return new StepFailure(code, message, { retryable: false });
}
