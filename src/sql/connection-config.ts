import { type DatabaseTarget } from '../engine/database-port.js';
import { EngineError } from '../engine/engine-error.js';
import { type ResolvedCredential, StepFailure } from '../engine/step-executor.js';
import { type Rendering } from '../engine/template/rendering.js';
import { type Scope } from '../engine/template/scope.js';
import { compileValue, TemplateSyntaxError, type ValueTemplate } from '../engine/template/template.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { CONNECTION_FIELDS, databaseTarget } from './database-target.js';

/** Where an action or a save connects to, as far as the document says. */
export interface ConnectionConfig {
  /** Renders to a mapping of connection fields. */
  readonly fields: ValueTemplate;
  /** It names a credential. */
  readonly usesAuth: boolean;
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

/** The first credential of the kind; what it leaves open, the step's own fields say. */
export function connectionTarget(connection: JsonObject, auth: ReadonlyMap<string, ResolvedCredential>): DatabaseTarget {
  const entries = [...auth.values()];
  const credential = entries.find(({ type }) => type === 'postgres' || type === 'postgresql');
  if (credential) return databaseTarget({ ...credential.fields, ...connection });
  if (entries.length > 0) {
    throw new StepFailure(
      'invalid_connection',
      `A postgres step needs a credential of type postgres, not ${entries.map(({ type }) => type).join(', ')}`,
      {
        retryable: false,
      },
    );
  }
  if (Object.keys(connection).every((name) => name === 'db_name' || name === 'db_schema'))
    throw new StepFailure('unsupported_auth', 'Credentials are not available for this step', { retryable: false });
  return databaseTarget(connection);
}
