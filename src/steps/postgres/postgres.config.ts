import { EngineError } from '../../engine/engine-error.js';
import { type Action } from '../../engine/playbook/playbook.js';
import { StepFailure } from '../../engine/step-executor.js';
import { type Rendering } from '../../engine/template/rendering.js';
import { type Scope } from '../../engine/template/scope.js';
import { compileValue, TemplateSyntaxError, type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { CONNECTION_FIELDS } from '../../sql/database-target.js';
import { compileCommand, type SqlCommand } from '../../sql/sql-command.js';

/** Where an action or a save connects to, as far as the document says. */
export interface ConnectionConfig {
  /** Renders to a mapping of connection fields. */
  readonly fields: ValueTemplate;
  /** It names a credential. */
  readonly usesAuth: boolean;
}

/** A postgres action with its templates compiled. */
export interface PostgresConfig {
  readonly command: SqlCommand;
  readonly parameters: ValueTemplate;
  /** Renders to whether all statements share a transaction. */
  readonly transaction: ValueTemplate;
  readonly connection: ConnectionConfig;
}

/** Reads the fields of a postgres action. Throws EngineError `invalid_document` whose pointers are relative to the action. */
export function parsePostgresConfig(action: Action): PostgresConfig {
  const field = (name: string): Json => own(action.fields, name) ?? null;
  return {
    command: compileCommand(field('command'), 'postgres', '/command'),
    parameters: compiled(field('parameters'), '/parameters'),
    transaction: compiled(field('transaction') ?? true, '/transaction'),
    connection: connectionConfig(action.fields, action.auth, ''),
  };
}

export function connectionConfig(fields: JsonObject, auth: Json, pointer: string): ConnectionConfig {
  const given = Object.entries(fields).filter(([name]) => CONNECTION_FIELDS.includes(name));
  return { fields: compiled(Object.fromEntries(given), pointer), usesAuth: auth !== null };
}

export function compiled(value: Json, pointer: string): ValueTemplate {
  try {
    return compileValue(value);
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    throw new EngineError('invalid', 'invalid_document', error.message, [{ code: 'template_syntax', message: error.message, pointer }]);
  }
}

/**
 * The connection fields of a request. Where a credential says where to go, nothing else may: else whoever chooses the
 * inputs of a step could have its password sent to a host of their own. Only the author's own fields choose database
 * and schema there.
 */
export function renderConnection(config: ConnectionConfig, inputs: JsonObject, scope: Scope, rendering: Rendering): JsonObject {
  const fields = config.fields.render(scope, rendering);
  const own = isObject(fields) ? fields : {};
  if (config.usesAuth) return pick(own, ['db_name', 'db_schema']);
  const given = { ...pick(inputs, CONNECTION_FIELDS), ...own };
  if (Object.keys(given).length === 0) {
    throw new StepFailure('invalid_connection', 'The step says neither auth nor where its database is (db_host, connection)', {
      retryable: false,
    });
  }
  return given;
}

function pick(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => names.includes(name) && value !== null));
}
