import { type SqlPolicy } from '../engine/database-port.js';
import { EngineError } from '../engine/engine-error.js';
import { type Rendering } from '../engine/template/rendering.js';
import { type Scope } from '../engine/template/scope.js';
import { type Json } from '../engine/values.js';
import { type Binds, bindsOf } from './binds.js';
import { compileSql, type SqlTemplate } from './compile-sql.js';
import { type Dialect } from './sql-lexer.js';
import { type SqlStatement } from './sql-statement.js';

/** The SQL of a step or a save: one text, or a list of texts that run in order. */
export interface SqlCommand {
  /** `parameters`: values for placeholders, null for none. Throws StepFailure, TemplateError. */
  render(scope: Scope, rendering: Rendering, parameters: Json, policy: SqlPolicy): SqlStatement[];
}

/** Compiles `command`. Throws EngineError (invalid_document) whose issues have pointers below `pointer`. */
export function compileCommand(command: Json, dialect: Dialect, pointer: string): SqlCommand {
  if (command === null || command === '') refuse('missing_field', 'The SQL is missing', pointer);
  const entries = Array.isArray(command) ? command : [command];
  const templates = entries.map((entry, index): SqlTemplate => {
    const at = Array.isArray(command) ? `${pointer}/${index}` : pointer;
    if (typeof entry !== 'string') return refuse('invalid_type', 'SQL is a text, or a list of texts', at);
    return compileSql(entry, dialect, at);
  });
  return {
    render(scope, rendering, parameters, { unsafe }) {
      const binds: Binds | null = bindsOf(
        parameters,
        templates.map(({ source }) => source),
      );
      return templates.flatMap((template) => template.render(scope, rendering, { unsafe, binds }));
    },
  };
}

function refuse(code: 'missing_field' | 'invalid_type', message: string, pointer: string): never {
  throw new EngineError('invalid', 'invalid_document', message, [{ code, message, pointer }]);
}
