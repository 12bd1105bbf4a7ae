import { EngineError } from '../../engine/engine-error.js';
import { type Action } from '../../engine/playbook/playbook.js';
import { StepFailure } from '../../engine/step-executor.js';
import { compileValue, TemplateSyntaxError, type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, own } from '../../engine/values.js';
import { assertedTables } from '../../sql/asserted-tables.js';
import { compileCommand, type SqlCommand } from '../../sql/sql-command.js';

/** A duckdb action with its templates compiled. */
export interface DuckDbConfig {
  readonly command: SqlCommand;
  readonly parameters: ValueTemplate;
  readonly transaction: ValueTemplate;
  readonly database: ValueTemplate;
  readonly files: ValueTemplate;
  /** What its contract may mean tables by. */
  readonly tables: readonly string[];
}

/** Reads the fields of a duckdb action. Throws EngineError `invalid_document` whose pointers are relative to the action. */
export function parseDuckDbConfig(action: Action): DuckDbConfig {
  const { fields } = action;
  const field = (name: string): ValueTemplate => compiled(own(fields, name) ?? null, `/${name}`);
  return {
    command: compileCommand(own(fields, 'command') ?? null, 'duckdb', '/command'),
    parameters: field('parameters'),
    transaction: compiled(own(fields, 'transaction') ?? true, '/transaction'),
    database: field('database'),
    files: field('files'),
    tables: assertedTables(action),
  };
}

export function compiled(value: Json, pointer: string): ValueTemplate {
  try {
    return compileValue(value);
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    throw new EngineError('invalid', 'invalid_document', error.message, [{ code: 'template_syntax', message: error.message, pointer }]);
  }
}

/** Files for the folder of the execution: texts as they are, other values as JSON. Throws StepFailure. */
export function filesOf(rendered: Json): Record<string, string> {
  if (rendered === null) return {};
  if (!isObject(rendered)) throw invalid('files must be a mapping of file names to what they hold');
  const names = Object.keys(rendered);
  const bad = names.find((name) => name === '' || name.length > 200 || /^\.+$|[/\\\p{Cc}]/u.test(name) || !name.isWellFormed());
  if (bad !== undefined) throw invalid('files has a name that is no plain file name');
  return Object.fromEntries(
    Object.entries(rendered).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

/** Whether a rendered switch is on. */
export function isTrue(rendered: Json): boolean {
  if (typeof rendered === 'string') return !['false', 'no', 'off', 'n', '0', ''].includes(rendered.trim().toLowerCase());
  return rendered !== false && rendered !== 0 && rendered !== null;
}

function invalid(message: string): StepFailure {
  return new StepFailure('invalid_parameters', message, { retryable: false });
}
